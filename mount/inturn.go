package mount

import (
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
)

// inTurn is what an answer waits for that is ready before its thread's turn.
type inTurn struct {
	poll *backends.Poller

	mu    sync.Mutex
	given bool
	wake  func()
}

// give gives the turn to the thread that the answer is for.
func (i *inTurn) give() {
	i.mu.Lock()
	i.given = true
	wake := i.wake
	i.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// Ready is Waiter.Ready.
func (i *inTurn) Ready() backends.Ready {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.given {
		return backends.In
	}
	return 0
}

// Arm is Waiter.Arm.
func (i *inTurn) Arm(_ backends.Ready, wake func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.given {
		i.poll.Soon(wake)
		return
	}
	i.wake = wake
}

// come begins a LOOKUP that is answered before its turn.
func (t *turns) come(req []byte) *lookup {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &lookup{req: req, far: true}
	if l := t.lines[spot{as[fuse.InHeader](req).NodeId, string(nameOf(req))}]; l != nil {
		w.known = l.known
		if g := l.turn; g != nil && g.pid == as[fuse.InHeader](req).Pid {
			g.asks = true
			if len(l.waiting) > 0 {
				t.await(l, t.left(g, time.Now()))
			}
		}
	}
	return w
}

// hold parks the answer of a LOOKUP, by the name of the face that was found, if it is another thread's turn,
// and reports whether it did.
func (t *turns) hold(w *lookup, name string, answer *inTurn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, left, waits := t.waits(as[fuse.InHeader](w.req), name)
	if waits {
		w.line, w.answer = l, answer
		t.wait(w, left)
	}
	return waits
}

// went is called when a LOOKUP that next has given is answered, or waits for that elsewhere. It reports
// whether it was interrupted meanwhile, by when it may not have waited yet.
func (t *turns) went(w *lookup) (interrupted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.going, as[fuse.InHeader](w.req).Unique)
	return w.ended
}
