package mount

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// tally counts what is done with the message faces of each class.
type tally struct {
	trace   *nodes.Trace
	mu      sync.Mutex
	classes map[string]*classTally
}

type classTally struct {
	reads, writes opTally
	trace         *nodes.Trace
}

// opTally counts the calls of one kind.
type opTally struct {
	count   atomic.Int64
	bytes   atomic.Int64
	untimed int64 // calls since the last that was timed; the leader's alone

	errnos [maxErrno]atomic.Int64 // calls that failed; the first: with an errno beyond
	took   histogram              // calls that had not to wait: how long the daemon had them
	waited histogram              // those that had: how long they waited
}

// To look at the clock twice takes a thirtieth of what a message takes (docs/performance.md). So of the calls
// that do not wait the first timedAll are timed, and then one in timedOne, which stands for those since the
// last.
const (
	timedAll = 1000
	timedOne = 16
)

// begin is when a call began that comes now, zero if it is not to be timed. Whoever leads calls it.
func (o *openFile) begin(of *opTally) time.Time {
	if of.untimed < timedOne-1 && of.count.Load() >= timedAll && !o.tally.trace.On() {
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
	t.took.add(tookBounds, took, 1+t.untimed)
	t.untimed = 0
	return took
}

// maxErrno is more than the errnos of Linux are (errno(3)).
const maxErrno = 134

// histogram counts times by their upper bounds; what is longer than all is in the place behind theirs.
type histogram struct {
	counts [maxBounds + 1]atomic.Int64
	sum    atomic.Int64 // ns
}

const maxBounds = 8

var (
	tookBounds = []time.Duration{
		10 * time.Microsecond, 30 * time.Microsecond, 100 * time.Microsecond,
		time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond,
	}
	waitBounds = []time.Duration{
		100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond,
		time.Second, 10 * time.Second, time.Minute, time.Hour,
	}
)

// add counts a time of so many calls. It makes no garbage and takes no lock: it is done for each message.
func (h *histogram) add(bounds []time.Duration, d time.Duration, calls int64) {
	at := 0
	for at < len(bounds) && d > bounds[at] {
		at++
	}
	h.counts[at].Add(calls)
	h.sum.Add(int64(d) * calls)
}

// read is what was counted.
func (h *histogram) read(bounds []time.Duration) nodes.Histogram {
	list := make([]int64, len(bounds)+1)
	for i := range list {
		list[i] = h.counts[i].Load()
	}
	return nodes.Histogram{Bounds: bounds, Counts: list, Sum: time.Duration(h.sum.Load())}
}

func (t *tally) of(class string) *classTally {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.classes[class]
	if c == nil {
		if t.classes == nil {
			t.classes = map[string]*classTally{}
		}
		c = &classTally{trace: t.trace}
		t.classes[class] = c
	}
	return c
}

// did counts a READ or WRITE that did not wait and whose answer is known, and tells those who trace: before it
// is answered, as its process may be gone after that, and its name with it. began is when it came (see begin).
func (o *openFile) did(in *fuse.InHeader, bytes int, err error, began time.Time) {
	took := o.counted(in, bytes, err).quick(began)
	if o.traced() {
		o.trace(in, bytes, err, nodes.Done{At: began, Took: took})
	}
}

// counted counts a READ or WRITE whose answer is known, but for its time, which is for what it returns.
func (o *openFile) counted(in *fuse.InHeader, bytes int, err error) *opTally {
	of := &o.tally.reads
	if in.Opcode == opWrite {
		of = &o.tally.writes
	}
	of.count.Add(1)
	of.bytes.Add(int64(bytes))
	if err != nil {
		of.failed(nodes.Errno(err))
	}
	return of
}

// traced reports whether somebody hears of what is done with the file.
func (o *openFile) traced() bool { return o.tally.trace.On() && o.class != fs.NoClass }

// trace tells those who trace of a READ or WRITE.
func (o *openFile) trace(in *fuse.InHeader, bytes int, err error, d nodes.Done) {
	d.By = nodes.Caller{Uid: in.Uid, Gid: in.Gid, Pid: int(in.Pid)}
	d.Op, d.Bytes, d.Result = opNames[in.Opcode], bytes, "ok"
	d.Path, _ = o.file.Of()
	d.Face = o.file.Name()
	if err != nil {
		d.Result = unix.ErrnoName(nodes.Errno(err))
	}
	if d.At.IsZero() { // somebody reads the trace only since
		d.At = time.Now()
	}
	o.tally.trace.Tell(d)
}

// failed counts a call that failed.
func (t *opTally) failed(errno syscall.Errno) {
	if errno >= maxErrno {
		errno = 0
	}
	t.errnos[errno].Add(1)
}

// Operations are what was done with the message faces, by class and call.
func (s *Session) Operations() (list []nodes.Operation) {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.tally.classes)) {
		c := s.tally.classes[name]
		list = append(list, c.reads.read(name, "read"), c.writes.read(name, "write"))
	}
	return list
}

func (t *opTally) read(class, op string) nodes.Operation {
	o := nodes.Operation{
		Class: class, Op: op, Count: t.count.Load(), Bytes: t.bytes.Load(), Errors: map[syscall.Errno]int64{},
		Took: t.took.read(tookBounds), Waited: t.waited.read(waitBounds),
	}
	for errno := range t.errnos {
		if n := t.errnos[errno].Load(); n > 0 {
			o.Errors[syscall.Errno(errno)] = n
		}
	}
	return o
}

// moved is how many bytes a parked request has read or written, given its answer.
func moved(op operation, n int) int {
	if w, ok := op.(*writing); ok {
		return w.done
	}
	return n
}

// waited is did of a parked READ or WRITE.
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
	bytes, took := moved(p.op, n), time.Duration(now()-p.since)
	o.counted(&p.in, bytes, err).waited.add(waitBounds, took, 1)
	if o.traced() {
		o.trace(&p.in, bytes, err, nodes.Done{At: time.Now().Add(-took), Took: took, Waited: true})
	}
}
