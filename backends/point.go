//go:build !points

package backends

// Point is a place in the work where tests kill the process (TestKilledAtPoints).
func Point(string) {}
