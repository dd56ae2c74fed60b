package nodes

import (
	chain "container/list"
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

// openers are the processes that have one endpoint open, in the order in which they opened it.
type openers struct{ readers, writers chain.List } // of their numbers

// maxTold is how many readers, and how many writers, a status tells of one by one: those who have had it
// open longest.
const maxTold = 64

func newUsers() users { return users{of: map[backends.Waiter]*openers{}} }

// opened keeps in mind which process has opened an endpoint, and returns what ends that.
func (u *users) opened(end backends.Waiter, flags int, by Caller) (closed func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	o := u.of[end]
	if o == nil {
		o = &openers{}
		u.of[end] = o
	}
	var reader, writer *chain.Element
	if flags&accessMode != writeOnly {
		reader = o.readers.PushBack(by.Pid)
	}
	if writes(flags) {
		writer = o.writers.PushBack(by.Pid)
	}
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if reader != nil {
			o.readers.Remove(reader)
		}
		if writer != nil {
			o.writers.Remove(writer)
		}
		if o.readers.Len()+o.writers.Len() == 0 {
			delete(u.of, end)
		}
	}
}

// told counts the processes that have an endpoint open, and takes as
// many names of them as there is still room for.
func (u *users) told(end backends.Waiter, readers, writers *told) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if o := u.of[end]; o != nil {
		readers.add(&o.readers)
		writers.add(&o.writers)
	}
}

// told are some users: how many they are, and the first of them.
type told struct {
	count int
	first []int
}

func (t *told) add(line *chain.List) {
	t.count += line.Len()
	for at := line.Front(); at != nil && len(t.first) < maxTold; at = at.Next() {
		t.first = append(t.first, at.Value.(int))
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
