package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/spf13/pflag"
)

// settings are what one mount is asked to be.
type settings struct {
	mountpoint, source string
	device             int // an open /dev/fuse that is mounted already; 0: none
	stateDir           string
	maxMsg, msgSize    uint32 // of new queues; 0: the kernel's defaults
	pageCache          bool   // --shm=page-cache
	net                string // what of the network is lent; empty: loopback
	nonEmpty           bool
	options            []string // mount options of the kernel
	foreground         bool

	// Of a daemon that another ipcfs starts:
	readyFd int    // a byte is written to it when the tree is live
	logFile string // instead of stderr
	private bool   // of `ipcfs run`, which has no need for a log
}

// register defines the flags all mounts have.
func (s *settings) register(f *pflag.FlagSet) {
	f.Uint32Var(&s.maxMsg, "maxmsg", 0, "a new queue holds `N` messages")
	f.Uint32Var(&s.msgSize, "msgsize", 0, "its messages are at most `BYTES` long")
	f.Var((*shmMode)(&s.pageCache), "shm", "auto, or page-cache: shared memory without passthrough")
	f.Lookup("shm").DefValue = ""
	f.Var((*netReach)(&s.net), "net", "what sockets/tcp and udp reach: off, loopback, any")
}

// registerInternal defines the flags with which ipcfs starts itself.
func (s *settings) registerInternal(f *pflag.FlagSet) {
	f.IntVar(&s.readyFd, "ready-fd", 0, "")
	f.StringVar(&s.logFile, "log", "", "")
	f.BoolVar(&s.private, "private", false, "")
	for _, name := range []string{"ready-fd", "log", "private"} {
		f.Lookup(name).Hidden = true
	}
}

// args is the command line that asks for the same.
func (s *settings) args() []string {
	args := []string{"--maxmsg=" + strconv.Itoa(int(s.maxMsg)), "--msgsize=" + strconv.Itoa(int(s.msgSize)),
		"--shm=" + (*shmMode)(&s.pageCache).String(), "--net=" + s.net, "--state-dir=" + s.stateDir}
	options := s.options
	if s.nonEmpty {
		options = append(slices.Clip(options), "nonempty")
	}
	if len(options) > 0 {
		args = append(args, "--options="+strings.Join(options, ",")) // -o would take an = for its own
	}
	return append(args, "--", s.source, s.mountpoint)
}

// parseOptions takes one -o list apart. Our own options are the flags of f by the same name; what is left is for the kernel.
func (s *settings) parseOptions(f *pflag.FlagSet, list string) error {
	for o := range strings.SplitSeq(list, ",") {
		name, value, valued := strings.Cut(o, "=")
		switch {
		case o == "" || ignored(name):
		case o == "nonempty":
			s.nonEmpty = true
		case slices.Contains([]string{"maxmsg", "msgsize", "state-dir", "shm", "net"}, name):
			if !valued {
				return usagef("option %s needs a value: %s=...", name, name)
			}
			if err := f.Set(name, value); err != nil {
				return usagef("option %s: %w", o, err)
			}
		default:
			s.options = append(s.options, o)
		}
	}
	return nil
}

// ignored reports whether an option is one of those of mount(8) and fstab(5) that are not about the mount itself, or ask for what
// a mount is anyway.
func ignored(name string) bool {
	if strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "X-") {
		return true
	}
	return slices.Contains([]string{"defaults", "rw", "suid", "dev", "exec", "async", "auto", "noauto", "user", "nouser", "users", "owner",
		"group", "_netdev", "nofail", "comment"}, name)
}

// shmMode is the value of --shm: whether the page cache is asked for.
type shmMode bool

func (m *shmMode) String() string {
	if *m {
		return "page-cache"
	}
	return "auto"
}

// Set is pflag.Value.Set.
func (m *shmMode) Set(v string) error {
	if v != "auto" && v != "page-cache" {
		return fmt.Errorf("%q is neither auto nor page-cache", v)
	}
	*m = v == "page-cache"
	return nil
}

// Type is pflag.Value.Type.
func (m *shmMode) Type() string { return "MODE" }

// netReach is the value of --net.
type netReach string

func (r *netReach) String() string { return string(*r) }

// Set is pflag.Value.Set.
func (r *netReach) Set(v string) error {
	_, err := backends.ParseReach(v)
	*r = netReach(v)
	return err
}

// Type is pflag.Value.Type.
func (r *netReach) Type() string { return "REACH" }

// defaultStateDir is where the state is kept if --state-dir does not say.
func defaultStateDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/run/ipcfs", nil
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return dir + "/ipcfs", nil
	}
	return "", fmt.Errorf("no place to keep state: XDG_RUNTIME_DIR is not set (choose a directory with --state-dir)")
}
