package mount

import (
	"runtime"
	"sync"
)

// toldInTurn is how many files the teller tells before others get their gate's lock.
const toldInTurn = 64

// A teller tells the files of gates that have many, some of one gate, then some of the next.
type teller struct {
	news chan struct{}
	mu   sync.Mutex
	line []*gate
}

// add has it tell the rest of a gate's round.
func (t *teller) add(g *gate) {
	t.mu.Lock()
	t.line = append(t.line, g)
	t.mu.Unlock()
	t.ring()
}

// next is the gate whose turn it is; nil: there is none.
func (t *teller) next() (g *gate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.line) == 0 {
		return nil
	}
	g, t.line = t.line[0], t.line[1:]
	if len(t.line) > 0 {
		t.ring()
	}
	return g
}

func (t *teller) ring() {
	select {
	case t.news <- struct{}{}:
	default: // it is to look already
	}
}

// tell is the teller, until the session ends. Who is not told then is by the next process (goOnServing).
func (s *Session) tell() {
	defer s.workers.Done()
	for {
		select {
		case <-s.ended:
			return
		case <-s.teller.news:
		}
		if g := s.teller.next(); g != nil {
			s.tellSome(g)
			runtime.Gosched() // the lead goes first
		}
	}
}

// tellSome goes on with the round of a gate.
func (s *Session) tellSome(g *gate) {
	defer s.recoverFrom("telling pollers")
	var room [toldInTurn]uint64
	told := g.someTold(room[:0])
	s.wakePollers(told)
}

func (g *gate) someTold(room []uint64) []uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.polls.inLine = false
	if len(g.polls.all) == 0 {
		return nil // their files were closed, and what they waited for may be
	}
	there := g.w.Ready()
	g.polls.saw(there)
	defer g.tellRest() // also after a panic
	told := g.some(room, there)
	g.arm() // if that was the end of it
	return told
}
