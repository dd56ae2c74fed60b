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

// ErrElsewhere says that the mount of a daemon lies beneath another one, or was moved. It is left there, dead.
var ErrElsewhere = errors.New("its mount is beneath another one, or was moved, and is left there without a daemon")

// Unmount ends the session, from the daemon itself: it unmounts; if the mount is busy, detaches it and ends
// all waits with ENODEV; and if somebody still holds it, aborts the connection. It returns when Serve has no
// more to do, and takes a few seconds at most. What was mounted by others is not touched: ErrElsewhere.
func (s *Session) Unmount() error {
	connection := s.Connection()
	err := detachOwn(s.o.Mountpoint, connection, 0)
	if err != nil || connection == 0 { // or only who has mounted it can unmount it
		s.waiting.end(syscall.ENODEV)
	}
	if err != nil {
		err = detachOwn(s.o.Mountpoint, connection, unix.MNT_DETACH)
	}
	if s.over(unmountPatience) {
		return err
	}
	s.waiting.end(syscall.ENODEV)
	if e := abort(connection); e != nil || !s.over(unmountPatience) {
		// Somebody holds files open, so the kernel keeps the connection. It ends with the process.
		s.stuck.Store(true)
		s.end.Do(func() { close(s.ended) })
		if errors.Is(e, os.ErrNotExist) {
			e = nil // the connection is gone already, or nobody has mounted the control file system
		}
		if errors.Is(err, ErrElsewhere) {
			return err
		}
		return errors.Join(err, e, ErrStuck)
	}
	return err
}

// detachOwn takes the mount of a connection away, unless it is gone: somebody may have detached it, and another one
// may be in its place. ErrElsewhere: it cannot be reached. Of connection 0 whichever tree is there is taken for it.
func detachOwn(mountpoint string, connection, flags int) error {
	at, err := Uppermost(mountpoint)
	switch {
	case err != nil: // then it is tried all the same
	case at != nil && at.FSType == fsType && (connection == 0 || at.Minor == connection):
	case connection == 0:
		return nil
	default:
		return elsewhere(connection)
	}
	err = detach(mountpoint, flags)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // the path leads elsewhere, or it was faster
		return elsewhere(connection)
	}
	return err
}

// elsewhere is ErrElsewhere if a connection has a mount; nil: it has none.
func elsewhere(connection int) error {
	list, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return m.FSType != fsType || m.Minor != connection, false
	})
	if err != nil || len(list) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", list[0].Mountpoint, ErrElsewhere)
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
	return UnmountOwn(at, connectionAt(at))
}

// UnmountOwn is Unmount of a mount by its connection (Session.Connection), at a path without symbolic links. Nothing
// else that is mounted there is touched: nil if the mount is gone, ErrElsewhere.
func UnmountOwn(mountpoint string, connection int) error {
	if err := detachOwn(mountpoint, connection, 0); err == nil {
		return nil
	}
	err := detachOwn(mountpoint, connection, unix.MNT_DETACH)
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

// connectionAt is the number of the connection of the tree at a mount point; 0: there is none.
func connectionAt(mountpoint string) int {
	m, err := Uppermost(mountpoint)
	if err != nil || m == nil || m.FSType != fsType {
		return 0
	}
	return m.Minor
}

// abort ends a connection for the kernel and all who use it, through the control file system of FUSE
// (Documentation/filesystems/fuse.rst).
func abort(connection int) error {
	if connection == 0 {
		return errors.New("the connection to abort is not known")
	}
	return os.WriteFile(fmt.Sprintf("/sys/fs/fuse/connections/%d/abort", connection), []byte("1"), 0)
}
