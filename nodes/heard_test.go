package nodes

import "testing"

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
