// Package stamp has what was stamped into this program when it was built, and answers `ipcfs version` with
// that.
//
// It does so before main begins. Whatever a program imports is initialized before that, also what is not
// needed then: the libraries of ipcfs make tables and compile patterns for twice as long as all else takes.
// Go initializes packages in the order of their paths, each as soon as those that it imports are ("Program
// initialization" in the specification of the language). So this one comes before them, as long as it imports
// no package whose path is behind its own, or that needs one, but for those that all others need too
// (TestVersionFirst).
package stamp

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"runtime"
)

// text is what packaging/version prints, in a program that packaging/build has built, else "".
var text string

// Build is what a program was built from.
type Build struct{ Version, Commit, Date string }

// Here is what this program was built from, if that is stamped.
func Here() (Build, bool) { return Parse(text) }

// Parse reads what packaging/version prints.
func Parse(text string) (Build, bool) {
	f := bytes.Fields([]byte(text))
	if len(f) != 3 {
		return Build{}, false
	}
	return Build{string(f[0]), string(f[1]), string(f[2])}, true
}

// String is what `ipcfs version` prints: ipcfs 1.0.0 (172e180, 2026-11-28, go1.26.8 linux/amd64).
func (b Build) String() string {
	return "ipcfs " + b.Version + " (" + cmp.Or(b.Commit, "commit not known") + ", " + cmp.Or(b.Date, "date not known") +
		", " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + ")"
}

var _ = answered(os.Args, os.Stdout) && leave()

// answered reports whether the program was asked for nothing but its version, and that is stamped, and
// printed. All else, and what fails, is main's.
func answered(args []string, out io.Writer) bool {
	if len(args) != 2 || args[1] != "version" {
		return false
	}
	b, ok := Here()
	if !ok {
		return false
	}
	_, err := io.WriteString(out, b.String()+"\n")
	return err == nil
}

func leave() bool {
	os.Exit(0)
	return true
}
