package mount

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// tally counts what is done with the message faces of each class.
type tally struct {
	mu      sync.Mutex
	classes map[string]*classTally
}

type classTally struct{ reads, writes opTally }

// opTally counts the calls of one kind.
type opTally struct {
	count, errors, bytes atomic.Int64
	waited, waitedFor    atomic.Int64                  // calls that had to wait, and how long, in ns
	took                 [len(bounds) + 1]atomic.Int64 // calls that had not, by how long the daemon had them
	sum                  atomic.Int64                  // of that, in ns
	untimed              int64                         // calls since the last that was timed; the leader's alone
}

// To look at the clock twice takes a thirtieth of what a message takes (docs/performance.md). So of the calls that
// do not wait the first timedAll are timed, and then one in timedOne, which stands for those since the last.
const (
	timedAll = 1000
	timedOne = 16
)

// begin is when a call began that comes now, zero if it is not to be timed. Whoever leads calls it.
func (o *openFile) begin(of *opTally) time.Time {
	if of.untimed < timedOne-1 && of.count.Load() >= timedAll && !o.gate.s.tree.Trace().On() {
		return time.Time{}
	}
	return time.Now()
}

// quick counts a call that did not wait. Whoever leads calls it.
func (t *opTally) quick(began time.Time) (took time.Duration) {
	if began.IsZero() {
		t.untimed++
		return 0
	}
	took = time.Since(began)
	at := 0
	for at < len(bounds) && took > bounds[at].most {
		at++
	}
	t.took[at].Add(1 + t.untimed)
	t.sum.Add(int64(took) * (1 + t.untimed))
	t.untimed = 0
	return took
}

// bounds are the upper bounds of took; the last is for all that is longer.
var bounds = [...]struct {
	most time.Duration
	name string
}{
	{10 * time.Microsecond, "le_10us"}, {30 * time.Microsecond, "le_30us"}, {100 * time.Microsecond, "le_100us"},
	{time.Millisecond, "le_1ms"}, {10 * time.Millisecond, "le_10ms"}, {100 * time.Millisecond, "le_100ms"},
}

func (t *tally) of(class string) *classTally {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.classes[class]
	if c == nil {
		if t.classes == nil {
			t.classes = map[string]*classTally{}
		}
		c = &classTally{}
		t.classes[class] = c
	}
	return c
}

// did counts a READ or WRITE whose answer is known, and tells those who trace: before it is answered, as its
// process may be gone after that, and its name with it. began is when it came (see begin), waited whether it was
// parked.
func (o *openFile) did(in *fuse.InHeader, bytes int, err error, began time.Time, waited bool) {
	of := &o.tally.reads
	if in.Opcode == opWrite {
		of = &o.tally.writes
	}
	of.count.Add(1)
	of.bytes.Add(int64(bytes))
	if err != nil {
		of.errors.Add(1)
	}
	var took time.Duration
	if waited {
		took = time.Since(began)
		of.waited.Add(1)
		of.waitedFor.Add(int64(took))
	} else {
		took = of.quick(began)
	}
	trace := o.gate.s.tree.Trace()
	if trace.On() && o.class != fs.NoClass {
		if began.IsZero() { // somebody reads the trace only since
			began = time.Now()
		}
		path, _ := o.file.Of()
		result := "ok"
		if err != nil {
			result = unix.ErrnoName(nodes.Errno(err))
		}
		trace.Tell(nodes.Done{By: nodes.Caller{Uid: in.Uid, Gid: in.Gid, Pid: int(in.Pid)},
			Op: opNames[in.Opcode], Path: path,
			Bytes: bytes, Result: result, At: began, Took: took, Waited: waited})
	}
}

// Operations are the lines of /ctl/operations.
func (s *Session) Operations() (rows nodes.Rows) {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	var names []string
	for name := range s.tally.classes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := s.tally.classes[name]
		rows = append(rows, c.reads.facts(name, "read"), c.writes.facts(name, "write"))
	}
	return rows
}

func (t *opTally) facts(class, op string) []nodes.Fact {
	facts := []nodes.Fact{
		{Key: "class", Value: nodes.Literal(class)}, {Key: "op", Value: nodes.Literal(op)},
		{Key: "count", Value: t.count.Load()}, {Key: "errors", Value: t.errors.Load()},
		{Key: "bytes", Value: t.bytes.Load()},
		{Key: "waited", Value: t.waited.Load()}, {Key: "waited_ms", Value: t.waitedFor.Load() / 1e6},
		{Key: "us", Value: t.sum.Load() / 1e3},
	}
	for i, b := range bounds {
		facts = append(facts, nodes.Fact{Key: b.name, Value: t.took[i].Load()})
	}
	return append(facts, nodes.Fact{Key: "longer", Value: t.took[len(bounds)].Load()})
}

// moved is how many bytes a parked request has read or written, given its answer.
func moved(op operation, n int) int {
	if w, ok := op.(*writing); ok {
		return w.done
	}
	return n
}

// waited counts a parked READ or WRITE whose answer is known.
func (p *parked) waited(n int, err error) {
	var o *openFile
	switch op := p.op.(type) {
	case *reading:
		o = op.o
	case *writing:
		o = op.o
	default:
		return
	}
	o.did(&p.in, moved(p.op, n), err, p.since, true)
}
