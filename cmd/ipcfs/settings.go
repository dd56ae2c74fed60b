package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/mount"
	"github.com/ipcfs/ipcfs/mount/keeper"
	"github.com/spf13/pflag"
)

// settings are what one mount is asked to be. The rows of settingTable keep their values in tree and session.
type settings struct {
	mountpoint, source string
	device             int // an open /dev/fuse that is mounted already; 0: none
	tree               fs.Config
	session            mount.Options
	options            []string // mount options of the kernel
	foreground         bool
	logLevel           string // of logLevels; "": the first, or what is usual for such a daemon
	logFormat          string // of logFormats
	metricsListen      string // where metrics are served; "": nowhere
	metricsNames       string // which objects they name

	// These are for a daemon that another ipcfs starts:
	readyFd  int    // a byte is written to it when the tree is live
	logFile  string // instead of stderr
	private  bool   // of `ipcfs run`, which has no need for a log
	isWorker bool   // of a keeper
	alone    bool   // it serves without a keeper
	post     *keeper.Post

	program     string // where the next program is found
	inheritance string // of the keeper before this one, in the same process
}

// register defines the flags all mounts have: those of settingTable.
func (s *settings) register(f *pflag.FlagSet) {
	for _, row := range settingTable {
		row.register(f, s)
	}
}

// registerPrivate defines the flags of `ipcfs run`, which keeps its state where it ends with the command.
func (s *settings) registerPrivate(f *pflag.FlagSet) {
	for _, row := range settingTable {
		if row.private {
			row.register(f, s)
		}
	}
}

// registerInternal defines the flags with which ipcfs starts itself.
func (s *settings) registerInternal(f *pflag.FlagSet) {
	f.IntVar(&s.readyFd, "ready-fd", 0, "")
	f.StringVar(&s.logFile, "log", "", "")
	f.BoolVar(&s.private, "private", false, "")
	f.BoolVar(&s.isWorker, "worker", false, "")
	f.StringVar(&s.program, "program", programHere(), "")
	f.StringVar(&s.inheritance, "inheritance", "", "")
	for _, name := range []string{"ready-fd", "log", "private", "worker", "program", "inheritance"} {
		f.Lookup(name).Hidden = true
	}
}

// startedByIpcfs reports whether another ipcfs has started this one.
func (s *settings) startedByIpcfs() bool { return s.readyFd != 0 || s.isWorker || s.inheritance != "" }

// args is the command line that asks for the same.
func (s *settings) args() []string {
	var args []string
	for _, o := range s.asked() {
		args = append(args, "--"+o)
	}
	if len(s.options) > 0 {
		args = append(args, "--options="+strings.Join(s.options, ",")) // -o would take an = for its own
	}
	return append(args, "--", s.source, s.mountpoint)
}

// asked are the rows of settingTable that differ from their defaults, as name=value.
func (s *settings) asked() (list []string) {
	for _, row := range settingTable {
		value := row.in(s)
		if many, ok := value.(*attachments); ok {
			for _, one := range many.all() {
				list = append(list, row.name+"="+one)
			}
		} else if now := value.String(); now != row.in(new(settings)).String() {
			list = append(list, row.name+"="+now)
		}
	}
	return list
}

// parseOptions takes one -o list apart. The options of ipcfs are the flags of f, by the
// names in settingTable; what is left is for the kernel.
func (s *settings) parseOptions(f *pflag.FlagSet, list string) error {
	for o := range strings.SplitSeq(list, ",") {
		name, value, valued := strings.Cut(o, "=")
		row, own := findSetting(name)
		switch {
		case o == "" || ignored(name):
			continue
		case !own:
			s.options = append(s.options, o)
			continue
		case !valued && row.value != "":
			return usagef("option %s needs a value: %s=...", name, name)
		case !valued:
			value = "true"
		}
		if err := f.Set(name, value); err != nil {
			return usagef("option %s: %w", o, err)
		}
	}
	return nil
}

// ignored reports whether an option is one of mount(8) or fstab(5) that is not about the
// mount itself, or that asks for what a mount is anyway.
func ignored(name string) bool {
	if strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "X-") {
		return true
	}
	return slices.Contains([]string{"defaults", "rw", "suid", "dev", "exec", "async", "auto", "noauto",
		"user", "nouser", "users", "owner",
		"group", "_netdev", "nofail", "comment"}, name)
}

// defaultStateDir is where the state is kept if nobody says where: for users in the directory of their
// session, even if the environment does not name it (under sudo, under cron, in containers). Without a
// session it is a directory of their own among the temporary files.
func defaultStateDir() string {
	uid := os.Geteuid()
	if uid == 0 {
		return "/run/ipcfs"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return dir + "/ipcfs"
	}
	dir := fmt.Sprintf("/run/user/%d", uid)
	if st, err := os.Stat(dir); err == nil && st.IsDir() && st.Sys().(*syscall.Stat_t).Uid == uint32(uid) {
		return dir + "/ipcfs"
	}
	return fmt.Sprintf("%s/ipcfs-%d", os.TempDir(), uid)
}
