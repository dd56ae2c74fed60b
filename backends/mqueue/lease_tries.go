package mqueue

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// How often a message was tried that went back to its queue is in the ledger, too. What is remembered of a
// message that is taken again stays there until the record of its lease tells it.

// returned is what a message that went back is known by: the kernel keeps no mark on it.
type returned struct {
	Prio uint32
	Hash [16]byte
}

// attempts are how often a message was tried, and for whom that is remembered. Those of no message are none.
type attempts struct {
	Queue string
	Ino   uint64 // of the queue
	Key   returned
	Tries int
	Uid   uint32

	number uint64 // of the record: the lease by which the message went back
	at     backends.Record
}

// Lasts goes on with what an earlier process left in the ledger. It is to be called before Recover.
func (l *Leases) Lasts(left []backends.Left) {
	slices.SortFunc(left, func(a, b backends.Left) int { return int(a.Number) - int(b.Number) })
	for _, one := range left {
		a := attempts{number: one.Number, at: one.Record}
		if json.Unmarshal(one.Data, &a) != nil {
			l.Ledger.Drop(&a.at)
			continue
		}
		l.Tries.Add(a.Uid, 1)
		l.put(a)
	}
}

// lastsIn forgets tries in queues that are gone, which others may have been made in place of, but for those
// that an earlier process had open.
func (l *Leases) lastsIn(q *Queues) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for queue, known := range l.failed {
		a, err := q.Find(queue)
		if err != nil && err != unix.ENOENT {
			continue
		}
		for key, list := range known {
			known[key] = slices.DeleteFunc(list, func(one attempts) bool {
				gone := one.Ino != a.Ino && q.left[one.Ino] == nil
				if gone {
					l.forget(one)
				}
				return gone
			})
			if len(known[key]) == 0 {
				delete(known, key)
			}
		}
		if len(known) == 0 {
			delete(l.failed, queue)
		}
	}
}

// forget has nobody pay for tries, of which the ledger has no more.
func (l *Leases) forget(a attempts) {
	l.Tries.Give(a.Uid, 1)
	l.Ledger.Drop(&a.at)
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

// noTries is noted at a desk of a message of which no tries are remembered: no lease has that number.
const noTries = 1

// tried is how often a message that comes from a queue went back to it, which is forgotten when the record of
// its lease tells it. Which tries those are is noted at d: others may be remembered of the same bytes.
func (l *Leases) tried(one *Lease, d *backends.Desk) int {
	l.back.Lock() // it may be this one that comes back
	l.mu.Lock()
	some := len(l.failed[one.queue]) > 0
	l.mu.Unlock()
	l.back.Unlock()
	if some {
		key := keyOf(one) // which takes a while, and others need not wait for it
		l.mu.Lock()
		one.before = l.takeTries(one.queue, key, d.File())
		l.mu.Unlock()
	}
	d.By(cmp.Or(one.before.number, noTries))
	return one.before.Tries
}

// takeTries takes the tries of this number out of those remembered; 0: the first ones. The caller holds l.mu.
func (l *Leases) takeTries(queue string, key returned, number uint64) (a attempts) {
	messages := l.failed[queue]
	known := messages[key]
	at := slices.IndexFunc(known, func(a attempts) bool { return number == 0 || a.number == number })
	if at < 0 {
		return a
	}
	a = known[at]
	if at == 0 {
		messages[key] = known[1:] // there may be many
	} else {
		messages[key] = slices.Delete(known, at, at+1)
	}
	if len(known) == 1 {
		delete(messages, key)
	}
	if len(messages) == 0 {
		delete(l.failed, queue)
	}
	l.Tries.Give(a.Uid, 1)
	return a
}

// told drops what the ledger has of earlier tries: it stands elsewhere, or nobody is to ask.
func (one *Lease) told() {
	one.all.Ledger.Drop(&one.before.at)
	one.before = attempts{}
}

// remember keeps how often a message was tried that is back in the queue of this inode, and notes at d that
// it does. One that could not be recorded was not tried.
func (l *Leases) remember(one *Lease, ino uint64, key returned, d *backends.Desk) {
	a := one.before
	one.before = attempts{}
	if one.recorded {
		a = attempts{Queue: one.queue, Ino: ino, Key: key, Tries: one.Tries, Uid: one.uid}
		a.number, _ = strconv.ParseUint(one.file, 10, 64) // of an earlier version's there is none
	}
	if a.Tries == 0 || l.Tries.Take(a.Uid, 1) != nil {
		l.Ledger.Drop(&a.at)
		return
	}
	if one.recorded && a.number != 0 {
		text, _ := json.Marshal(&a)
		l.Ledger.Put(&a.at, backends.TriesRecord, a.number, text)
	}
	backends.Point("remembering")
	d.Answers(remembered)
	backends.Point("remembered")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(a)
}

// remembered is the answer at a desk whose lease is back with its tries. Others may have taken it since.
const remembered = 1

// remembers reports whether an earlier process has remembered the tries of a lease that is back.
func (l *Leases) remembers(one *Lease, key returned) bool {
	return slices.ContainsFunc(l.failed[one.queue][key], func(a attempts) bool {
		return strconv.FormatUint(a.number, 10) == one.file
	})
}
