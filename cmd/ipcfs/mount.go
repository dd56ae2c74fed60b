package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/mount"
	"github.com/spf13/pflag"
)

// mountCommand is `ipcfs mount MOUNTPOINT` and `ipcfs mount SOURCE MOUNTPOINT`.
func mountCommand(f *pflag.FlagSet) func(io.Writer, []string) error { return mounting(f, true) }

// mountBare is `ipcfs MOUNTPOINT` and `ipcfs SOURCE MOUNTPOINT -o LIST`.
func mountBare(f *pflag.FlagSet) func(io.Writer, []string) error { return mounting(f, false) }

// mounting is either of the two. Without the word mount, and without the -o that mount(8) always gives, an
// argument that does not look like a mount point is taken for a mistaken command.
func mounting(f *pflag.FlagSet, named bool) func(io.Writer, []string) error {
	var (
		s       settings
		lists   []string
		version bool
	)
	f.BoolVarP(&s.foreground, "foreground", "f", false, "stay in the foreground and log to stderr")
	f.StringArrayVarP(&lists, "options", "o", nil, "`LIST` of mount options; also nonempty, maxmsg=N, ...")
	s.register(f)
	f.BoolVar(&version, "version", false, "print the version")
	f.Lookup("version").Hidden = true // help shows the command, and fits a screen
	s.registerInternal(f)
	// mount(8) gives these to a helper called mount.fuse.ipcfs (EXTERNAL HELPERS).
	f.StringP("types", "t", "", "")
	f.BoolP("no-mtab", "n", false, "")
	f.BoolP("sloppy", "s", false, "")
	f.BoolP("verbose", "v", false, "")
	for _, name := range []string{"types", "no-mtab", "sloppy", "verbose"} {
		f.Lookup(name).Hidden = true
	}

	return func(out io.Writer, args []string) error {
		if version {
			return versionCommand(f)(out, args)
		}
		if !named && len(lists) == 0 && !s.startedByIpcfs() {
			if err := mistaken(args); err != nil {
				return err
			}
		}
		for _, list := range lists {
			if err := s.parseOptions(f, list); err != nil {
				return err
			}
		}
		if err := s.places(args); err != nil {
			return err
		}
		if isPidOne() && s.device == 0 && !s.startedByIpcfs() {
			return s.servePidOne()
		}
		if s.foreground {
			return s.serve()
		}
		return background(&s)
	}
}

// places takes SOURCE and MOUNTPOINT from the arguments and makes all paths
// absolute, as the daemon leaves the current directory.
func (s *settings) places(args []string) (err error) {
	switch len(args) {
	case 0:
		return usagef("a mount point is needed")
	case 1:
		s.mountpoint = args[0]
	case 2:
		s.source, s.mountpoint = args[0], args[1]
	default:
		return usagef("unexpected argument %q", args[2])
	}
	if s.mountpoint == "" {
		return usagef("the mount point is empty")
	}
	if s.tree.StateDir == "" {
		s.tree.StateDir = defaultStateDir()
	}
	if s.tree.StateDir, err = filepath.Abs(s.tree.StateDir); err != nil {
		return err
	}
	if at, err := filepath.Abs(s.mountpoint); err == nil && within(s.tree.StateDir, at) {
		return usagef("the state directory %s is in the mount point, and would be covered by the tree: "+
			"--state-dir DIR elsewhere", s.tree.StateDir)
	}
	if path, ok := strings.CutPrefix(s.metricsListen, "unix:"); ok {
		if path, err = filepath.Abs(path); err != nil {
			return err
		}
		s.metricsListen = "unix:" + path
	}
	if s.device = deviceIn(s.mountpoint); s.device != 0 {
		s.foreground = true
		return nil
	}
	if s.mountpoint, err = filepath.Abs(s.mountpoint); err != nil {
		return err
	}
	if real, err := resolve(s.mountpoint); err == nil { // umount2(2) follows no link here (UMOUNT_NOFOLLOW)
		s.mountpoint = real
	}
	return nil
}

// within reports whether a path is a directory, or below it.
func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// deviceIn is N if the mount point is /dev/fd/N: the process that started this one
// has opened /dev/fuse as descriptor N and mounted it, as mount.fuse3 does for users
// who may not. It is 0 for an ordinary mount point.
func deviceIn(mountpoint string) int {
	n, ok := strings.CutPrefix(mountpoint, "/dev/fd/")
	if !ok {
		return 0
	}
	fd, err := strconv.Atoi(n)
	if err != nil || fd < 0 {
		return 0
	}
	return fd
}

// clear looks whether a tree can be mounted at the mount point, and takes
// away what a daemon that was killed left there.
func (s *settings) clear() error {
	if s.device != 0 {
		return nil
	}
	for range 8 { // as many dead mounts as may lie on one another
		m, err := mountAt(s.mountpoint)
		switch {
		case errors.Is(err, syscall.ENOENT):
			return fmt.Errorf("%s: %w", s.mountpoint, mount.ErrMountpoint)
		case err != nil:
			return err
		case m == nil || !ours(m):
			return isDirectory(s.mountpoint)
		}
		switch _, err := ask(m); {
		case errors.Is(err, errSilent):
			do, why := silent(m.Mountpoint)
			return fmt.Errorf("already mounted, and %w (%s)", why, do)
		case !errors.Is(err, syscall.ENOTCONN):
			return fmt.Errorf("%s: %w", s.mountpoint, mount.ErrMounted)
		}
		if err := mount.Unmount(m.Mountpoint); err != nil {
			return fmt.Errorf("%s: a daemon that died left its mount: %w", s.mountpoint, err)
		}
	}
	return fmt.Errorf("%s: %w", s.mountpoint, mount.ErrMounted)
}

func isDirectory(path string) error {
	st, err := os.Stat(path)
	if err == nil && !st.IsDir() {
		err = fmt.Errorf("%s: mount point is not a directory", path)
	}
	return err
}
