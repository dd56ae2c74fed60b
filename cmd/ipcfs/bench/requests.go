package bench

import (
	"os"
	"strconv"
	"strings"
)

// countRequests counts the requests to the daemon that one `echo > queue` makes its
// caller wait for, also of the daemon's other users.
func (b *bench) countRequests(path string) (float64, error) {
	const times = 8 // fewer than the queue holds
	// The kernel remembers the directory for a while: finding it is not part of each.
	if err := shellWrite(path, []byte("hello\n")); err != nil {
		return 0, err
	}
	var n [3]int
	for i := range n {
		if i == 2 {
			for range times {
				if err := shellWrite(path, []byte("hello\n")); err != nil {
					return 0, err
				}
			}
		}
		var err error
		if n[i], err = b.awaited(); err != nil {
			return 0, err
		}
	}
	asking := n[1] - n[0]
	return float64(n[2]-n[1]-asking) / times, nil
}

// awaited is how many requests the daemon has had that somebody waited for, by its own count.
func (b *bench) awaited() (int, error) {
	text, err := os.ReadFile(b.Tree + "/ctl/status")
	n := 0
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		v, _ := strconv.Atoi(value)
		switch key {
		case "requests":
			n += v
		case "requests_unawaited":
			n -= v
		}
	}
	return n, err
}
