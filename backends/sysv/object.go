package sysv

import (
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Object is what the kernel keeps of every System V object, whatever it is (struct ipc_perm, sysvipc(7)).
type Object struct {
	Key        uint32 // 0: IPC_PRIVATE
	ID         int
	Mode       uint32 // permissions
	Uid, Gid   uint32
	Cuid, Cgid uint32 // the creator's, who keeps the owner's rights
}

// firstIno is the inode number of the object with id 0; those below are for directories.
const firstIno = 16

// ID is the id of the object with these attributes.
func ID(a backends.Attr) int { return int(a.Ino) - firstIno }

// identity is which object it is. An id serves again when some four million objects were made since (Linux
// 6.18), which a user can do in a minute. So key and creator are a part of it: what somebody else has made
// since is another object (sysv_users.txtar). The kernel never changes them, but for the key of a segment
// that is removed while somebody has it attached.
func (o Object) identity() backends.ID {
	return backends.ID{Ino: uint64(o.ID) + firstIno, Born: uint64(o.Cuid)<<32 | uint64(o.Key)}
}

func objectOf(id int, p *unix.SysvIpcPerm) Object {
	return Object{
		Key: uint32(p.Key), ID: id, Mode: uint32(p.Mode) & 0777, Uid: p.Uid, Gid: p.Gid, Cuid: p.Cuid, Cgid: p.Cgid,
	}
}

// attr is what stat(2) shows. A time that never came is that of the last change.
func (o Object) attr(size int64, atime, mtime, ctime time.Time) backends.Attr {
	for _, t := range []*time.Time{&atime, &mtime} {
		if t.IsZero() {
			*t = ctime
		}
	}
	return backends.Attr{
		ID: o.identity(), Mode: unix.S_IFREG | o.Mode, Nlink: 1, Uid: o.Uid, Gid: o.Gid,
		Size: size, Atime: atime, Mtime: mtime, Ctime: ctime,
	}
}

// missing makes the answer of MSG_STAT_ANY or SHM_STAT_ANY one about the object with an id: ENOENT if it is
// not there. These commands take an id where the manual speaks of an index, and look at its low part only.
// So the id that comes back, got, is compared.
func missing(id, got int, err error) error {
	if err == unix.EINVAL || err == unix.EIDRM || err == nil && got != id {
		return unix.ENOENT
	}
	return err
}

// listTo calls stat for each index up to the last one, and lists what it tells of. A kernel without System
// V IPC (EOPNOTSUPP) has nothing.
func listTo[T any](last int, err error, stat func(index int) (T, error)) ([]T, error) {
	if err != nil {
		if err == unix.EOPNOTSUPP {
			err = nil
		}
		return nil, err
	}
	var list []T
	for i := range last + 1 {
		one, err := stat(i)
		if err == unix.EINVAL || err == unix.EIDRM {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// objects are those of one kind.
type objects interface {
	object(id int) (Object, error)
	Change(id int, c backends.Change) error
	Remove(id int) error
}

// makeFor makes an object with get, which is msgget(2) or shmget(2), in the name of its owner, who is its
// creator then, too: the kernel never forgets a creator. A daemon that may not take their name makes it
// itself and gives it away. Then cuid stays the daemon's.
func makeFor(all objects, o backends.Owner, get func(flags int) (int, error)) (id int, err error) {
	create := func() (err error) {
		id, err = get(unix.IPC_CREAT | unix.IPC_EXCL | int(o.Mode&0777))
		return err
	}
	err = backends.As(o.Cred(), backends.OverrideDAC, create)
	if err == unix.EPERM { // of As: msgget(2) and shmget(2) have no such error
		err = create()
	}
	if err != nil {
		return 0, err
	}
	made, err := all.object(id)
	if err == nil && (made.Uid != o.Uid || made.Gid != o.Gid) {
		err = all.Change(id, backends.Change{Uid: &o.Uid, Gid: &o.Gid})
	}
	if err != nil {
		_ = all.Remove(id)
	}
	return id, err
}

// setOwner sets what c changes of mode and owner, for IPC_SET, and reports whether that is anything.
func setOwner(p *unix.SysvIpcPerm, c backends.Change) bool {
	if c.Mode != nil {
		setPermissions(&p.Mode, *c.Mode)
	}
	if c.Uid != nil {
		p.Uid = *c.Uid
	}
	if c.Gid != nil {
		p.Gid = *c.Gid
	}
	return c.Mode != nil || c.Uid != nil || c.Gid != nil
}
