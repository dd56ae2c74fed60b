package backends

import (
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// TestGrantedBy: whoever the mode lets in, the list lets in too. Each list is tried with every user that
// can matter, who belongs to any of three groups, for every access.
func TestGrantedBy(t *testing.T) {
	const owner, group = 1, 11
	perms := []uint32{0, 4, 6, 7}
	lists := 0
	each := func(p1, p2, p3, p4, p5, p6 uint32) {
		// Two named users, one of them the owner; two named groups, one of them the owning one.
		list := []aclEntry{
			{0x01, 7, 0}, {aclUser, p1, owner}, {aclUser, p2, 2}, {aclGroupObj, p3, 0}, {aclGroup, p4, 12},
			{aclGroup, p5, group},
			{aclMask, p6, 0}, {aclOther, p1 ^ p6, 0},
		}
		for drop := range 8 { // with some of the named entries only
			var some []aclEntry
			for i, e := range list {
				if i == 2 && drop&1 != 0 || i == 4 && drop&2 != 0 || (i == 1 || i == 5) && drop&4 != 0 {
					continue
				}
				some = append(some, e)
			}
			lists++
			a := Attr{Mode: unix.S_IFREG | 0700 | p6<<3 | (p1 ^ p6), Uid: owner, Gid: group}
			mode := grantedBy(aclBytes(some), a)
			for _, uid := range []uint32{2, 3} {
				for of := range 8 {
					groups := map[uint32]bool{group: of&1 != 0, 12: of&2 != 0, 13: of&4 != 0}
					bits := mode & 7
					if groups[group] {
						bits = mode >> 3 & 7
					}
					for _, want := range []uint32{1, 2, 4, 6, 7} {
						if want&^bits == 0 && !aclAllows(some, uid, group, groups, want) {
							t.Fatalf("%v: mode %o lets user %d of %v do %o", some, mode, uid, groups, want)
						}
					}
				}
			}
		}
	}
	for i := range 1 << 12 {
		p := func(n int) uint32 { return perms[i>>(2*n)&3] }
		each(p(0), p(1), p(2), p(3), p(4), p(5))
	}
	if lists != 1<<15 {
		t.Errorf("%d lists", lists)
	}
}

// TestGrantedBySome: what nobody's entry takes away stays.
func TestGrantedBySome(t *testing.T) {
	for _, c := range []struct {
		list []aclEntry
		mode uint32
		want uint32
	}{
		{[]aclEntry{{1, 6, 0}, {aclUser, 6, 2}, {aclGroupObj, 0, 0}, {aclMask, 6, 0}, {aclOther, 0, 0}}, 0660, 0600},
		{[]aclEntry{{1, 6, 0}, {aclUser, 6, 2}, {aclGroupObj, 4, 0}, {aclMask, 6, 0}, {aclOther, 4, 0}}, 0664, 0644},
		{[]aclEntry{{1, 6, 0}, {aclUser, 0, 2}, {aclGroupObj, 6, 0}, {aclMask, 6, 0}, {aclOther, 6, 0}}, 0666, 0600},
		{[]aclEntry{
			{1, 6, 0}, {aclGroup, 4, 12}, {aclGroupObj, 6, 0}, {aclMask, 6, 0}, {aclOther, 6, 0},
		}, 0666, 0664},
		{[]aclEntry{{1, 6, 0}, {aclUser, 7, 2}, {aclGroupObj, 6, 0}, {aclMask, 4, 0}, {aclOther, 6, 0}}, 0646, 0644},
		{[]aclEntry{{1, 6, 0}, {aclUser, 0, 1}, {aclGroupObj, 6, 0}, {aclMask, 6, 0}, {aclOther, 4, 0}}, 0664, 0664},
	} {
		a := Attr{Mode: unix.S_IFREG | c.mode, Uid: 1, Gid: 11}
		if got := grantedBy(aclBytes(c.list), a); got != unix.S_IFREG|c.want {
			t.Errorf("%v: %o, want %o", c.list, got, c.want)
		}
	}
}

type aclEntry struct {
	tag      uint16
	perm, id uint32
}

func (e aclEntry) String() string { return fmt.Sprintf("%x:%d:%o", e.tag, e.id, e.perm) }

func aclBytes(list []aclEntry) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range list {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, uint16(e.perm))
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// aclAllows is the access check of acl(5), for a user who is not the owner.
func aclAllows(list []aclEntry, uid, owning uint32, groups map[uint32]bool, want uint32) bool {
	entry := func(tag uint16) uint32 {
		for _, e := range list {
			if e.tag == tag {
				return e.perm
			}
		}
		return 7
	}
	found := false
	for _, e := range list {
		if e.tag == aclUser && e.id == uid {
			return want&^(e.perm&entry(aclMask)) == 0
		}
	}
	for _, e := range list {
		if e.tag == aclGroupObj && groups[owning] || e.tag == aclGroup && groups[e.id] {
			if found = true; want&^e.perm == 0 {
				return want&^entry(aclMask) == 0
			}
		}
	}
	return !found && want&^entry(aclOther) == 0
}
