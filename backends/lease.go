package backends

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// Leases are the messages that were taken from queues and are not done yet. Each is written to a file before it is handed out, so that
// one whose worker or whose daemon dies can go back to its queue. Safe for concurrent use.
type Leases struct {
	dir  string
	seed maphash.Seed

	mu     sync.Mutex
	out    map[string]int      // by queue: how many are handed out
	failed map[returned][]int  // messages that went back to their queue, and how often they were tried
	queues map[string]struct{} // whose directory was made
	last   int64
}

// returned is what a message that went back is known by: the kernel keeps no mark on it.
type returned struct {
	queue string
	prio  uint32
	hash  uint64
}

// Lease is one message that was handed out.
type Lease struct {
	Meta  Meta
	Tries int // how often it was handed out, this time included
	Data  []byte

	all      *Leases
	queue    string
	file     string
	recorded bool
}

// maxReturned bounds what is remembered of messages that went back; beyond it tries are counted anew.
const maxReturned = 1 << 14

// OpenLeases keeps leases in dir.
func OpenLeases(dir string) *Leases {
	return &Leases{
		dir: dir, seed: maphash.MakeSeed(), out: map[string]int{}, failed: map[returned][]int{}, queues: map[string]struct{}{},
		last: time.Now().UnixNano(),
	}
}

// Take makes a lease of a message that was received from a queue. It is to be recorded before it is handed out.
func (l *Leases) Take(queue string, m Meta, data []byte) *Lease {
	one := &Lease{Meta: m, Tries: 1, Data: bytes.Clone(data), all: l, queue: queue}
	key := l.key(one)
	l.mu.Lock()
	if known := l.failed[key]; len(known) > 0 {
		one.Tries = known[0] + 1
		if l.failed[key] = known[1:]; len(known) == 1 {
			delete(l.failed, key)
		}
	}
	l.last++
	one.file = filepath.Join(l.dir, queue, strconv.FormatInt(l.last, 10))
	l.out[queue]++
	l.mu.Unlock()
	return one
}

// Record writes the lease to its file. If that fails, the message must not be handed out; it can be tried again.
func (one *Lease) Record() error {
	if err := one.all.directory(one.queue); err != nil {
		return err
	}
	record := fmt.Appendf(nil, "prio=%d tries=%d\n", one.Meta.Prio, one.Tries)
	err := os.WriteFile(one.file, append(record, one.Data...), 0600)
	one.recorded = err == nil
	return err
}

// Recorded reports whether the lease was recorded, and so may have been handed out.
func (one *Lease) Recorded() bool { return one.recorded }

// directory makes that of a queue's leases, once.
func (l *Leases) directory(queue string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, made := l.queues[queue]; made {
		return nil
	}
	if err := os.Mkdir(filepath.Join(l.dir, queue), 0700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	l.queues[queue] = struct{}{}
	return nil
}

func (l *Leases) key(one *Lease) returned {
	return returned{one.queue, one.Meta.Prio, maphash.Bytes(l.seed, one.Data)}
}

// Queue is the name of the queue the message is from.
func (one *Lease) Queue() string { return one.queue }

// Done forgets the lease: the work was done.
func (one *Lease) Done() error {
	one.all.mu.Lock()
	if one.all.out[one.queue]--; one.all.out[one.queue] == 0 {
		delete(one.all.out, one.queue)
	}
	one.all.mu.Unlock()
	if err := os.Remove(one.file); one.recorded || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Return puts the message back at its old priority, behind those of that priority which are there: the kernel has no other place for
// it. ErrWouldBlock if the queue is full.
func (one *Lease) Return(to Port) error {
	if _, err := to.TryWrite(one.Data, one.Meta); err != nil {
		return err
	}
	one.all.tried(one)
	return one.Done()
}

// tried remembers how often a message was tried that goes back to its queue. One that could not be recorded was not.
func (l *Leases) tried(one *Lease) {
	tries := one.Tries
	if !one.recorded {
		tries--
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if key := l.key(one); tries > 0 && len(l.failed) < maxReturned {
		l.failed[key] = append(l.failed[key], tries)
	}
}

// Out is how many messages of a queue are handed out.
func (l *Leases) Out(queue string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out[queue]
}

// Recover puts back what a daemon that died had handed out, and reports how many messages. Those whose queue is full or gone stay
// where they are for the next time; the error names them.
func (l *Leases) Recover(q *Queues) (int, error) {
	files, err := filepath.Glob(filepath.Join(escapeGlob(l.dir), "*", "*"))
	if err != nil {
		return 0, err
	}
	back := 0
	var failed []error
	for _, file := range files {
		queue := filepath.Base(filepath.Dir(file))
		if err := l.recover(q, queue, file); err != nil {
			failed = append(failed, fmt.Errorf("lease %s of queue %s: %w", file, queue, err))
			continue
		}
		back++
	}
	return back, errors.Join(failed...)
}

func (l *Leases) recover(q *Queues, queue, file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	header, data, _ := bytes.Cut(b, []byte("\n"))
	one := &Lease{Data: data, all: l, queue: queue, file: file, recorded: true}
	if _, err := fmt.Sscanf(string(header), "prio=%d tries=%d", &one.Meta.Prio, &one.Tries); err != nil {
		return fmt.Errorf("%q: %w", header, err)
	}
	to, err := q.OpenBriefly(queue, os.O_RDWR)
	if err != nil {
		return err
	}
	defer to.Close()
	l.mu.Lock()
	l.out[queue]++
	l.mu.Unlock()
	if err := one.Return(to); err != nil {
		l.mu.Lock()
		l.out[queue]--
		l.mu.Unlock()
		return err
	}
	return nil
}

func escapeGlob(s string) string {
	var b []byte
	for i := range len(s) {
		if bytes.IndexByte([]byte(`*?[\`), s[i]) >= 0 {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return string(b)
}
