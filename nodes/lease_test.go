package nodes

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
)

// lending is a queue that lends, of which somebody else takes all messages when one was refused so many
// times.
type lending struct {
	mq
	refuses int
	gone    error         // there is no record of what another process has lent
	done    chan struct{} // nil, or what Done of a message waits for
}

func (*lending) EndReaders() {}
func (*lending) Ends() int64 { return 0 }

func (q *lending) Lease(_ QueueEnd, _ uint32, buf []byte) (Lease, error) {
	n, m, err := q.TryRead(buf)
	if err != nil {
		return nil, err
	}
	return &lent{q, stored{string(buf[:n]), m}}, nil
}

// resume gives the message that another process has lent.
func (q *lending) resume(QueueEnd, string) (Lease, error) {
	return &lent{q, stored{data: "job"}}, q.gone
}

// open opens its lease.
func (q *lending) open() *lease {
	name := func(Lease) string { return "1" }
	return &lease{q: queue{Queues: &Queues{store: QueueStore{Leases: q, LeaseName: name, ResumeLease: q.resume}}}}
}

// lent is a message that it has lent.
type lent struct {
	q *lending
	stored
}

func (l *lent) Message() ([]byte, backends.Meta) { return []byte(l.data), l.meta }
func (*lent) Spent() bool                        { return false }
func (*lent) Record() error                      { return nil }

func (l *lent) Done() error {
	if l.q.done != nil {
		<-l.q.done
	}
	return nil
}

func (l *lent) Return() error {
	err := l.q.TryReturn([]byte(l.data), l.meta)
	if l.q.refuses--; err != nil && l.q.refuses == 0 {
		l.q.msgs = nil
	}
	return err
}

// TestLeaseOwed: a worker who reads on does not wait for ever for the message that a nack found no room for,
// when others take what was in the way just before the worker does.
func TestLeaseOwed(t *testing.T) {
	q := &lending{mq: mq{port: port{unit: 8, maxmsg: 1, msgs: []stored{{data: "job"}}}}}
	l := q.open()
	next := func() {
		t.Helper()
		if msg, err := l.Next(q, make([]byte, 8), 8); string(msg) != "job\n" || err != nil {
			t.Fatalf("%q, %v", msg, err)
		}
	}
	next()
	q.msgs = []stored{{data: "other"}}
	if _, err := l.Put(q, []byte("nack")); err != backends.ErrWouldBlock {
		t.Fatal(err)
	}
	q.refuses = 2 // once as the worker reads on, and once more before it takes
	next()
	if len(l.owed) > 0 || len(q.msgs) > 0 {
		t.Errorf("%d messages are owed, and the queue has %q", len(l.owed), q.texts())
	}
}

// TestLeaseReady: a lease can be written to while a message is out, however full the queue is, but for one that is
// to go back.
func TestLeaseReady(t *testing.T) {
	q := &lending{mq: mq{port: port{unit: 8, maxmsg: 1, msgs: []stored{{data: "job"}}}}}
	l := &queueFace{wrapped: wrapped{q.open()}}
	is := func(when string, want backends.Ready) {
		t.Helper()
		if got := l.Holds(q); got != want {
			t.Errorf("%s: %#x, want %#x", when, got, want)
		}
	}
	take := func() {
		t.Helper()
		if _, err := l.Next(q, make([]byte, 8), 8); err != nil {
			t.Fatal(err)
		}
	}
	is("nothing is out", 0)
	take()
	q.msgs = []stored{{data: "other"}}
	is("a message is out", backends.Out)
	if _, err := l.Put(q, []byte("ack")); err != nil {
		t.Fatal(err)
	}
	is("it is done", 0)
	take()
	q.msgs = []stored{{data: "third"}}
	if _, err := l.Put(q, []byte("nack")); err != backends.ErrWouldBlock {
		t.Fatal(err)
	}
	is("one is to go back", 0)
}

