package backends

import (
	"time"

	"golang.org/x/sys/unix"
)

// makeShared makes a regular file or a directory where others than the daemon change names too: what has
// the name a moment later may be another's, moved there. So nothing is given to anybody by its name. The
// daemon makes it as its owner (open(2), mkdir(2)), so that it has the right owner from the beginning.
// ESTALE: something else has the name by now (made_moved.txtar).
func (d *Dir) makeShared(dir int, base string, typ uint32, o Owner) (Attr, error) {
	fd := -1
	err := As(o.Cred(), OverrideDAC, func() (err error) {
		if typ == unix.S_IFDIR {
			return unix.Mkdirat(dir, base, o.Mode&01777)
		}
		fd, err = OpenBeneath(dir, base, unix.O_RDONLY|unix.O_CREAT|unix.O_EXCL, o.Mode&01777)
		return err
	})
	if err == nil && typ == unix.S_IFDIR {
		if fd, err = OpenBeneath(dir, base, unix.O_PATH|unix.O_DIRECTORY, 0); err != nil {
			err = unix.ESTALE
		}
	}
	if err != nil {
		return Attr{}, err
	}
	defer unix.Close(fd)
	now := time.Now()
	a, err := Fstat(fd)
	switch {
	case err != nil:
	case a.Uid != o.Uid:
		err = unix.ESTALE
	case typ == unix.S_IFREG && o.Mode&(unix.S_ISUID|unix.S_ISGID) != 0:
		// The kernel has judged whether they may have these bits, by groups that the daemon did not take on.
		mode := a.Mode&0777 | o.Mode&07000
		if err = Apply(fd, Change{Mode: &mode}); err == nil {
			return d.fstat(fd)
		}
	}
	if err != nil {
		return Attr{}, err
	}
	return d.lists.granted(fd, a, now)
}
