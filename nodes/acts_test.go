package nodes

import (
	"errors"
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
	"golang.org/x/sys/unix"
)

// shelf is a directory, and the class of what is in it.
type shelf map[string]Seen

func (shelf) Stat(bool) (Attr, error)         { return Attr{}, nil }
func (shelf) Open(int, Caller) (Open, error)  { return nil, syscall.EPERM }
func (shelf) Change(Change) error             { return nil }
func (shelf) List() ([]Entry, error)          { return nil, nil }
func (s shelf) At(Seen) Object                { return s }
func (s shelf) put(name string, ino, uid int) { s[name] = seenOn(name, ino, uid) }
func (s shelf) ino(name string) int           { return int(s[name].Was.Ino) }

func (s shelf) Find(name string) (Seen, error) {
	one, ok := s[name]
	if !ok {
		return one, syscall.ENOENT
	}
	return one, nil
}

func seenOn(name string, ino, uid int) Seen {
	return Seen{Ref: Ref{Path: name, Was: Attr{ID: backends.ID{Ino: uint64(ino)}, Uid: uint32(uid)}}}
}

// errKilled ends a process in a test.
var errKilled = errors.New("killed")

// actsOf is how a process finds the notes of those before it.
func actsOf(t *testing.T, fd int) *Acts {
	t.Helper()
	l, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	var left []backends.Left
	l.Each(func(kind uint32, number uint64, data []byte, r backends.Record) {
		if kind == backends.ActRecord {
			left = append(left, backends.Left{Number: number, Data: append([]byte(nil), data...), Record: r})
		}
	})
	a, err := NewActs(l, left)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestActs: an act is done once, wherever in it a process is killed, and its request has the same answer.
func TestActs(t *testing.T) {
	const before, in, made, after = "before it", "in it", "after its object was told", "after it was noted"
	for _, c := range []struct {
		name string
		act  func(s shelf, do func(func() error) func(Owner) (Seen, error)) Act
		want map[string]int // what the names lead to in the end
	}{
		{"make", func(s shelf, do func(func() error) func(Owner) (Seen, error)) Act {
			return Act{Dir: s, Name: "new", Class: s, For: Owner{Uid: 7}, Do: do(func() error {
				if _, ok := s["new"]; ok {
					return syscall.EEXIST
				}
				s.put("new", 100+len(s), 7)
				return nil
			})}
		}, map[string]int{"a": 1, "b": 2, "new": 102}},
		{"remove", func(s shelf, do func(func() error) func(Owner) (Seen, error)) Act {
			return Act{Dir: s, Name: "a", Do: do(func() error {
				if _, ok := s["a"]; !ok {
					return syscall.ENOENT
				}
				delete(s, "a")
				return nil
			})}
		}, map[string]int{"b": 2}},
		{"exchange", func(s shelf, do func(func() error) func(Owner) (Seen, error)) Act {
			return Act{Dir: s, Name: "a", To: s, New: "b", Do: do(func() error {
				s["a"], s["b"] = s["b"], s["a"]
				return nil
			})}
		}, map[string]int{"a": 2, "b": 1}},
	} {
		for _, killed := range []string{before, in, made, after} {
			fd := ledgerfd.New(t)
			s := shelf{"a": seenOn("a", 1, 7), "b": seenOn("b", 2, 7)}
			run := func(a *Acts, at string) (err error) {
				defer func() {
					if r := recover(); r != nil {
						err = r.(error)
					}
				}()
				act := c.act(s, func(f func() error) func(Owner) (Seen, error) {
					return func(o Owner) (Seen, error) {
						if at == before {
							panic(errKilled)
						}
						err := f()
						if at == in {
							panic(errKilled)
						}
						now := s["new"]
						if o.Made(now.Was.ID); at == made {
							panic(errKilled)
						}
						return now, err
					}
				})
				_, _, _, err = a.Once(8, act)
				return err
			}
			if err := run(actsOf(t, fd), killed); err != nil && err != errKilled {
				t.Errorf("%s: %v", c.name, err)
			}
			for range 2 { // the next process may be killed before it answers, too
				if err := run(actsOf(t, fd), ""); err != nil {
					t.Errorf("%s, killed %s: %v", c.name, killed, err)
				}
				for name := range s {
					if s.ino(name) != c.want[name] || len(s) != len(c.want) {
						t.Errorf("%s, killed %s: %v", c.name, killed, s)
					}
				}
			}
			a := actsOf(t, fd)
			if a.Over(8); a.Left(8) || actsOf(t, fd).Left(8) {
				t.Errorf("%s: there is a note of a request that has its answer", c.name)
			}
			_ = unix.Close(fd)
		}
	}
}

// TestActsApart: what one request has made is not another one's, and an error is answered again.
func TestActsApart(t *testing.T) {
	fd := ledgerfd.New(t)
	s := shelf{}
	act := func(uid int, end func()) Act {
		return Act{Dir: s, Name: "new", Class: s, For: Owner{Uid: uint32(uid)}, Do: func(Owner) (Seen, error) {
			defer end()
			if one, ok := s["new"]; ok {
				return one, syscall.EEXIST
			}
			s.put("new", 100, uid)
			return s["new"], nil
		}}
	}
	killed := func(a *Acts, request uint64, act Act) {
		defer func() { _ = recover() }()
		_, _, _, _ = a.Once(request, act)
	}
	a := actsOf(t, fd)
	killed(a, 2, act(7, func() { delete(s, "new"); panic(errKilled) })) // and is about to make it
	killed(a, 4, act(7, func() { panic(errKilled) }))
	killed(a, 6, act(8, func() {}))
	a = actsOf(t, fd)
	once := func(request uint64, uid int) error {
		_, _, _, err := a.Once(request, act(uid, func() {}))
		return err
	}
	if err := once(2, 7); err != nil {
		t.Error(err)
	}
	if err := once(4, 7); err != syscall.EEXIST {
		t.Errorf("two have made one object: %v", err)
	}
	delete(s, "new")
	if err := once(6, 8); err != syscall.EEXIST {
		t.Errorf("the answer was EEXIST, and is %v", err)
	}
	a.Only(map[uint64]bool{4: true})
	if a.Left(2) || !a.Left(4) || a.Left(6) {
		t.Error("only what waits for an answer is to stay")
	}
}

// unread is a shelf that nobody may look at.
type unread struct {
	shelf
	t *testing.T
}

func (u unread) Find(name string) (Seen, error) {
	u.t.Errorf("%s is looked up", name)
	return u.shelf.Find(name)
}

// TestNoActs: where nothing is noted, what makes an object asks nothing before.
func TestNoActs(t *testing.T) {
	u := unread{shelf{}, t}
	_, _, made, err := (*Acts)(nil).Once(2, Act{Dir: u, Name: "new", Class: u, Do: func(Owner) (Seen, error) {
		return seenOn("new", 100, 7), nil
	}})
	if err != nil || made.Was.Ino != 100 {
		t.Errorf("%+v %v", made, err)
	}
}
