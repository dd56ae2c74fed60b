package backends

import (
	"sync"
	"sync/atomic"
)

// Trace tells those who subscribe what is done, line by line. While nobody subscribes, it costs one look at a
// number.
type Trace struct {
	poll  *Poller
	count atomic.Int32 // of subs

	mu   sync.Mutex
	subs map[*Events]traced
}

// traced is whose doings a subscriber is told of.
type traced struct {
	all bool
	uid uint32
}

// NewTrace makes a trace.
func NewTrace(p *Poller) *Trace { return &Trace{poll: p, subs: map[*Events]traced{}} }

// Subscribe opens an endpoint that reads the lines of one user, or of all, from now on.
func (t *Trace) Subscribe(all bool, uid uint32) *Events {
	e := &Events{poll: t.poll}
	e.leave = func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.subs, e)
		t.count.Store(int32(len(t.subs)))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subs[e] = traced{all, uid}
	t.count.Store(int32(len(t.subs)))
	return e
}

// On reports whether anybody subscribes.
func (t *Trace) On() bool { return t.count.Load() > 0 }

// Tell tells what a user did, in a line that line makes, if anybody is to know of it.
func (t *Trace) Tell(uid uint32, line func() string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := ""
	for e, of := range t.subs {
		if !of.all && of.uid != uid {
			continue
		}
		if text == "" {
			text = line()
		}
		e.add(text)
	}
}
