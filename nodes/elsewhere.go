package nodes

import (
	"errors"
	"slices"
	"sync"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/prometheus/client_golang/prometheus"
)

// Elsewhere is who asks about the objects of one place elsewhere. Each place has workers of its own: one that
// does not answer holds up nobody who asks for something else.
type Elsewhere struct {
	Name  string
	Facts func() []Fact // about the way there, for metrics; nil: there are none
	Work  *backends.Workers
	Texts *Texts // about its objects

	mu    sync.Mutex
	kinds map[string]*heard
}

// places are those where some of the kinds are, each once.
func places(kinds []Kind) (list []*Elsewhere) {
	for _, k := range kinds {
		if k.Elsewhere != nil && !slices.Contains(list, k.Elsewhere) {
			list = append(list, k.Elsewhere)
		}
	}
	return list
}

// measure makes metrics of the way there.
func (e *Elsewhere) measure(out chan<- prometheus.Metric) {
	if e.Facts != nil {
		measure(out, "ipcfs_attached_", []string{"attached"}, []string{e.Name}, e.Facts())
	}
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
