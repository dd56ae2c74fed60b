package backends

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// lockable is a file with locks. written is called with each record before it is written; saved are those that
// there are, by their numbers.
func lockable(t *testing.T, most int64, written func(k Lock)) (l *Locks, in *LockHost, saved func() map[uint64]Lock) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	fd, err := NewLedger()
	if err != nil {
		t.Skip("no ledger here:", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	ledger, err := OpenLedger(fd)
	if err != nil {
		t.Skip("no ledger here:", err)
	}
	other, err := OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	budget := func(most int64) *Budget {
		return NewBudget(Terms{Err: unix.ENOLCK}, func(int64) Bounds { return EachMay(most) })
	}
	in = &LockHost{Descriptors: budget(1000), Ranges: budget(most), Ledger: ledger}
	in.Form = func(b []byte, k *Lock) []byte {
		written(*k)
		return fmt.Append(b, k.Owner, " ", k.Flock, " ", k.Type, " ", k.Start, " ", k.End)
	}
	return new(Locks).of(int(f.Fd())), in, func() map[uint64]Lock {
		found := map[uint64]Lock{}
		other.Each(func(kind uint32, number uint64, b []byte, _ Record) {
			var k Lock
			if _, err := fmt.Sscan(string(b), &k.Owner, &k.Flock, &k.Type, &k.Start, &k.End); err != nil {
				t.Fatalf("%q: %v", b, err)
			}
			if kind == LockRecord {
				found[number] = k
			}
		})
		return found
	}
}

// kernelHas is what the kernel says of the locks of an owner (proc_pid_fdinfo(5)).
func kernelHas(t *testing.T, o *lockOwner) (flock int16, ranges []LockRange) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprint("/proc/self/fdinfo/", o.fd))
	if err != nil {
		t.Fatal(err)
	}
	flock = unix.F_UNLCK
	for line := range strings.Lines(string(text)) {
		switch k, ok := lockIn(line); {
		case !ok:
		case k.Flock:
			flock = k.Type
		default:
			ranges = append(ranges, LockRange{k.Type, k.Start, k.End})
		}
	}
	slices.SortFunc(ranges, func(a, b LockRange) int { return int(a.Start - b.Start) })
	return flock, ranges
}

// lockTypes says of which types owner's locks of the first bytes are, and that of the whole file, as a process has
// them that goes on with these records.
func lockTypes(records map[uint64]Lock, owner uint64) (types [64]int16) {
	for i := range types {
		types[i] = unix.F_UNLCK
	}
	for _, number := range slices.Sorted(maps.Keys(records)) {
		switch k := records[number]; {
		case k.Owner != owner:
		case k.Flock:
			types[63] = k.Type
		default:
			for at := k.Start; at <= min(k.End, 62); at++ {
				types[at] = k.Type
			}
		}
	}
	return types
}

