package backends

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// The extended attributes that hold access control lists (acl(5)): of a file, and of what is made in a
// directory.
const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)

// The tags of an entry (linux/posix_acl.h).
const (
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20
)

// HeedACLs has the directory heed the access control lists of what lies in it: what it tells of a mode is
// what the list leaves of it (see granted), and what is made in it gets the modes that a default list
// gives.
func (d *Dir) HeedACLs() { d.lists = &unlisted{} }

// granted is a, the attributes of a name in the directory open at dir, with the mode that its access
// control list grants.
func (d *Dir) granted(dir int, base string, a Attr) (Attr, error) {
	if d.lists == nil || !mayHaveList(a) || d.lists.has(a) {
		return a, nil
	}
	// What has the name now may be another file: mode and list must be those of one.
	fd, err := OpenBeneath(dir, base, unix.O_PATH, 0)
	if err != nil {
		return a, err
	}
	defer unix.Close(fd)
	return d.lists.fstat(fd)
}

// fstat is fstat(2) with the mode that the access control list grants; without u, as it is.
func (u *unlisted) fstat(fd int) (Attr, error) {
	now := time.Now()
	a, err := Fstat(fd)
	if err != nil {
		return a, err
	}
	return u.granted(fd, a, now)
}

// granted is fstat where the attributes are there already; now is from before they were asked for.
func (u *unlisted) granted(fd int, a Attr, now time.Time) (Attr, error) {
	if u == nil || !mayHaveList(a) || u.has(a) {
		return a, nil
	}
	mode, err := grantedMode(fd, a)
	if err == unix.ENODATA {
		u.note(a, now)
		return a, nil
	}
	a.Mode = mode
	return a, err
}

// mayHaveList reports whether a file's list can take anything from its mode. The owner's bits are the
// owner's in any case.
func mayHaveList(a Attr) bool {
	return a.Mode&0077 != 0 && (a.Type() == unix.S_IFREG || a.Type() == unix.S_IFDIR)
}

// grantedMode is the mode of the file open at fd by which the kernel lets in nobody whom the file's access
// control list keeps out. Of a file with a list st_mode tells only part: the group's bits are the mask, the
// most that any entry but the owner's and the last grants. The bits for the group become those of its own
// entry, and those for all others what remains if each of them has a named entry (one who has is judged by
// that alone). So users and groups that are let in by name alone are kept out. ENODATA: it has no list.
func grantedMode(fd int, a Attr) (uint32, error) {
	var buf [1024]byte
	list := buf[:]
	n, err := getxattr(fd, aclAccess, list)
	for err == unix.ERANGE {
		list = make([]byte, 2*len(list))
		n, err = getxattr(fd, aclAccess, list)
	}
	switch err {
	case nil:
		return grantedBy(list[:n], a), nil
	case unix.EOPNOTSUPP: // its file system has none
		err = unix.ENODATA
	}
	return 0, err
}

// grantedBy is grantedMode for the list in an extended attribute (linux/posix_acl_xattr.h).
func grantedBy(list []byte, a Attr) uint32 {
	const header, size = 4, 8
	const all = 7
	mask, group, users, groups, other := uint32(all), uint32(0), uint32(all), uint32(all), uint32(0)
	names := false
	for i := header; i+size <= len(list); i += size {
		tag, perm := binary.LittleEndian.Uint16(list[i:]), uint32(binary.LittleEndian.Uint16(list[i+2:]))
		switch tag {
		case aclUser:
			if binary.LittleEndian.Uint32(list[i+4:]) != a.Uid { // an owner is judged as such
				users, names = users&perm, true
			}
		case aclGroup:
			groups, names = groups&perm, true
		case aclGroupObj:
			group = perm
		case aclMask:
			mask = perm
		case aclOther:
			other = perm
		}
	}
	group &= users & mask
	if names {
		other &= users & groups & mask
	}
	return a.Mode&^0077 | group<<3 | other
}

// inherit is o as the owner of what is made in the directory open at dir: a default list there takes the
// place of the umask (acl(5), "OBJECT CREATION AND DEFAULT ACLs").
func (d *Dir) inherit(dir int, o Owner) Owner {
	if d.lists == nil {
		return o
	}
	if _, err := getxattr(dir, aclDefault, nil); err == nil {
		o.Mode, o.Inherits = o.Mode|o.Umask, true
	}
	return o
}

// getxattr is fgetxattr(2), also of an O_PATH descriptor, with which that fails; a path to it takes longer.
func getxattr(fd int, name string, value []byte) (int, error) {
	n, err := unix.Fgetxattr(fd, name, value)
	if err == unix.EBADF {
		n, err = unix.Getxattr(procPath(fd), name, value)
	}
	return n, err
}