// TestLeaseRefusedKept: a message for which a nack found no room is not done because the worker of the daemon
// is another one when its reader reads on.
func TestLeaseRefusedKept(t *testing.T) {
	q := &lending{mq: mq{port: port{unit: 8, maxmsg: 1, msgs: []stored{{data: "job"}}}}}
	l := q.open()
	if _, err := l.Next(q, make([]byte, 8), 8); err != nil {
		t.Fatal(err)
	}
	q.msgs = []stored{{data: "other"}}
	if _, err := l.Put(q, []byte("nack")); err != backends.ErrWouldBlock {
		t.Fatal(err)
	}
	var k, same Kept
	l.keep(q, &k)
	if err := Decode(Encode(k.Code), same.Code); err != nil {
		t.Fatal(err)
	}
	l = q.open()
	l.resume(q, &same)
	if _, err := l.Next(q, make([]byte, 8), 8); err != nil {
		t.Fatal(err)
	}
	if got := q.texts(); len(got) != 1 || got[0] != "job" {
		t.Errorf("the queue has %q", got)
	}
}

// TestLeaseEnded: a worker has acknowledged a message, or given it back, and its daemon was killed before it
// could answer. The next one does so, also if one in between was killed as well.
func TestLeaseEnded(t *testing.T) {
	for _, word := range []string{"ack\n", "nack\n"} {
		q := &lending{mq: mq{port: port{unit: 8, maxmsg: 1}}, gone: syscall.ENOENT}
		kept := Kept{Lease: "1"}
		var l *lease
		for range 2 {
			l = q.open()
			l.resume(q, &kept)
			kept = Kept{}
			l.keep(q, &kept)
		}
		if n, err := l.Put(q, []byte(word)); n != len(word) || err != nil {
			t.Errorf("%q: %d, %v", word, n, err)
		}
		if l.keep(q, &kept); kept.Lease != "" {
			t.Errorf("%q: it keeps lease %q", word, kept.Lease)
		}
		if _, err := l.Put(q, []byte(word)); Errno(err) != syscall.ENOMSG {
			t.Errorf("%q once more: %v", word, err)
		}
	}
}

// TestLeaseNotResumed: of a message whose record cannot be read just now nobody is told that it is done.
func TestLeaseNotResumed(t *testing.T) {
	q := &lending{mq: mq{port: port{unit: 8, maxmsg: 1}}, gone: syscall.EMFILE}
	l := q.open()
	l.resume(q, &Kept{Lease: "1"})
	if _, err := l.Put(q, []byte("ack\n")); Errno(err) != syscall.ENOMSG {
		t.Errorf("ack: %v", err)
	}
}