// TestLockHolder: what is known of the locks of an owner is what the kernel has, whatever is asked for, got or
// not, and so are the records; a process that is killed amid a change leaves records by which each byte is locked
// as before or as after; and one that goes on holds the same.
func TestLockHolder(t *testing.T) {
	var amid []map[uint64]Lock
	var saved func() map[uint64]Lock
	l, in, saved := lockable(t, 1000, func(Lock) { amid = append(amid, saved()) })
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	types := []int16{unix.F_RDLCK, unix.F_RDLCK, unix.F_WRLCK, unix.F_UNLCK}
	same := func(what string, l *Locks) {
		t.Helper()
		held := int64(0)
		for _, o := range l.owners {
			held += int64(len(o.ranges))
			if whole, ranges := kernelHas(t, o); whole != o.whole || !slices.Equal(ranges, o.ranges) {
				t.Fatalf("seed %d, %s: owner %d has %d %v, the kernel says %d %v",
					seed, what, o.id, o.whole, o.ranges, whole, ranges)
			}
		}
		if used := in.Ranges.Held(); used != held {
			t.Fatalf("seed %d, %s: %d ranges are paid for, %d held", seed, what, used, held)
		}
		if have, want := len(saved()), len(l.Held()); have != want {
			t.Fatalf("seed %d, %s: %d records of %d locks", seed, what, have, want)
		}
	}
	for range 400 {
		k := Lock{Owner: 1 + random.Uint64N(3), Open: 7, Flock: random.IntN(8) == 0, End: math.MaxInt64}
		if k.Type = types[random.IntN(len(types))]; !k.Flock {
			k.Start = random.Int64N(40)
			if random.IntN(20) > 0 {
				k.End = k.Start + random.Int64N(12)
			}
		}
		before := saved()
		amid = nil
		if err := l.Set(k, in); err != nil && err != ErrWouldBlock {
			t.Fatal(err)
		}
		same(fmt.Sprintf("%+v", k), l)
		after := saved()
		amid = append(amid, maps.Clone(before))
		maps.Copy(amid[len(amid)-1], after)
		for _, number := range slices.Sorted(maps.Keys(before)) { // they go in this order at the end
			if _, stays := after[number]; !stays {
				next := maps.Clone(amid[len(amid)-1])
				delete(next, number)
				amid = append(amid, next)
			}
		}
		was, is := lockTypes(before, k.Owner), lockTypes(after, k.Owner)
		for _, one := range amid {
			for at, typ := range lockTypes(one, k.Owner) {
				if typ != was[at] && typ != is[at] {
					t.Fatalf("seed %d, amid %+v: byte %d is %d, was %d and becomes %d", seed, k, at, typ, was[at], is[at])
				}
			}
		}
	}
	was, records := l.Held(), saved()
	l.close()
	if n := len(saved()); n != 0 {
		t.Errorf("%d records are left of what was given back", n)
	}
	next := new(Locks).of(l.file)
	for _, number := range slices.Sorted(maps.Keys(records)) {
		k := records[number]
		k.Open = 7
		again := savedLock{number: number}
		in.Ledger.Put(&again.at, LockRecord, number, in.Form(nil, &k))
		if err := next.Again(k, number, again.at, in); err != nil {
			t.Error(err)
		}
	}
	same("again", next)
	if got := saved(); !maps.Equal(got, records) || len(was) != len(records) {
		t.Errorf("%v was %v", got, records)
	}
	next.Closed(7)
	if len(saved())+len(next.Held())+len(next.at)+len(next.opens) > 0 || in.Ranges.Held()+in.Descriptors.Held() > 0 {
		t.Error("something is held of a file that is closed")
	}
}

// TestLockAmid: records of a change that a process was amid, which cannot be told from whole ones, are taken for
// what they are: the kernel has what is known, and no record is left over.
func TestLockAmid(t *testing.T) {
	l, in, saved := lockable(t, 1000, func(Lock) {})
	for i, r := range []LockRange{
		{unix.F_RDLCK, 0, 100}, {unix.F_RDLCK, 0, 49}, {unix.F_WRLCK, 50, 50}, {unix.F_RDLCK, 51, 100},
	} {
		var at Record
		k := Lock{Owner: 1, Open: 1, Type: r.Type, Start: r.Start, End: r.End}
		in.Ledger.Put(&at, LockRecord, in.Ledger.Number(), in.Form(nil, &k))
		if err := l.Again(k, uint64(i+1), at, in); err != nil {
			t.Fatal(err)
		}
	}
	want := []LockRange{{unix.F_RDLCK, 0, 49}, {unix.F_WRLCK, 50, 50}, {unix.F_RDLCK, 51, 100}}
	if _, has := kernelHas(t, l.owners[1]); !slices.Equal(has, want) || !slices.Equal(l.owners[1].ranges, want) {
		t.Errorf("%v, the kernel says %v", l.owners[1].ranges, has)
	}
	var records []LockRange
	for _, k := range saved() {
		records = append(records, LockRange{k.Type, k.Start, k.End})
	}
	slices.SortFunc(records, func(a, b LockRange) int { return int(a.Start - b.Start) })
	if !slices.Equal(records, want) {
		t.Errorf("the records say %v", records)
	}
	l.close()
}

