package nodes

import (
	"cmp"
	"errors"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// Acts has each act of a request that makes, removes or moves a name be done once, however often the request
// comes. It notes in a ledger what the names lead to before the act, and right after the act how it ended. A
// process that goes on answers from that. Of an act in which the process before was killed the end is not
// noted. It was done if its name leads elsewhere now than it did. A nil Acts notes nothing. It is safe for
// concurrent use.
type Acts struct {
	ledger *backends.Ledger
	some   atomic.Bool // there are notes

	mu      sync.Mutex
	all     map[uint64]*acting // by request
	claimed map[outcome]bool
}

// Act is one act of a request.
type Act struct {
	Dir   Directory // where the name is that leads elsewhere when the act is done,
	Name  string
	To    Directory // and where that is to be moved to; nil: it moves nothing
	New   string
	Class Class // of what it makes; nil: it makes nothing
	For   Owner // whom that is to belong to
	Do    func(o Owner) (Seen, error)
}

// acting is a request whose acts are noted.
type acting struct {
	record backends.Record
	count  int // of its acts that this process has begun
	note   actNote
}

// actNote is what the ledger has of a request.
type actNote struct {
	Count    int  // which of its acts this is: those before it are done
	Was, Old Seen // what the names led to before it; without an identity: to nothing
	Made     Seen // what it has made; before it is done, the identity at most
	Done     bool
	Errno    syscall.Errno // with which it failed
	Rest     int64         // of a command that is not done: see Acts.Rest
}

func (n *actNote) code(c *Coder) {
	Number(c, &n.Count)
	for _, s := range []*Seen{&n.Was, &n.Old, &n.Made} {
		codeSeen(c, s)
	}
	c.Flag(&n.Done)
	errno := uint64(n.Errno)
	Number(c, &errno)
	n.Errno = syscall.Errno(errno)
	Number(c, &n.Rest)
}

func codeSeen(c *Coder, s *Seen) {
	c.Text(&s.Path)
	codeID(c, &s.Was.ID)
	Number(c, &s.Was.Mode)
	Number(c, &s.Was.Nlink)
	Number(c, &s.Was.Uid)
	Number(c, &s.Was.Gid)
	c.Flag(&s.Message)
	c.Flag(&s.Ours)
}

// outcome is what only one request may have for its own whose act is not known to be done.
type outcome struct {
	path     string
	was, now backends.ID
}

// with is the outcome of an act after which its name leads to something.
func (n *actNote) with(now Seen) outcome {
	return outcome{cmp.Or(n.Was.Path, now.Path), n.Was.Was.ID, now.Was.ID}
}

// NewActs goes on from what an earlier process left in a ledger; nil: there is none.
func NewActs(l *backends.Ledger, left []backends.Left) (*Acts, error) {
	if l == nil {
		return nil, nil
	}
	a := &Acts{ledger: l, all: map[uint64]*acting{}, claimed: map[outcome]bool{}}
	for _, one := range left {
		at := &acting{record: one.Record}
		if err := Decode(one.Data, at.note.code); err != nil {
			return nil, err
		}
		a.all[one.Number] = at
		if at.note.Done {
			a.claimed[at.note.with(at.note.Made)] = true
		}
	}
	a.some.Store(len(a.all) > 0)
	return a, nil
}

// Left reports whether an earlier process has begun with a request.
func (a *Acts) Left(request uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[request] != nil
}

// Over forgets a request, which has its answer.
func (a *Acts) Over(request uint64) {
	if a == nil || !a.some.Load() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if at := a.all[request]; at != nil {
		a.forget(request, at)
	}
}

// Only forgets all requests but those that still wait for an answer.
func (a *Acts) Only(waits map[uint64]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for request, at := range a.all {
		if !waits[request] {
			a.forget(request, at)
		}
	}
}

func (a *Acts) forget(request uint64, at *acting) {
	a.ledger.Drop(&at.record)
	delete(a.all, request)
	a.some.Store(len(a.all) > 0)
}

// Once does an act of a request, unless it was done. It gives what its names led to before, if it makes
// nothing, and what it has made.
func (a *Acts) Once(request uint64, act Act) (was, old, made Seen, err error) {
	if a == nil {
		if act.Class == nil {
			was, old, err = act.look()
		}
		if err == nil {
			made, err = act.Do(act.For)
		}
		return was, old, made, err
	}
	at, left := a.begin(request)
	n := &at.note
	switch {
	case left && at.count < n.Count: // a later one was begun
		made, err = act.Dir.Find(act.Name)
		return was, old, made, err
	case left && at.count == n.Count && a.done(at, act):
		if n.Errno != 0 {
			return n.Was, n.Old, Seen{}, n.Errno
		}
		return n.Was, n.Old, act.madeNow(n.Made), nil
	case !left || at.count > n.Count:
		if was, old, err = act.look(); err != nil {
			return was, old, made, err
		}
		*n = actNote{Count: at.count, Was: was, Old: old}
		a.put(request, at)
	}
	backends.Point("acting")
	act.For.Made = func(id backends.ID) {
		n.Made.Was.ID = id
		a.put(request, at)
		backends.Point("made")
	}
	made, err = act.Do(act.For)
	backends.Point("acted")
	n.Done, n.Made, n.Errno = true, made, Errno(err)
	a.put(request, at)
	backends.Point("noted act")
	return n.Was, n.Old, made, err
}

// Command does one command of a request, unless it is noted that it was done. One that must not be done twice
// notes how far it is (Rest).
func (a *Acts) Command(request uint64, do func() error) error {
	if a == nil || request == 0 {
		return do()
	}
	at, left := a.begin(request)
	if left && (at.count < at.note.Count || at.count == at.note.Count && at.note.Done) {
		return nil
	}
	err := do()
	backends.Point("acted")
	if err == nil {
		at.note = actNote{Count: at.count, Done: true}
		a.put(request, at)
	}
	backends.Point("noted act")
	return err
}

// Rest is what the command that a request does now has still to do: what an earlier process noted last, or
// all of it. note says what is left from now on.
func (a *Acts) Rest(request uint64, all int64) (left int64, note func(int64)) {
	if a == nil || request == 0 {
		return all, func(int64) {}
	}
	a.mu.Lock()
	at := a.all[request]
	a.mu.Unlock()
	if at == nil { // nobody waits for it any more (Over)
		return all, func(int64) {}
	}
	if at.note.Count == at.count {
		all = at.note.Rest
	}
	note = func(left int64) {
		at.note = actNote{Count: at.count, Rest: left}
		a.put(request, at)
	}
	note(all)
	return all, note
}

// begin counts one more act of a request, and reports whether there is a note of the request.
func (a *Acts) begin(request uint64) (at *acting, left bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at = a.all[request]; at == nil {
		at = &acting{}
		a.all[request] = at
		a.some.Store(true)
	}
	at.count++
	return at, at.record != backends.Record{}
}

// put writes the note, unless the request was given up.
func (a *Acts) put(request uint64, at *acting) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all[request] == at {
		a.ledger.Put(&at.record, backends.ActRecord, request, Encode(at.note.code))
	}
}

