package backends

import (
	"bytes"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sizedLedgers is ledgers that also tells how much memory the ledger takes, in MiB.
func sizedLedgers(t *testing.T) (l *Ledger, next func() *Ledger, mib func() int64) {
	t.Helper()
	l, next = ledgers(t)
	fd, err := unix.FcntlInt(uintptr(l.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	l.Each(nil)
	return l, next, func() int64 {
		t.Helper()
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			t.Fatal(err)
		}
		return st.Blocks >> 11
	}
}

// TestLedgerTrim: what was in a ledger once takes no memory of it for good, whatever sizes the records had, and
// whatever stays between them. The next process finds what is there, and takes no memory for the rest either.
func TestLedgerTrim(t *testing.T) {
	l, next, mib := sizedLedgers(t)
	stay := map[uint64]string{}
	number := uint64(0)
	put := func(long int) (r Record) {
		number++
		l.Put(&r, NodeRecord, number, bytes.Repeat([]byte{byte(number)}, long))
		return r
	}
	for _, long := range []int{30_000, 4000, 900, 40, 0} {
		var gone []Record
		for i := range (12 << 20) / (long + slotHeader) {
			if r := put(long); i%30_000 == 3 {
				stay[number] = string(bytes.Repeat([]byte{byte(number)}, long))
			} else {
				gone = append(gone, r)
			}
		}
		for _, r := range gone {
			l.Drop(&r)
		}
	}
	if had := mib(); had < 30 { // some of the smallest may be given back already
		t.Fatalf("it has %d MiB", had)
	}
	for l.Trim(); l.trimming(); runtime.Gosched() { // some of it is under way already
	}
	l.Trim()
	if has := mib(); has > 12 {
		t.Errorf("it has %d MiB after all", has)
	}
	l = next()
	if all := records(l); !maps.Equal(all, stay) {
		t.Errorf("%d records are left of %d", len(all), len(stay))
	}
	if has := mib(); has > 12 {
		t.Errorf("it has %d MiB in the next process", has)
	}
	for range 100_000 {
		put(40)
	}
	if all := records(next()); len(all) != len(stay)+100_000 {
		t.Errorf("there are %d records, and %d should be there besides", len(all), len(stay))
	}
}

// TestTrimAtOnce: records that are put while memory is given back are what was put. Where very much is freed that is
// done unasked.
func TestTrimAtOnce(t *testing.T) {
	l, next, mib := sizedLedgers(t)
	all := make([]Record, (much-1)/smallest)
	put := func(n int) {
		for i := range all[:n] {
			l.Put(&all[i], NodeRecord, uint64(i), nil)
		}
	}
	put(len(all))
	for i := range all {
		l.Drop(&all[i])
	}
	free := l.takeFree(0, smallest)
	put(5000)
	for _, at := range free {
		clear(l.mem[at : at+smallest])
	}
	l.putFree(0, smallest, free)
	if n := len(records(next())); n != 5000 {
		t.Errorf("%d records are left", n)
	}
	put(len(all))
	all = append(all, make([]Record, 1)...)
	put(len(all))
	for i := range all {
		l.Drop(&all[i])
	}
	for end := time.Now().Add(time.Minute); mib() > 1 && time.Now().Before(end); {
		runtime.Gosched()
	}
	if has := mib(); has > 1 {
		t.Errorf("it has %d MiB", has)
	}
}

// trimming reports whether memory is being given back just now.
func (l *Ledger) trimming() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.sizes[:], func(s slots) bool { return s.trims })
}