// TestLockWork: for a lock as many records are written, whatever the owner and the many others have on the file;
// and none for what is given back.
func TestLockWork(t *testing.T) {
	var written []Lock
	l, in, saved := lockable(t, 10000, func(k Lock) { written = append(written, k) })
	for owner := range uint64(200) {
		for n := range int64(20) {
			k := Lock{Owner: owner, Open: owner, Type: unix.F_RDLCK, Start: 2 * n, End: 2 * n}
			if err := l.Set(k, in); err != nil {
				t.Fatal(err)
			}
		}
	}
	written = nil
	for _, k := range []Lock{{Type: unix.F_RDLCK, Start: 100, End: 100}, {Type: unix.F_UNLCK, Start: 8, End: 8}} {
		if k.Owner, k.Open = 7, 7; l.Set(k, in) != nil {
			t.Fatal(k)
		}
	}
	if len(written) != 1 || written[0].Owner != 7 || written[0].Start != 100 {
		t.Errorf("for one lock, and one given back, these were written: %+v", written)
	}
	written = nil
	l.Closed(9)
	l.Left(10)
	if n := len(saved()); len(written) != 0 || n != 198*20 {
		t.Errorf("two have closed the file: %d records were written, %d are there", len(written), n)
	}
	l.close()
}

// TestLockBound: a user can have so many ranges, of all owners together, and then ENOLCK, also where giving
// back makes two of one; what is given back can be had again.
func TestLockBound(t *testing.T) {
	l, in, _ := lockable(t, 3, func(Lock) {})
	set := func(owner uint64, typ int16, start, end int64, want error) {
		t.Helper()
		if err := l.Set(Lock{Owner: owner, Open: owner, Type: typ, Start: start, End: end}, in); !errors.Is(err, want) {
			t.Errorf("owner %d, %d to %d: %v, not %v", owner, start, end, err, want)
		}
	}
	set(1, unix.F_WRLCK, 0, 9, nil)
	set(2, unix.F_WRLCK, 20, 29, nil)
	set(1, unix.F_WRLCK, 29, 29, ErrWouldBlock)
	set(1, unix.F_WRLCK, 40, 49, nil)
	set(2, unix.F_WRLCK, 60, 69, unix.ENOLCK)
	set(1, unix.F_UNLCK, 5, 5, unix.ENOLCK)
	set(1, unix.F_WRLCK, 10, 15, nil) // meets another
	set(1, unix.F_UNLCK, 0, math.MaxInt64, nil)
	set(2, unix.F_WRLCK, 60, 69, nil)
	set(2, unix.F_UNLCK, 22, 22, nil)
	set(2, unix.F_UNLCK, 62, 62, unix.ENOLCK)
	l.Left(2)
	set(1, unix.F_WRLCK, 1, 1, nil)
	if held := in.Ranges.Held(); held != 1 {
		t.Errorf("%d ranges are paid for", held)
	}
	l.close()
}

// TestLockTurns: one user's many waiters keep another's waiting for no longer than one look, and one who got a lock
// makes way for the next.
func TestLockTurns(t *testing.T) {
	l, in, _ := lockable(t, 10000, func(Lock) {})
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	set := func(typ int16, at int64) {
		t.Helper()
		if err := l.Set(Lock{Owner: 1, Open: 1, Type: typ, Start: at, End: at}, in); err != nil {
			t.Fatal(err)
		}
	}
	set(unix.F_WRLCK, 0)
	set(unix.F_WRLCK, 10)
	var many []*LockWaiter
	for range 3 * lockLooks {
		w := l.Waiter(p, 1001)
		w.Arm(In, func() {})
		many = append(many, w)
	}
	one := l.Waiter(p, 1002)
	one.Arm(In, func() {})
	waits := func() (n int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.looks.Stop() // nobody looks for another reason
		for _, w := range many {
			if w.at != nil {
				n++
			}
		}
		return n
	}
	before := waits()
	if set(unix.F_UNLCK, 10); one.at != nil || before-waits() != lockLooks-1 {
		t.Errorf("it waits: %v, and of the others %d of %d look", one.at != nil, before-waits(), before)
	}
	before = waits()
	if set(unix.F_WRLCK, 20); before-waits() != 1 {
		t.Errorf("%d look where one got a lock", before-waits())
	}
	for _, w := range many {
		w.Stop()
	}
	if l.turns.Len() > 0 || len(l.lines) > 0 {
		t.Error("somebody waits still")
	}
	l.close()
}
