package main

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/pflag"
)

// release is the version that is being made, or was made last. packaging/version reads it, too.
const release = "1.0.0"

// stamp is what packaging/version prints, in a program that packaging/build has built.
var stamp string

// built is what a program was built from.
type built struct{ version, commit, date string }

// buildOf is what this program was built from: what is stamped, or what the go command has noted, of a module
// that `go install` has fetched, or of a clone. What is neither a release nor stamped is a -devel of one.
func buildOf(stamp string, info *debug.BuildInfo) built {
	if f := strings.Fields(stamp); len(f) == 3 {
		return built{f[0], f[1], f[2]}
	}
	b := built{version: release + "-devel"}
	if info == nil {
		return b
	}
	if v, ok := strings.CutPrefix(info.Main.Version, "v"); ok {
		switch {
		case regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`).MatchString(v):
			b.version = v
		default:
			// A pseudo-version ends in time and commit: v1.0.1-0.20261128220355-172e18068cd9
			m := regexp.MustCompile(`[-.]([0-9]{4})([0-9]{2})([0-9]{2})[0-9]{6}-([0-9a-f]{7})[0-9a-f]*`).
				FindStringSubmatch(v)
			if m != nil {
				b.commit, b.date = m[4], strings.Join(m[1:4], "-")
			}
		}
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 7:
			b.commit = s.Value[:7]
		case s.Key == "vcs.time" && len(s.Value) >= len("2006-01-02"):
			b.date = s.Value[:len("2006-01-02")]
		}
	}
	return b
}

func buildHere() built {
	info, _ := debug.ReadBuildInfo()
	return buildOf(stamp, info)
}

// version is the version of this program.
func version() string { return buildHere().version }

// String is what `ipcfs version` prints: ipcfs 1.0.0 (172e180, 2026-11-28, go1.26.8 linux/amd64).
func (b built) String() string {
	return fmt.Sprintf("ipcfs %s (%s, %s, %s %s/%s)", b.version, cmp.Or(b.commit, "commit not known"),
		cmp.Or(b.date, "date not known"), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func versionCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		if len(args) > 0 {
			return usagef("unexpected argument %q", args[0])
		}
		_, err := fmt.Fprintln(out, buildHere())
		return err
	}
}