// look finds what the names lead to. An act that makes nothing needs its first one.
func (act *Act) look() (was, old Seen, err error) {
	if was, err = act.Dir.Find(act.Name); err != nil {
		was = Seen{}
	}
	if act.Class != nil {
		err = nil
	}
	if act.To != nil {
		var e error
		if old, e = act.To.Find(act.New); e != nil {
			old = Seen{}
		}
	}
	return was, old, err
}

// done reports whether an earlier process has done an act, and notes that.
func (a *Acts) done(at *acting, act Act) bool {
	n := &at.note
	if n.Done {
		return true
	}
	now, err := act.Dir.Find(act.Name)
	switch {
	case errors.Is(err, syscall.ENOENT):
		now = Seen{}
	case err != nil:
		return false
	}
	if now.Was.ID == n.Was.Was.ID || act.Class != nil && !act.ours(now, n.Made.Was.ID) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if o := n.with(now); a.claimed[o] {
		return false
	} else {
		a.claimed[o] = true
	}
	n.Done = true
	if act.Class != nil {
		n.Made = now
	}
	return true
}

// A soleMaker is a Directory in which nobody but the daemon makes names.
type soleMaker interface{ sole() bool }

// ours reports whether the name leads to what the act has made: by its identity, or if that was not noted, by
// its owner. What was not given to its owner yet is given now.
func (act *Act) ours(now Seen, id backends.ID) bool {
	o := act.For
	dir, sole := act.Dir.(soleMaker)
	switch known := id != (backends.ID{}); {
	case known && id != now.Was.ID:
		return false
	case now.Was.Uid == o.Uid:
		return true
	case !known && !(sole && dir.sole() && int(now.Was.Uid) == os.Geteuid()):
		return false
	}
	c := Change{Uid: &o.Uid, Gid: &o.Gid}
	if at, err := act.Dir.Stat(false); err == nil && at.Mode&syscall.S_ISGID != 0 {
		c.Gid = nil // it has the directory's
	}
	return act.Class.At(now).Change(c) == nil
}

// madeNow is what was made, as it is now. If it is gone, it is as it was last.
func (act *Act) madeNow(made Seen) Seen {
	if act.Class == nil {
		return made
	}
	if now, err := act.Dir.Find(path.Base(made.Path)); err == nil && now.Was.ID == made.Was.ID {
		return now
	}
	return made
}