// TestLeaseReadMeanwhile: what is read while a worker acknowledges the message is written down, as is that
// the message is still out.
func TestLeaseReadMeanwhile(t *testing.T) {
	poll, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer poll.Close()
	work := backends.NewWorkers(poll, 1, 1)
	defer work.Close()
	fd := ledgerfd.New(t)
	ledger, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	ledger.Each(nil)
	done := make(chan struct{})
	q := &lending{mq: mq{port: port{unit: 8, maxmsg: 1, msgs: []stored{{data: "job"}}}}, done: done}
	f := NewFile(q.open(), q, InOrder)
	f.Lasts(ledger, 1, backends.Record{})
	f.Aside(work, 0, backends.In|backends.Out)
	settled := func(call func() (int, error), want int) {
		t.Helper()
		n, err := call()
		for ; err == backends.ErrUnsettled; n, err = call() {
			woken := make(chan struct{})
			f.For().Arm(backends.In, func() { close(woken) })
			<-woken
		}
		if n != want || err != nil {
			t.Fatalf("%d, %v, want %d", n, err, want)
		}
		f.Save(nil)
	}
	buf := make([]byte, 8)
	settled(func() (int, error) { return f.Read(buf, 2, 0) }, 2)
	if _, err := f.Write([]byte("ack\n")); err != backends.ErrUnsettled {
		t.Fatal(err)
	}
	if n, err := f.Read(buf, 1, 0); n != 1 || err != nil || buf[0] != 'b' {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	f.Save(nil)
	next, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	var k Kept
	next.Each(func(_ uint32, _ uint64, data []byte, _ backends.Record) { err = Decode(data, k.Code) })
	if err != nil || k.At != 3 || k.Lease != "1" {
		t.Errorf("read up to %d, out is %q, %v", k.At, k.Lease, err)
	}
	close(done)
	settled(func() (int, error) { return f.Write([]byte("ack\n")) }, 4)
}

// TestLeaseNackGivenUp: a message is not done as its worker reads on who gave up a nack before anything was done
// of it, as all that the user may have done at a time was under way; nor if the daemon is another one by then.
func TestLeaseNackGivenUp(t *testing.T) {
	poll, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer poll.Close()
	work := backends.NewWorkers(poll, 1, 1)
	defer work.Close()
	q := &lending{mq: mq{port: port{unit: 8, maxmsg: 1, msgs: []stored{{data: "job"}}}}}
	fd := ledgerfd.New(t)
	ledger, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	ledger.Each(nil)
	f := NewFile(&queueFace{wrapped: wrapped{q.open()}}, q, InOrder)
	f.Lasts(ledger, 1, backends.Record{})
	f.Aside(work, 0, backends.In|backends.Out)
	gets := func() {
		t.Helper()
		buf := make([]byte, 8)
		n, err := f.Read(buf, 8, 0)
		for ; err == backends.ErrUnsettled; n, err = f.Read(buf, 8, 0) {
			woken := make(chan struct{})
			f.For().Arm(backends.In, func() { close(woken) })
			<-woken
		}
		if string(buf[:n]) != "job\n" || err != nil {
			t.Fatalf("%q, %v", buf[:n], err)
		}
	}
	gets()
	free := make(chan struct{})
	work.Go(0, func(context.Context) { <-free })
	if _, err := f.Write([]byte("nack\n")); err != backends.ErrUnsettled {
		t.Fatal(err)
	}
	if !f.Keep().Refused {
		t.Error("another process is not told of it")
	}
	if !f.Stop(backends.Out) {
		t.Error("it is too late")
	}
	if len(q.msgs) > 0 {
		t.Errorf("the queue has %q", q.texts())
	}
	close(free)
	gets()
}

// TestLeaseClosedSlowly: a message that is done as its worker reads on behind others is acknowledged when the
// file is closed, and who closes it waits for no disk and no server.
func TestLeaseClosedSlowly(t *testing.T) {
	poll, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer poll.Close()
	work := backends.NewWorkers(poll, 1, 1)
	defer work.Close()
	done := make(chan struct{})
	q := &lending{mq: mq{port: port{unit: 8, maxmsg: 1, msgs: []stored{{data: "job"}}}}, done: done}
	f := NewFile(&queueFace{wrapped: wrapped{q.open()}}, q, InOrder)
	f.Aside(work, 0, backends.In|backends.Out)
	wait := func(err error) error {
		if err == backends.ErrUnsettled {
			woken := make(chan struct{})
			f.For().Arm(backends.In, func() { close(woken) })
			<-woken
		}
		return err
	}
	buf := make([]byte, 8)
	for {
		if _, err := f.Read(buf, 8, 0); wait(err) == nil {
			break
		}
	}
	if _, err := f.Rest(buf, 8, 4); err != backends.ErrWouldBlock {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- f.Finish() }()
	select {
	case err := <-closed:
		if err != backends.ErrUnsettled {
			t.Fatal("closed before it was acknowledged:", err)
		}
	case <-time.After(10 * time.Second):
		close(done)
		t.Fatal("the close waits")
	}
	close(done)
	for wait(f.Finish()) != nil {
	}
	if f.Left() || len(q.msgs) > 0 {
		t.Errorf("left: %v, and %q is in the queue", f.Left(), q.texts())
	}
}
