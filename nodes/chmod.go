package nodes

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// permitted checks a change that a process asks for in a text, as chmod(2) and chown(2) would check it for
// an object with attributes a. It returns the change that they would make; EPERM: the process may not. c
// has no other fields than mode, uid and gid. The groups are those that the process had when it opened the
// file it writes to (see remembered).
func (c Caller) permitted(a Attr, change Change) (Change, error) {
	root := c.Uid == 0
	if !root && c.Uid != a.Uid {
		return change, fmt.Errorf("%w: it is user %d's", syscall.EPERM, a.Uid)
	}
	if change.Uid != nil && *change.Uid == a.Uid {
		change.Uid = nil
	}
	if change.Gid != nil && *change.Gid == a.Gid {
		change.Gid = nil
	}
	groups := c.groups()
	member := func(gid uint32) bool { return root || gid == c.Gid || slices.Contains(groups, gid) }
	gid := a.Gid
	if change.Gid != nil {
		gid = *change.Gid
	}
	switch {
	case change.Uid != nil && !root:
		return change, fmt.Errorf("%w: only root gives an object to another user", syscall.EPERM)
	case change.Gid != nil && !member(gid):
		return change, fmt.Errorf("%w: user %d is not in group %d", syscall.EPERM, c.Uid, gid)
	}
	mode, moved := a.Mode&07777, change.Uid != nil || change.Gid != nil
	switch {
	case change.Mode != nil:
		if mode = *change.Mode; !member(gid) {
			mode &^= syscall.S_ISGID
		}
	case moved && a.Type() != syscall.S_IFDIR:
		mode &^= syscall.S_ISUID
		if mode&0010 != 0 || !member(a.Gid) {
			mode &^= syscall.S_ISGID
		}
	}
	change.Mode = nil
	if mode != a.Mode&07777 || moved {
		change.Mode = &mode // after chown(2), which takes bits off it
	}
	return change, nil
}

// notOurs are the mode bits that files of ours (topics and touched sockets) do not have: chmod(2) lets a
// system ignore them. Nobody executes such a file, so no write has to clear set-ID bits. The sticky bit
// tells plain files from them.
const notOurs = syscall.S_ISUID | syscall.S_ISGID | backends.PlainMark

// withoutBits takes these bits off the mode that an object is to have, if it is a file of ours.
func withoutBits(a Attr, c Change) Change {
	if c.Mode != nil && a.Type() == syscall.S_IFREG {
		mode := *c.Mode &^ notOurs
		c.Mode = &mode
	}
	return c
}
