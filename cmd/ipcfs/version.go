package main

import (
	"fmt"
	"io"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/ipcfs/ipcfs/cmd/ipcfs/stamp"
	"github.com/spf13/pflag"
)

// release is the version that is being made, or was made last. packaging/version reads it, too.
const release = "1.0.0"

// buildOf is what this program was built from: what the go command has noted, of a module that
// `go install` has fetched, or of a clone. What is no release is a -devel of one.
func buildOf(info *debug.BuildInfo) stamp.Build {
	b := stamp.Build{Version: release + "-devel"}
	if info == nil {
		return b
	}
	if v, ok := strings.CutPrefix(info.Main.Version, "v"); ok {
		switch {
		case regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`).MatchString(v):
			b.Version = v
		default:
			// A pseudo-version ends in time and commit: v1.0.1-0.20261128220355-172e18068cd9
			m := regexp.MustCompile(`[-.]([0-9]{4})([0-9]{2})([0-9]{2})[0-9]{6}-([0-9a-f]{7})[0-9a-f]*`).
				FindStringSubmatch(v)
			if m != nil {
				b.Commit, b.Date = m[4], strings.Join(m[1:4], "-")
			}
		}
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 7:
			b.Commit = s.Value[:7]
		case s.Key == "vcs.time" && len(s.Value) >= len("2006-01-02"):
			b.Date = s.Value[:len("2006-01-02")]
		}
	}
	return b
}

// buildHere is what this program was built from: what is stamped, else what the go command has noted.
func buildHere() stamp.Build {
	if b, ok := stamp.Here(); ok {
		return b
	}
	info, _ := debug.ReadBuildInfo()
	return buildOf(info)
}

// version is the version of this program.
func version() string { return buildHere().Version }

// versionCommand prints what package stamp has not answered already.
func versionCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		if len(args) > 0 {
			return usagef("unexpected argument %q", args[0])
		}
		_, err := fmt.Fprintln(out, buildHere())
		return err
	}
}
