package nodes

import (
	"errors"

	"github.com/ipcfs/ipcfs/backends"
)

// Elsewhere is who asks about the objects of one place elsewhere. Each place has workers of its own: one that
// does not answer holds up nobody who asks for something else.
type Elsewhere struct {
	Work  *backends.Workers
	Texts *Texts // about its objects
}

// How many questions to one place are under way, and how many of one user.
const (
	maxElsewhere    = 64
	maxElsewhereUid = 16
)

// Elsewhere makes what asks about one more place. It is the Env's to close.
func (e *Env) Elsewhere() *Elsewhere {
	w := backends.NewWorkers(e.Poll, maxElsewhere, maxElsewhereUid)
	there := &Elsewhere{Work: w, Texts: newTexts(e.Poll, w)}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.places = append(e.places, there)
	return there
}

// Workers are all that there are.
func (e *Env) Workers() []*backends.Workers {
	list := []*backends.Workers{e.Work, e.Away, e.Late}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, there := range e.places {
		list = append(list, there.Work)
	}
	return list
}

// CloseWorkers ends all workers.
func (e *Env) CloseWorkers() (err error) {
	for _, w := range e.Workers() {
		err = errors.Join(err, w.Close())
	}
	return err
}
