package nodes

import (
	"errors"
	"syscall"
	"testing"
)

// TestPermitted: what ctl's set does is what chmod(2) and chown(2) do; tests/testdata/script/chmod.txtar compares it with the kernel.
func TestPermitted(t *testing.T) {
	const file, dir = syscall.S_IFREG, syscall.S_IFDIR
	owner := Caller{Uid: 1000, Gid: 1000, Pid: -1, remembers: true, member: []uint32{2000}}
	other, root := Caller{Uid: 1001, remembers: true}, Caller{}
	n := func(v uint32) *uint32 { return &v }
	for _, one := range []struct {
		by     Caller
		a      Attr
		ask    Change
		want   Change
		refuse bool
	}{
		{by: owner, a: Attr{Mode: file | 0600, Uid: 1000, Gid: 2000}, ask: Change{Mode: n(02755)}, want: Change{Mode: n(02755)}},
		{by: owner, a: Attr{Mode: file | 0600, Uid: 1000, Gid: 3000}, ask: Change{Mode: n(06755)}, want: Change{Mode: n(04755)}},
		{by: owner, a: Attr{Mode: dir | 0700, Uid: 1000, Gid: 3000}, ask: Change{Mode: n(03777)}, want: Change{Mode: n(01777)}},
		{by: root, a: Attr{Mode: file | 0600, Uid: 1000, Gid: 3000}, ask: Change{Mode: n(06755)}, want: Change{Mode: n(06755)}},
		{by: other, a: Attr{Mode: file | 0600, Uid: 1000}, ask: Change{Mode: n(0666)}, refuse: true},
		{by: owner, a: Attr{Mode: file | 06755, Uid: 1000, Gid: 1000}, ask: Change{Gid: n(2000)}, want: Change{Gid: n(2000), Mode: n(0755)}},
		{by: owner, a: Attr{Mode: file | 06745, Uid: 1000, Gid: 1000}, ask: Change{Gid: n(2000)}, want: Change{Gid: n(2000), Mode: n(02745)}},
		{by: owner, a: Attr{Mode: dir | 02755, Uid: 1000, Gid: 1000}, ask: Change{Gid: n(2000)}, want: Change{Gid: n(2000), Mode: n(02755)}},
		{by: owner, a: Attr{Mode: file | 0600, Uid: 1000, Gid: 1000}, ask: Change{Gid: n(3000)}, refuse: true},
		{by: owner, a: Attr{Mode: file | 0600, Uid: 1000, Gid: 1000}, ask: Change{Uid: n(1001)}, refuse: true},
		{by: owner, a: Attr{Mode: file | 0600, Uid: 1000, Gid: 3000}, ask: Change{Uid: n(1000), Gid: n(3000)}},
		{by: root, a: Attr{Mode: file | 06755}, ask: Change{Uid: n(1000)}, want: Change{Uid: n(1000), Mode: n(0755)}},
		{by: root, a: Attr{Mode: file | 0600}, ask: Change{Uid: n(1000), Mode: n(04700)}, want: Change{Uid: n(1000), Mode: n(04700)}},
	} {
		got, err := one.by.permitted(one.a, one.ask)
		if one.refuse {
			if !errors.Is(err, syscall.EPERM) {
				t.Errorf("%+v of %+v: %v, want EPERM", one.by, one.a, err)
			}
			continue
		}
		same := func(a, b *uint32) bool { return a == b || a != nil && b != nil && *a == *b }
		if err != nil || !same(got.Mode, one.want.Mode) || !same(got.Uid, one.want.Uid) || !same(got.Gid, one.want.Gid) {
			t.Errorf("%+v of %+v: %v, mode %o, uid and gid %v; want mode %o, %v", one.by, one.a, err, value(got.Mode), value(got.Gid),
				value(one.want.Mode), value(one.want.Gid))
		}
	}
}

func value(n *uint32) uint32 {
	if n == nil {
		return ^uint32(0)
	}
	return *n
}
