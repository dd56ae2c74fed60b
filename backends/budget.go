package backends

import (
	"math"
	"sync"
	"sync/atomic"
)

// A Budget bounds what users can make the daemon hold of one kind of thing: each user, and all users but
// root together. What is taken is given back when it is held no more. It is safe for concurrent use; no
// call waits.
type Budget struct {
	Terms
	bounds  func(users int64) Bounds // as they are now; users: what all but root hold
	refused func()                   // see TellRefusals; may be nil

	mu    sync.Mutex
	used  map[uint32]int64 // by user, without those who hold nothing
	users int64            // the sum of it without root's
	held  atomic.Int64     // the sum of it
	since map[uint32]int64 // what was taken since a count began; nil: nobody counts
}

// Terms are what a budget is called.
type Terms struct {
	Name string // of its lines in /ctl/limits, which has the words (nodes/limits.go)
	Of   string // which directory it is about, if any
	Err  error  // what a refusal is (errors.Is)
	Heap bool   // it counts memory of this process, of which TrimMemory is to know when it is given back
}

// Bounds are how much may be held: by one user, by all users but root together, by root. They are in the
// unit of the budget.
type Bounds struct{ One, All, Root int64 }

// A Payer counts the descriptors that users make the daemon hold.
type Payer interface {
	Take(uid uint32) error
	Give(uid uint32)
}

// Unbounded is the bound of what nobody bounds.
const Unbounded = math.MaxInt64

// EachMay are the bounds of a budget that is the same for all, root among them.
func EachMay(one int64) Bounds { return Bounds{One: one, All: Unbounded, Root: one} }

// NewBudget makes a budget of which nothing is used. bounds is called with the lock held: it must not use
// the budget, nor wait.
func NewBudget(t Terms, bounds func(users int64) Bounds) *Budget {
	return &Budget{Terms: t, bounds: bounds, used: map[uint32]int64{}}
}

// TellRefusals has f told of each refusal, without a lock held. It is to be called before anything is taken.
func (b *Budget) TellRefusals(f func()) { b.refused = f }

// Take counts n more for a user, or refuses with Err if that is more than may be held.
func (b *Budget) Take(uid uint32, n int64) error { return b.TakeWithin(uid, n, Unbounded) }

// TakeWithin is Take for a user other than root who has a bound of their own, most, besides that of the
// budget.
func (b *Budget) TakeWithin(uid uint32, n, most int64) error {
	err := b.take(uid, n, most)
	if err != nil && b.refused != nil {
		b.refused()
	}
	return err
}

func (b *Budget) take(uid uint32, n, most int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	bounds := b.bounds(b.users)
	most = min(most, bounds.One)
	if uid == 0 {
		most = bounds.Root
	}
	switch {
	case b.used[uid] > most-n:
		return &Refusal{
			Err: b.Err, Why: OverOne, Limit: b.Name, Name: b.Of, Value: b.used[uid], More: n, Most: most, Uid: uid,
		}
	case uid != 0 && b.users > bounds.All-n:
		return &Refusal{
			Err: b.Err, Why: OverAll, Limit: b.Name, Name: b.Of, Value: b.users, More: n, Most: bounds.All, Uid: uid,
		}
	}
	b.add(uid, n)
	return nil
}

// Fits reports whether a user may have n more.
func (b *Budget) Fits(uid uint32, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	bounds := b.bounds(b.users)
	if uid == 0 {
		return b.used[0] <= bounds.Root-n
	}
	return b.used[uid] <= bounds.One-n && b.users <= bounds.All-n
}

// Add counts n more without asking, or less if n is negative: what is there already, and what is given back.
func (b *Budget) Add(uid uint32, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(uid, n)
}

// Give gives n back.
func (b *Budget) Give(uid uint32, n int64) { b.Add(uid, -n) }

// Move has n counted for another user, who is not asked.
func (b *Budget) Move(from, to uint32, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(from, -n)
	b.add(to, n)
}

// add never makes a count negative: what is given back may have been counted for somebody else. The caller
// holds b.mu.
func (b *Budget) add(uid uint32, n int64) {
	n = max(n, -b.used[uid])
	if b.used[uid] += n; b.used[uid] == 0 {
		delete(b.used, uid)
	}
	b.held.Add(n)
	if b.Heap && n < 0 {
		addFreed(-n)
	}
	if uid != 0 {
		b.users += n
	}
	if b.since != nil && n > 0 {
		b.since[uid] += n
	}
}

// Used is what a user holds.
func (b *Budget) Used(uid uint32) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used[uid]
}

// Held is what all users hold, root among them. It takes no lock.
func (b *Budget) Held() int64 { return b.held.Load() }

// counting begins a count of what is there, which counted ends. One count at a time.
func (b *Budget) counting() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since = map[uint32]int64{}
}

// counted makes what a count found the truth, with what was taken while it went on: that may have been
// counted twice, never not at all.
func (b *Budget) counted(found map[uint32]int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := b.since
	b.since, b.used, b.users = nil, map[uint32]int64{}, 0
	b.held.Store(0)
	for _, m := range []map[uint32]int64{found, since} {
		for uid, n := range m {
			b.add(uid, n)
		}
	}
}

// Limits are the budget's lines in /ctl/limits: what all hold, without root if the bound is for all but root,
// and what the one user other than root holds who holds most.
func (b *Budget) Limits() []Limit {
	b.mu.Lock()
	defer b.mu.Unlock()
	bounds := b.bounds(b.users)
	most := int64(0)
	for uid, n := range b.used {
		if uid != 0 {
			most = max(most, n)
		}
	}
	all := b.users
	if bounds.All == Unbounded {
		all += b.used[0]
	}
	return []Limit{
		{b.Name, all, finite(bounds.All), b.Of},
		{b.Name + "/user", most, finite(bounds.One), b.Of},
	}
}

func finite(n int64) int64 {
	if n == Unbounded {
		return -1
	}
	return max(n, 0)
}
