package nodes

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

type faulty struct{}

func (faulty) At(Seen) Object { panic("a fault of ours") }

// TestHeardPanics: after a fault objects elsewhere are asked about again.
func TestHeardPanics(t *testing.T) {
	e := textEnv(t)
	told := make(chan any, 1)
	e.Work.TellPanics(func(fault any) { told <- fault })
	there := &Elsewhere{Work: e.Work}
	there.heard(Kind{Class: faulty{}, Elsewhere: there}, func(Surveyed) {})
	<-told
	h := there.kinds[""]
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asking || h.next.IsZero() {
		t.Errorf("asking: %v, again %v", h.asking, h.next)
	}
}

// TestHeardInPart: an object that does not answer is told of as it was heard of before, and the others as
// they are now; if nobody answers, all are as before.
func TestHeardInPart(t *testing.T) {
	class := &answering{errs: map[string]error{}}
	h := &heard{}
	round := func(version int) string {
		class.version = version
		h.ask(t.Context(), Kind{Name: "k", Class: class})
		var list []string
		for _, one := range h.list {
			list = append(list, fmt.Sprint(one.Name, one.Facts[0].Value))
		}
		return strings.Join(list, " ")
	}
	if got := round(1); got != "a1 b1 c1" {
		t.Fatalf("heard %s", got)
	}
	class.errs["b"] = syscall.EIO
	if got := round(2); got != "a2 b1 c2" {
		t.Errorf("one fails: heard %s", got)
	}
	class.errs["b"] = syscall.ENOENT
	if got := round(3); got != "a3 c3" {
		t.Errorf("one is gone: heard %s", got)
	}
	class.errs["c"] = syscall.EHOSTDOWN
	if got := round(4); got != "a3 c3" {
		t.Errorf("nobody answers: heard %s", got)
	}
}

// answering is a class of three objects, some of which do not report.
type answering struct {
	nothing
	version int
	errs    map[string]error
}

func (c *answering) At(s Seen) Object {
	if s.Path == "" {
		return c
	}
	return answer{c, s.Path}
}

func (c *answering) Stat(bool) (Attr, error)        { return Attr{}, nil }
func (c *answering) Find(name string) (Seen, error) { return Seen{Ref: Ref{Path: name}}, nil }
func (c *answering) List() ([]Entry, error) {
	return []Entry{{Name: "a"}, {Name: "b"}, {Name: "c"}}, nil
}

type answer struct {
	*answering
	name string
}

func (a answer) Report() ([]Fact, error) { return []Fact{{"version", a.version}}, a.errs[a.name] }
