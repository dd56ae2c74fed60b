package nodes

import (
	"errors"

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
	// Known are the facts of its objects by their names, as they were heard last, for metrics. It does not
	// wait. nil: none are known.
	Known func() map[string][]Fact
}

// measure makes metrics of what is known. The way there is told of once.
func (e *Elsewhere) measure(out chan<- prometheus.Metric, prefix string, told map[*Elsewhere]bool) {
	if e.Facts != nil && !told[e] {
		measure(out, "ipcfs_attached_", []string{"attached"}, []string{e.Name}, e.Facts())
	}
	told[e] = true
	if e.Known == nil {
		return
	}
	for name, facts := range e.Known() {
		measure(out, prefix, []string{"name"}, []string{backends.Word(name)}, facts)
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
