package mqueue

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/ipcfs/ipcfs/backends"
)

// How often a message was tried that went back to its queue is in the ledger, too. What is remembered of a
// message that is taken again stays there until the record of its lease tells it.

// returned is what a message that went back is known by: the kernel keeps no mark on it.
type returned struct {
	Prio uint32
	Hash [16]byte
}

// attempts are how often a message was tried, and for whom that is remembered.
type attempts struct {
	Queue string
	Key   returned
	Tries int
	Uid   uint32

	at backends.Record
}

// Lasts goes on with what an earlier process left in the ledger. It is to be called before Recover.
func (l *Leases) Lasts(left []backends.Left) {
	slices.SortFunc(left, func(a, b backends.Left) int { return int(a.Number) - int(b.Number) })
	for _, one := range left {
		a := attempts{at: one.Record}
		if json.Unmarshal(one.Data, &a) != nil {
			l.Ledger.Drop(&a.at)
			continue
		}
		l.Tries.Add(a.Uid, 1)
		l.put(a)
		l.known[strconv.FormatUint(one.Number, 10)] = true
	}
}

// put remembers. The caller holds l.mu, or nobody else has l.
func (l *Leases) put(a attempts) {
	if l.failed[a.Queue] == nil {
		l.failed[a.Queue] = map[returned][]attempts{}
	}
	l.failed[a.Queue][a.Key] = append(l.failed[a.Queue][a.Key], a)
}

func keyOf(one *Lease) returned {
	sum := sha256.Sum256(one.Data)
	return returned{one.Meta.Prio, [16]byte(sum[:])}
}

// tried is how often a message that comes from a queue went back to it, which is forgotten. The caller
// holds l.mu.
func (l *Leases) tried(one *Lease) int {
	messages := l.failed[one.queue]
	if len(messages) == 0 {
		return 0
	}
	key := keyOf(one)
	known := messages[key]
	if len(known) == 0 {
		return 0
	}
	first := known[0]
	if messages[key] = known[1:]; len(known) == 1 {
		delete(messages, key)
	}
	if len(messages) == 0 {
		delete(l.failed, one.queue)
	}
	l.Tries.Give(first.Uid, 1)
	one.before = first.at
	return first.Tries
}

// told drops what the ledger has of earlier tries: it stands elsewhere, or nobody is to ask.
func (one *Lease) told() { one.all.Ledger.Drop(&one.before) }

// remember keeps how often a message was tried that goes back to its queue. One that could not be recorded
// was not.
func (l *Leases) remember(one *Lease, key returned) {
	defer one.told()
	a := attempts{Queue: one.queue, Key: key, Tries: one.Tries, Uid: one.uid}
	if !one.recorded {
		a.Tries--
	}
	if a.Tries == 0 || l.Tries.Take(one.uid, 1) != nil {
		return
	}
	if number, err := strconv.ParseUint(one.file, 10, 64); err == nil {
		text, _ := json.Marshal(&a)
		l.Ledger.Put(&a.at, backends.TriesRecord, number, text)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(a)
}
