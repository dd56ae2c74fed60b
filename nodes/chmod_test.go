package nodes

import (
	"errors"
	"syscall"
	"testing"
)

// TestPermitted: what ctl's set does is what chmod(2) and chown(2) do; tests/testdata/script/chmod.txtar
// compares it with the kernel.
func TestPermitted(t *testing.T) {
	const file, dir = syscall.S_IFREG, syscall.S_IFDIR
	owner := Caller{Uid: 1000, Gid: 1000, Pid: -1, remembers: true, member: []uint32{2000}}
	other, root := Caller{Uid: 1001, remembers: true}, Caller{}
	n := func(v uint32) *uint32 { return &v }
	attr := func(mode, uid, gid uint32) Attr { return Attr{Mode: mode, Uid: uid, Gid: gid} }
	for _, one := range []struct {
		by     Caller
		a      Attr
		ask    Change
		want   Change
		refuse bool
	}{
		{owner, attr(file|0600, 1000, 2000), Change{Mode: n(02755)}, Change{Mode: n(02755)}, false},
		{owner, attr(file|0600, 1000, 3000), Change{Mode: n(06755)}, Change{Mode: n(04755)}, false},
		{owner, attr(dir|0700, 1000, 3000), Change{Mode: n(03777)}, Change{Mode: n(01777)}, false},
		{root, attr(file|0600, 1000, 3000), Change{Mode: n(06755)}, Change{Mode: n(06755)}, false},
		{other, attr(file|0600, 1000, 0), Change{Mode: n(0666)}, Change{}, true},
		{owner, attr(file|06755, 1000, 1000), Change{Gid: n(2000)}, Change{Gid: n(2000), Mode: n(0755)}, false},
		{owner, attr(file|06745, 1000, 1000), Change{Gid: n(2000)}, Change{Gid: n(2000), Mode: n(02745)}, false},
		{owner, attr(dir|02755, 1000, 1000), Change{Gid: n(2000)}, Change{Gid: n(2000), Mode: n(02755)}, false},
		{owner, attr(file|0600, 1000, 1000), Change{Gid: n(3000)}, Change{}, true},
		{owner, attr(file|0600, 1000, 1000), Change{Uid: n(1001)}, Change{}, true},
		{owner, attr(file|0600, 1000, 3000), Change{Uid: n(1000), Gid: n(3000)}, Change{}, false},
		{root, attr(file|06755, 0, 0), Change{Uid: n(1000)}, Change{Uid: n(1000), Mode: n(0755)}, false},
		{
			root, attr(file|0600, 0, 0), Change{Uid: n(1000), Mode: n(04700)},
			Change{Uid: n(1000), Mode: n(04700)}, false,
		},
	} {
		got, err := one.by.permitted(one.a, one.ask)
		if one.refuse {
			if !errors.Is(err, syscall.EPERM) {
				t.Errorf("%+v of %+v: %v, want EPERM", one.by, one.a, err)
			}
			continue
		}
		same := func(a, b *uint32) bool { return a == b || a != nil && b != nil && *a == *b }
		if err != nil || !same(got.Mode, one.want.Mode) || !same(got.Uid, one.want.Uid) ||
			!same(got.Gid, one.want.Gid) {
			t.Errorf("user %d, mode %o: %v, mode %o, gid %d; want mode %o, %d", one.by.Uid, one.a.Mode, err,
				value(got.Mode), value(got.Gid), value(one.want.Mode), value(one.want.Gid))
		}
	}
}

func value(n *uint32) uint32 {
	if n == nil {
		return ^uint32(0)
	}
	return *n
}
