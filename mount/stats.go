package mount

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// stats counts what is done with the message faces of each class.
type stats struct {
	trace   *nodes.Trace
	ledger  *backends.Ledger
	mu      sync.Mutex
	classes map[string]*classStats
}

type classStats struct {
	class         string // "ctl" for what is no object's
	reads, writes callStats
	trace         *nodes.Trace
	record        backends.Record // where it lies
}

// callStats counts the calls of one kind.
type callStats struct {
	*calls
	untimed int64 // calls since the last that was timed; the leader's alone
}

// calls are the numbers of a callStats. In a ledger they outlive the process.
type calls struct {
	count  atomic.Int64
	bytes  atomic.Int64
	errnos [maxErrno]atomic.Int64 // calls that failed; the first: with an errno beyond
	took   histogram              // calls that had not to wait: how long the daemon had them
	waited histogram              // those that had: how long they waited
}

// callNumbers is how many numbers they are.
const callNumbers = int(unsafe.Sizeof(calls{}) / 8)

// begin has it go on from what an earlier process counted.
func (t *stats) begin(l *backends.Ledger, left []backends.Left) {
	t.ledger = l
	for i := range left {
		one := &left[i]
		if len(one.Data) < 16*callNumbers { // another program's
			l.Drop(&one.Record)
			continue
		}
		t.class(one.CountsOf(2*callNumbers), one.Number, one.Record)
	}
}

// class begins to count for a class, from what is at r. The caller holds t.mu, or it is the start.
func (t *stats) class(name string, number uint64, r backends.Record) *classStats {
	if t.classes == nil {
		t.classes = map[string]*classStats{}
	}
	c := &classStats{class: name, trace: t.trace, record: r}
	n := t.ledger.Counts(&c.record, backends.CallCounts, number, 2*callNumbers, name)
	c.reads.calls = (*calls)(unsafe.Pointer(&n[0]))
	c.writes.calls = (*calls)(unsafe.Pointer(&n[callNumbers]))
	t.classes[name] = c
	return c
}

// To look at the clock twice takes a thirtieth of what a message takes (docs/performance.md). So of the calls
// that do not wait the first timedAll are timed, and then one in timedOne, which stands for those since the
// last.
const (
	timedAll = 1000
	timedOne = 16
)

// begin is when a call began that comes now, zero if it is not to be timed. Whoever leads calls it.
func (o *openFile) begin(of *callStats) time.Time {
	if of.untimed < timedOne-1 && of.count.Load() >= timedAll && !o.stats.trace.On() {
		return time.Time{}
	}
	return time.Now()
}

// quick counts a call that did not wait. Whoever leads calls it.
func (t *callStats) quick(began time.Time) (took time.Duration) {
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

func (t *stats) of(class string) *classStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.classes[class]; c != nil {
		return c
	}
	number := uint64(0)
	if t.ledger != nil {
		number = t.ledger.Number()
	}
	return t.class(class, number, backends.Record{})
}

// did counts a READ or WRITE that did not wait and whose answer is known, and tells those who trace: before
// it is answered, as its process may be gone after that, and its name with it. answer is room for that, and
// began is when it came (see begin).
func (o *openFile) did(in *fuse.InHeader, bytes int, err error, answer []byte, began time.Time) {
	took := time.Duration(0)
	if o.tells(in, answer) {
		took = o.counted(in, bytes, err).quick(began)
	}
	if o.traced() {
		o.trace(in, bytes, err, nodes.Traced{At: began, Took: took})
	}
}

// tells reports, once, whether a request is to be counted that may have been worked on at the desk of its
// answer.
func (o *openFile) tells(in *fuse.InHeader, answer []byte) bool {
	d := o.gate.s.ledger.DeskOf(answer)
	return d.Unique() != fs.RequestOf(in.Unique) || d.Tells()
}

// countAgain counts a READ or WRITE whose answer an earlier process left, unless that did. How long it took
// nobody knows.
func (o *openFile) countAgain(in *fuse.InHeader, answer []byte) {
	if !o.tells(in, answer) {
		return
	}
	n, err := len(answer)-headerSize, error(nil)
	if status := as[fuse.OutHeader](answer).Status; status != 0 {
		n, err = 0, syscall.Errno(-status)
	} else if in.Opcode == opWrite {
		n = int(as[fuse.WriteOut](answer[headerSize:]).Size)
	}
	o.counted(in, n, err)
}

// counted counts a READ or WRITE whose answer is known, but for its time, which is for what it returns.
func (o *openFile) counted(in *fuse.InHeader, bytes int, err error) *callStats {
	of := &o.stats.reads
	if in.Opcode == opWrite {
		of = &o.stats.writes
	}
	of.count.Add(1)
	of.bytes.Add(int64(bytes))
	if err != nil {
		of.failed(nodes.Errno(err))
	}
	return of
}

// traced reports whether somebody hears of what is done with the file.
func (o *openFile) traced() bool { return o.stats.trace.On() && o.stats.class != fs.NoClass }

// trace tells those who trace of a READ or WRITE.
func (o *openFile) trace(in *fuse.InHeader, bytes int, err error, d nodes.Traced) {
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
	o.stats.trace.Tell(d)
}

// failed counts a call that failed.
func (t *callStats) failed(errno syscall.Errno) {
	if errno >= maxErrno {
		errno = 0
	}
	t.errnos[errno].Add(1)
}

// OpStats are what was done with the message faces, by class and call.
func (s *Session) OpStats() (list []nodes.OpStats) {
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.stats.classes)) {
		c := s.stats.classes[name]
		list = append(list, c.reads.read(name, "read"), c.writes.read(name, "write"))
	}
	return list
}

func (t *callStats) read(class, op string) nodes.OpStats {
	o := nodes.OpStats{
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
func (p *parked) waited(n int, err error, answer []byte) {
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
	if o.tells(&p.in, answer) {
		o.counted(&p.in, bytes, err).waited.add(waitBounds, took, 1)
	}
	if o.traced() {
		o.trace(&p.in, bytes, err, nodes.Traced{At: time.Now().Add(-took), Took: took, Waited: true})
	}
}
