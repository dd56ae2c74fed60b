package fs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// MakeStateDir makes a directory for state, and those that lead to it, with mode 0755 less the umask. One
// that is there already must belong to the daemon's user, and nobody else may be able to put something into
// it, or something else in its place or in that of a directory or symbolic link that leads to it: what lies
// there says where others' messages go. Else it is os.ErrPermission.
func MakeStateDir(dir string) error {
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("state directory %q: not an absolute path", dir)
	}
	if err := makePlace(dir); err != nil {
		return fmt.Errorf("state directory %s: %w", dir, err)
	}
	return nil
}

// maxSymlinks is how many symbolic links may be on the way, as for the kernel (path_resolution(7)).
const maxSymlinks = 40

func makePlace(dir string) error {
	at, links := "/", 0
	way := strings.Split(dir, "/")
	if err := lookAt(at, false); err != nil {
		return err
	}
	for len(way) > 0 {
		name := way[0]
		way = way[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		st, err := os.Lstat(next)
		if errors.Is(err, os.ErrNotExist) {
			if err := os.Mkdir(next, 0755); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
			st, err = os.Lstat(next)
		}
		if err != nil {
			return err
		}
		if st.Mode()&os.ModeSymlink == 0 {
			at = next
			if err := lookAt(at, strings.Trim(strings.Join(way, ""), ".") == ""); err != nil {
				return err
			}
			continue
		}
		if uid := ownerOf(st); !trusted(uid) {
			return fmt.Errorf("the symbolic link %s belongs to user %d: %w", next, uid, os.ErrPermission)
		}
		if links++; links > maxSymlinks {
			return syscall.ELOOP
		}
		to, err := os.Readlink(next)
		if err != nil {
			return err
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		way = append(strings.Split(to, "/"), way...)
	}
	return nil
}

// lookAt looks at a directory on the way, or at the last one.
func lookAt(dir string, last bool) error {
	st, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !st.IsDir():
		return fmt.Errorf("%s: %w", dir, syscall.ENOTDIR)
	}
	uid := ownerOf(st)
	if last && int(uid) != os.Geteuid() || !trusted(uid) {
		return fmt.Errorf("%s belongs to user %d: %w", dir, uid, os.ErrPermission)
	}
	if st.Mode()&os.ModeSticky != 0 && !last {
		return nil // nobody else can put something in the place of what is ours or root's
	}
	if st.Mode().Perm()&0002 != 0 || st.Mode().Perm()&0020 != 0 && !ownGroup(dir, st) {
		return fmt.Errorf("others may write to %s (mode %04o): chmod go-w %s: %w",
			dir, st.Mode().Perm(), dir, os.ErrPermission)
	}
	return nil
}

func ownerOf(st os.FileInfo) uint32 { return st.Sys().(*syscall.Stat_t).Uid }

// ownGroup reports whether the group that may write to a directory is that of the daemon's user or root's,
// and no access control list (acl(5)) gives the right to others: the group's bits are the list's mask then.
func ownGroup(dir string, st os.FileInfo) bool {
	gid := st.Sys().(*syscall.Stat_t).Gid
	_, err := unix.Getxattr(dir, "system.posix_acl_access", nil)
	return err != nil && (gid == 0 || int(gid) == os.Getegid())
}

// trusted reports whether a user may do anything to the daemon as it is: its own and root, who in a user
// namespace is one that the namespace does not know (user_namespaces(7)).
func trusted(uid uint32) bool {
	if uid == 0 || int(uid) == os.Geteuid() {
		return true
	}
	known, err := os.ReadFile("/proc/self/uid_map")
	if err != nil || strings.Join(strings.Fields(string(known)), " ") == "0 0 4294967295" {
		return false
	}
	text, err := os.ReadFile("/proc/sys/kernel/overflowuid")
	unknown, e := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	return err == nil && e == nil && uid == uint32(unknown)
}
