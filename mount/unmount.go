package mount

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Each step of unmounting has this long before the next, harsher one is taken.
const unmountPatience = time.Second

// Unmount ends the session, from the daemon itself: it unmounts; if the mount is busy, detaches it and ends
// all waits with ENODEV; and if somebody still holds it, aborts the connection. It returns when Serve has no
// more to do, and takes a few seconds at most.
func (s *Session) Unmount() error {
	connection := s.connection()
	err := s.detach(connection, 0)
	if err != nil {
		s.waiting.end(syscall.ENODEV)
		err = s.detach(connection, unix.MNT_DETACH)
	}
	if s.over(unmountPatience) {
		return nil
	}
	s.waiting.end(syscall.ENODEV)
	if e := abort(connection); e != nil || !s.over(unmountPatience) {
		// Somebody holds files open, so the kernel keeps the connection. It ends with the process.
		s.stuck.Store(true)
		s.end.Do(func() { close(s.ended) })
		if errors.Is(e, os.ErrNotExist) {
			e = nil // the connection is gone already, or nobody has mounted the control file system
		}
		return errors.Join(err, e, ErrStuck)
	}
	return nil
}

// detach takes the mount away if it is there: it may have been detached, and another one made in its place.
func (s *Session) detach(connection string, flags int) error {
	if at := connectionAt(s.o.Mountpoint); at != "" && connection != "" && at != connection {
		return nil
	}
	return detach(s.o.Mountpoint, flags)
}

// over waits for the kernel to end the connection.
func (s *Session) over(patience time.Duration) bool {
	select {
	case <-s.ended:
		return true
	case <-time.After(patience):
		return false
	}
}

// Uppermost finds the mount at exactly this mount point, a path without symbolic links, that lies on all
// others there, as a tree does on the volume of a container; nil: there is none. Of several on which nothing
// lies it is the last: the others are hidden by what was mounted later on a directory above. It asks nothing
// of what is mounted.
func Uppermost(point string) (*mountinfo.Info, error) {
	list, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.Mountpoint != point, false })
	if err != nil {
		return nil, err
	}
	for _, m := range slices.Backward(list) {
		covers := func(other *mountinfo.Info) bool { return other.Parent == m.ID }
		if !slices.ContainsFunc(list, covers) {
			return m, nil
		}
	}
	return nil, nil
}

// Unmount takes away a mount whose daemon is dead or does not answer: it unmounts, else detaches, with
// mount(2) or fusermount3, and aborts the connection if there still is one.
func Unmount(mountpoint string) error {
	at, err := filepath.Abs(mountpoint)
	if err != nil {
		return err
	}
	connection := ""
	if m, err := Uppermost(at); err == nil && m != nil {
		connection = fmt.Sprint(m.Minor)
	}
	if err := detach(at, 0); err == nil {
		return nil
	}
	err = detach(at, unix.MNT_DETACH)
	_ = abort(connection) // ends those who wait; without the control file system they wait for the daemon to end
	return err
}

// detach is umount2(2) with flags, or fusermount3 for those who may not.
func detach(mountpoint string, flags int) error {
	err := unix.Unmount(mountpoint, flags|unix.UMOUNT_NOFOLLOW)
	if err != unix.EPERM {
		if err != nil {
			return fmt.Errorf("%s: unmount: %w", mountpoint, err)
		}
		return nil
	}
	helper, missing := exec.LookPath("fusermount3")
	if missing != nil {
		return fmt.Errorf("%s: unmount: %w", mountpoint, err)
	}
	args := []string{"-u", "--", mountpoint}
	if flags&unix.MNT_DETACH != 0 {
		args[0] = "-uz"
	}
	if said, err := exec.Command(helper, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: unmount: %w: %s", mountpoint, err, strings.TrimSpace(string(said)))
	}
	return nil
}

// connection is the mount's name below /sys/fs/fuse/connections; "": it is not known.
func (s *Session) connection() string {
	select {
	case <-s.live:
		return s.settled.connection
	default:
		return connectionAt(s.o.Mountpoint)
	}
}

func connectionAt(mountpoint string) string {
	m, err := Uppermost(mountpoint)
	if err != nil || m == nil {
		return ""
	}
	return fmt.Sprint(m.Minor)
}

// abort ends a connection for the kernel and all who use it, through the control file system of FUSE
// (Documentation/filesystems/fuse.rst).
func abort(connection string) error {
	if connection == "" {
		return errors.New("the connection to abort is not known")
	}
	return os.WriteFile("/sys/fs/fuse/connections/"+connection+"/abort", []byte("1"), 0)
}
