package sysv

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync/atomic"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// left is what an earlier process left of a queue: how often its readers were ended, and what it held.
type left struct{ ends, held backends.Left }

// holding are the empty messages that has took, as the ledger has them.
type holding struct {
	Made  string // which queue of its id it is
	Types []int
}

// Lasts has it outlive this process how often readers were ended, and which messages were taken to look at
// them, and goes on from what an earlier one left, before any queue is opened.
func (s *Queues) Lasts(l *backends.Ledger, all func(kind uint32) []backends.Left) {
	s.ledger, s.left = l, map[int]*left{}
	of := func(number uint64) *left {
		id := int(number)
		if s.left[id] == nil {
			s.left[id] = &left{}
		}
		return s.left[id]
	}
	for _, one := range all(backends.EndsRecord) {
		of(one.Number).ends = one
	}
	for _, one := range all(backends.EmptyRecord) {
		of(one.Number).held = one
	}
}

// Resumed is called when all is open again that an earlier process had open: what it held of other queues
// goes back. What cannot be opened now is left for whoever opens it, or for the next process.
func (s *Queues) Resumed() {
	s.mu.Lock()
	left := maps.Clone(s.left)
	s.mu.Unlock()
	for id := range left {
		one, err := s.Open(id, Select{})
		if err == nil {
			_ = one.Close()
		}
		s.mu.Lock()
		if one := s.left[id]; one != nil && err == unix.ENOENT {
			s.ledger.Drop(&one.ends.Record)
			s.ledger.Drop(&one.held.Record)
			delete(s.left, id)
		}
		s.mu.Unlock()
	}
}

// goOn has a queue that is opened go on with what an earlier process left of it. The caller holds s.mu.
func (s *Queues) goOn(q *openQueue) {
	one := s.left[q.id]
	if one == nil {
		return
	}
	delete(s.left, q.id)
	q.ended, q.keeps = one.ends.Record, one.held.Record
	made := fmt.Sprint(q.made) // else it was another queue of this id
	if one.ends.CountsOf(1) == made {
		q.eofs.Store(q.endsIn().Load())
	} else {
		s.ledger.Drop(&q.ended)
	}
	var h holding
	if json.Unmarshal(one.held.Data, &h) == nil && h.Made == made {
		q.held = h.Types
	} else {
		s.ledger.Drop(&q.keeps)
	}
}

// holdNow has the queue hold these messages. The caller holds q.mu.
func (q *openQueue) holdNow(types []int) {
	q.held = types
	if len(types) == 0 {
		q.all.ledger.Drop(&q.keeps)
		return
	}
	text, _ := json.Marshal(holding{fmt.Sprint(q.made), types})
	q.all.ledger.Put(&q.keeps, backends.EmptyRecord, uint64(q.id), text)
}

// endsIn is where the ledger has how often the readers were ended. The caller holds q.mu, or nobody else has
// q.
func (q *openQueue) endsIn() *atomic.Int64 {
	return &q.all.ledger.Counts(&q.ended, backends.EndsRecord, uint64(q.id), 1, fmt.Sprint(q.made))[0]
}
