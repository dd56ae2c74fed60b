package nodes

import (
	"slices"
	"sync"

	"github.com/ipcfs/ipcfs/backends"
)

// users are which processes have what open through the mount, by its endpoints. To count and to name them
// costs the same however many there are.
type users struct {
	mu sync.Mutex
	of map[backends.Waiter]*openers
}

// openers are the processes that have one endpoint open.
type openers struct {
	users            *users
	end              backends.Waiter
	readers, writers openerLine
}

// An openerLine is openers in the order in which they opened. Their places are in themselves, as there may be
// very many.
type openerLine struct {
	first, last *opener
	n           int
}

// opener is one process that has an endpoint open. The zero opener is none.
type opener struct {
	of             *openers // nil: it has none open, or not any more
	pid            int32
	reads, writes  bool
	reader, writer neighbours
}

// neighbours are those before and behind an opener in a line.
type neighbours struct{ before, next *opener }

// push puts an opener at the end; at says where in it its place is.
func (c *openerLine) push(o *opener, at func(*opener) *neighbours) {
	if at(o).before = c.last; c.last == nil {
		c.first = o
	} else {
		at(c.last).next = o
	}
	c.last = o
	c.n++
}

func (c *openerLine) remove(o *opener, at func(*opener) *neighbours) {
	n := at(o)
	if n.before == nil {
		c.first = n.next
	} else {
		at(n.before).next = n.next
	}
	if n.next == nil {
		c.last = n.before
	} else {
		at(n.next).before = n.before
	}
	*n = neighbours{}
	c.n--
}

func asReader(o *opener) *neighbours { return &o.reader }
func asWriter(o *opener) *neighbours { return &o.writer }

// maxTold is how many readers, and how many writers, a status tells of one by one: those who have had it
// open longest.
const maxTold = 64

func newUsers() users { return users{of: map[backends.Waiter]*openers{}} }

// opened keeps in mind which process has opened an endpoint, in one, until that is closed.
func (u *users) opened(one *opener, end backends.Waiter, flags int, by Caller) {
	u.mu.Lock()
	defer u.mu.Unlock()
	o := u.of[end]
	if o == nil {
		o = &openers{users: u, end: end}
		u.of[end] = o
	}
	*one = opener{of: o, pid: int32(by.Pid), reads: flags&accessMode != writeOnly, writes: writes(flags)}
	if one.reads {
		o.readers.push(one, asReader)
	}
	if one.writes {
		o.writers.push(one, asWriter)
	}
}

// closed ends it.
func (o *opener) closed() {
	of := o.of
	if of == nil {
		return
	}
	of.users.mu.Lock()
	defer of.users.mu.Unlock()
	if o.of = nil; o.reads {
		of.readers.remove(o, asReader)
	}
	if o.writes {
		of.writers.remove(o, asWriter)
	}
	if of.readers.n+of.writers.n == 0 {
		delete(of.users.of, of.end)
	}
}

// told counts the processes that have an endpoint open, and takes as
// many names of them as there is still room for.
func (u *users) told(end backends.Waiter, readers, writers *told) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if o := u.of[end]; o != nil {
		readers.add(&o.readers, asReader)
		writers.add(&o.writers, asWriter)
	}
}

// told are some users: how many they are, and the first of them.
type told struct {
	count int
	first []int
}

func (t *told) add(c *openerLine, at func(*opener) *neighbours) {
	t.count += c.n
	for o := c.first; o != nil && len(t.first) < maxTold; o = at(o).next {
		t.first = append(t.first, int(o.pid))
	}
}

// names are those of the first. It reads /proc for each.
func (t *told) names() List {
	var names []string
	for _, pid := range t.first {
		names = append(names, Caller{Pid: pid}.name())
	}
	return list(names)
}

// Users are the facts about the processes that have an object open through the mount, by its endpoints: who
// they are, how many wait in a request (parked), and how many in a request or in poll(2) (waiting).
func (e *Env) Users(ends ...backends.Waiter) []Fact {
	var readers, writers told
	var parked, waiting Sides
	var who []Wait
	count := e.counter()
	for _, w := range ends {
		e.users.told(w, &readers, &writers)
		if count != nil {
			one := count(w)
			parked.add(one.Parked)
			waiting.add(one.Parked)
			waiting.add(one.Polling)
			who = append(who, one.Who...)
		}
	}
	facts := []Fact{
		{"readers", readers.count}, {"writers", writers.count},
		{"reader_pids", readers.names()}, {"writer_pids", writers.names()},
	}
	if count == nil {
		return facts
	}
	return append(facts,
		Fact{"parked_readers", parked.Readers}, Fact{"parked_writers", parked.Writers},
		Fact{"waiting_readers", waiting.Readers}, Fact{"waiting_writers", waiting.Writers}, waits(who))
}

// counter is who counts those who wait; nil: nobody does.
func (e *Env) counter() func(backends.Waiter) Waiting {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.waiting
}

// Holders name the processes that have one of these endpoints open through the mount.
func (e *Env) Holders(ends ...backends.Waiter) List {
	var readers, writers told
	for _, w := range ends {
		e.users.told(w, &readers, &writers)
	}
	for _, pid := range writers.first {
		if !slices.Contains(readers.first, pid) {
			readers.first = append(readers.first, pid)
		}
	}
	return readers.names()
}
