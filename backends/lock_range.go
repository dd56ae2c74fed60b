package backends

import (
	"math"
	"slices"
	"sort"

	"golang.org/x/sys/unix"
)

// A LockRange is a range of bytes that is locked. Its type is F_RDLCK or F_WRLCK, and where it is asked for
// F_UNLCK too.
type LockRange struct {
	Type       int16
	Start, End int64 // the first and the last byte; math.MaxInt64: however long the file is
}

// changed says what becomes of a list of ranges where k is locked, or given back: those from one place to
// another are replaced. It takes as many steps as the list is long in binary digits.
func changed(list []LockRange, k LockRange) (from, to int, by []LockRange) {
	from = sort.Search(len(list), func(i int) bool { return list[i].End >= k.Start })
	to = from + sort.Search(len(list)-from, func(i int) bool { return list[from+i].Start > k.End })
	if k.Type != unix.F_UNLCK { // one with those it meets
		if from > 0 && list[from-1].Type == k.Type && list[from-1].End == k.Start-1 {
			from--
		}
		if to < len(list) && list[to].Type == k.Type && list[to].Start-1 == k.End {
			to++
		}
	}
	if from == to {
		if k.Type != unix.F_UNLCK {
			by = append(by, k)
		}
		return from, to, by
	}
	first, last := list[from], list[to-1]
	after := LockRange{last.Type, k.End + 1, last.End}
	left := last.End > k.End
	if first.Start < k.Start {
		if first.Type == k.Type {
			k.Start = first.Start
		} else {
			by = append(by, LockRange{first.Type, first.Start, k.Start - 1})
		}
	}
	if left && last.Type == k.Type {
		k.End, left = last.End, false
	}
	if k.Type != unix.F_UNLCK {
		by = append(by, k)
	}
	if left {
		by = append(by, after)
	}
	return from, to, by
}

// A LockHost is what all locks of a tree have in common.
type LockHost struct {
	Descriptors *Budget // each owner has one
	Ranges      *Budget // of bytes
	Ledger      *Ledger // has a record of each range of each owner, and of each flock(2)
	// Form appends to b what the record of a lock is. It is called with the file's locks locked.
	Form func(b []byte, k *Lock) []byte
}

// lockOwner is one owner of locks, with an open file description.
type lockOwner struct {
	id     uint64
	open   uint64 // the open file by which it has asked last
	uid    uint32 // who pays
	pid    int    // the process that has locked last
	fd     int
	in     *LockHost
	ranges []LockRange // in order and apart; those of one type that meet are one, as the kernel has them
	saved  []savedLock // of each of them
	whole  int16       // flock(2); F_UNLCK: none
	wholes savedLock   // of that
}

// savedLock is the record of a lock.
type savedLock struct {
	number uint64
	at     Record
}

// save writes the record of one lock of an owner. A process that goes on takes the locks again in the order of
// these numbers. The caller holds l.mu.
func (l *Locks) save(o *lockOwner, k Lock) (s savedLock) {
	ledger := o.in.Ledger
	if ledger == nil {
		return s
	}
	k.Owner, k.Open, k.Uid, k.Pid = o.id, o.open, o.uid, o.pid
	s.number = ledger.Number()
	l.form = o.in.Form(l.form[:0], &k)
	ledger.Put(&s.at, LockRecord, s.number, l.form)
	return s
}

// replace has an owner's ranges from one place to another be others, as the kernel has them by now. Those that are
// there no more are dropped when the others are written: a process that goes on from anything between has each byte
// locked as before or as after, and the request, which was not answered, comes again. The caller holds l.mu.
func (l *Locks) replace(o *lockOwner, from, to int, by []LockRange, saved []savedLock) {
	for _, r := range o.ranges[from:to] {
		leave(l.at, r, o)
	}
	for i, r := range by {
		enter(&l.at, r, o)
		if i == len(saved) {
			saved = append(saved, l.save(o, Lock{Type: r.Type, Start: r.Start, End: r.End}))
		}
	}
	for i := range o.saved[from:to] {
		o.in.Ledger.Drop(&o.saved[from+i].at)
	}
	o.ranges = slices.Replace(o.ranges, from, to, by...)
	o.saved = slices.Replace(o.saved, from, to, saved...)
}

// flocks has what an owner has of the whole file be of another type. The caller holds l.mu.
func (l *Locks) flocks(o *lockOwner, how int16, saved *savedLock) {
	if how == o.whole {
		if saved != nil {
			o.in.Ledger.Drop(&saved.at) // no process writes two
		}
		return
	}
	was := o.wholes
	o.whole, o.wholes = how, savedLock{}
	switch {
	case how == unix.F_UNLCK:
	case saved != nil:
		o.wholes = *saved
	default:
		o.wholes = l.save(o, Lock{Flock: true, Type: how, End: math.MaxInt64})
	}
	o.in.Ledger.Drop(&was.at)
}

// lockOwners are owners by what they have in common.
type lockOwners[K comparable] map[K]map[*lockOwner]struct{}

func enter[K comparable](m *lockOwners[K], at K, o *lockOwner) {
	if *m == nil {
		*m = lockOwners[K]{}
	}
	if (*m)[at] == nil {
		(*m)[at] = map[*lockOwner]struct{}{}
	}
	(*m)[at][o] = struct{}{}
}

func leave[K comparable](m lockOwners[K], at K, o *lockOwner) {
	if delete(m[at], o); len(m[at]) == 0 {
		delete(m, at)
	}
}

// Held are the locks that are held through the daemon, as plain data: Again takes each of them in another process.
func (l *Locks) Held() (list []Lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.owners {
		k := Lock{Owner: o.id, Open: o.open, Uid: o.uid, Pid: o.pid}
		for _, r := range o.ranges {
			k.Type, k.Start, k.End = r.Type, r.Start, r.End
			list = append(list, k)
		}
		if o.whole != unix.F_UNLCK {
			k.Flock, k.Type, k.Start, k.End = true, o.whole, 0, math.MaxInt64
			list = append(list, k)
		}
	}
	return list
}

// Again takes a lock that was held in another process, whose record is saved by this number. Nobody is asked
// whether the user may have so much. An error says that it is lost: somebody else has got one meanwhile.
func (l *Locks) Again(k Lock, number uint64, saved Record, in *LockHost) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, err := l.join(k, in, false)
	if err == nil {
		err = l.lock(o, k, &savedLock{number, saved})
	}
	if err != nil {
		in.Ledger.Drop(&saved)
	}
	return err
}
