package fs

import (
	"errors"
	"sync"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// opening are the OPEN requests that wait, by their number: a request that is tried again goes on where it was.
type opening struct {
	mu  sync.Mutex
	all map[uint64]*nodes.Wait
}

// errNotOpening says that a request is new.
var errNotOpening = errors.New("not waiting")

// try goes on with a request that waits.
func (o *opening) try(unique uint64) (nodes.Open, error) {
	o.mu.Lock()
	w := o.all[unique]
	delete(o.all, unique)
	o.mu.Unlock()
	if w == nil {
		return nil, errNotOpening
	}
	open, err := w.Try()
	if err == backends.ErrWouldBlock {
		return nil, w
	}
	if err != nil && w.Stop != nil {
		w.Stop()
	}
	return open, err
}

// keep keeps what an open has to wait for, if that is what err says. A request that cannot wait (0) gives up.
func (o *opening) keep(unique uint64, err error) error {
	var w *nodes.Wait
	if !errors.As(err, &w) {
		return err
	}
	if unique == 0 {
		if w.Stop != nil {
			w.Stop()
		}
		return syscall.EAGAIN
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all[unique] = w
	return syscall.EAGAIN
}

// OpenWaits tells when an OPEN that answered EAGAIN is worth trying again; nil if it is not. It waits until it is tried again with
// success or GiveUp is called.
func (t *Tree) OpenWaits(unique uint64) backends.Waiter {
	t.opening.mu.Lock()
	defer t.opening.mu.Unlock()
	if w := t.opening.all[unique]; w != nil {
		return w.For
	}
	return nil
}

// GiveUp ends the waiting of an OPEN, if it waits.
func (t *Tree) GiveUp(unique uint64) {
	t.opening.mu.Lock()
	w := t.opening.all[unique]
	delete(t.opening.all, unique)
	t.opening.mu.Unlock()
	if w != nil && w.Stop != nil {
		w.Stop()
	}
}
