package socket

import (
	"os"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/ledgerfd"
	"golang.org/x/sys/unix"
)

// fakeSafe keeps descriptors in this process.
type fakeSafe map[uint64]int

func (s fakeSafe) Keep(number uint64, fd int) {
	s.Drop(number, backends.CloseFirst)
	s[number], _ = unix.Dup(fd)
}

func (s fakeSafe) Drop(number uint64, _ backends.Closing) {
	if fd, ok := s[number]; ok {
		unix.Close(fd)
		delete(s, number)
	}
}

// Left are other descriptors of the same files, as another process gets them.
func (s fakeSafe) Left() map[uint64]int {
	left := map[uint64]int{}
	for n, fd := range s {
		left[n], _ = unix.Dup(fd)
	}
	return left
}

// leftSafe is what one process of several sees of it.
type leftSafe struct {
	fakeSafe
	left map[uint64]int
}

func (s leftSafe) Left() map[uint64]int { return s.left }

// daemon is one process of several that go on from one ledger.
type daemon struct {
	*Maker
	ledger *backends.Ledger
}

func begin(t *testing.T, p *backends.Poller, fd int, safe fakeSafe) daemon {
	t.Helper()
	l, err := backends.OpenLedger(fd)
	if err != nil {
		t.Fatal(err)
	}
	var left []backends.Left
	l.Each(func(kind uint32, number uint64, data []byte, r backends.Record) {
		left = append(left, backends.Left{Kind: kind, Number: number, Data: data, Record: r})
	})
	m := NewMaker(p, ReachNone)
	sees := leftSafe{safe, safe.Left()}
	m.Lasts(l, sees, func(kind uint32) (list []backends.Left) {
		for _, one := range left {
			if one.Kind == kind {
				list = append(list, one)
			}
		}
		return list
	})
	backends.DropLeft(sees)
	return daemon{m, l}
}

// newLedger makes a ledger that outlives the processes of a test, and a poller.
func newLedger(t *testing.T) (*backends.Poller, int) {
	t.Helper()
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	fd := ledgerfd.New(t)
	return p, fd
}

// TestGoesOn: what listens goes on in another process with the calls that wait, a call that was accepted for
// nobody is the next that is accepted, a connection that was dialled in a request is that of the request, one
// of an open file is that of its number. What nobody has ends, and nothing is left with the keeper.
func TestGoesOn(t *testing.T) {
	p, fd := newLedger(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	says := func(c *Conn, text string) {
		t.Helper()
		b := make([]byte, 64)
		if n, _, err := c.TryRead(b); err != nil || string(b[:n]) != text {
			t.Errorf("%q, %v, want %q", b[:n], err, text)
		}
	}
	write := func(c *Conn, text string) {
		t.Helper()
		_, err := c.TryWrite([]byte(text), backends.Meta{})
		must(err)
	}
	safe := fakeSafe{}
	me := backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600}
	at := Address{Type: unix.SOCK_STREAM, Path: t.TempDir() + "/s"}
	call := func(request, number uint64) Call {
		return Call{Who: me.Cred(), Pid: 7, Request: request, Number: number}
	}

	one := begin(t, p, fd, safe)
	l, err := one.Listen(at, me, 16)
	must(err)
	l.Lasts("key", "s")
	open := l.Dial(call(2, 0), true) // by an open file
	must(open.Connect())
	open.Lives()
	write(open, "first")
	asked := l.Dial(call(4, 0), true) // the answer of its open(2) is not there yet
	must(asked.Connect())
	nobodys := l.Dial(call(6, 0), true) // whose caller has gone
	must(nobodys.Connect())
	refused := l.Dial(call(8, 0), true) // whose caller asks again, and is refused
	must(refused.Connect())
	accepted, err := l.Accept(nil, nil)
	must(err)
	accepted.Lives()
	_, err = l.Accept(nil, nil) // for nobody
	must(err)
	if n := len(safe); n != 7 {
		t.Errorf("%d descriptors are kept", n)
	}

	two := begin(t, p, fd, safe)
	if l = two.ListenAgain("key", at, 16); l == nil {
		t.Fatal("nobody listens")
	}
	defer l.Close()
	again := l.Dial(call(0, open.State().Number), true)
	must(again.Connect())
	server, err := two.Accepted(call(0, accepted.State().Number))
	must(err)
	two.Resumed()
	two.Asked(4)
	if !two.Asked(8) || two.Asked(10) {
		t.Error("what was left is not known")
	}
	two.Settled()
	two.Over(8)
	says(server, "first")
	write(server, "answer")
	says(again, "answer")
	same := l.Dial(call(4, 0), true)
	must(same.Connect())
	write(same, "second")
	second, err := l.Accept(nil, nil)
	must(err)
	says(second, "second")
	third, err := l.Accept(nil, nil)
	must(err)
	says(third, "")
	fourth, err := l.Accept(nil, nil)
	must(err)
	says(fourth, "")
	must(fourth.Close())
	for _, c := range []*Conn{again, same} {
		must(c.Close())
	}
	for _, c := range []*Conn{server, second} {
		says(c, "")
		must(c.Close())
	}
	must(third.Close())
	must(l.Close())
	if len(safe) > 0 {
		t.Errorf("kept is %v", safe)
	}
}

// TestNobodyUsesAgain: a connection that another process was about to dial, and whose file is closed before
// anybody uses it here, ends, and leaves nothing with the keeper.
func TestNobodyUsesAgain(t *testing.T) {
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, kind := range []string{"host", "bound"} {
		fd := ledgerfd.New(t)
		safe := fakeSafe{}
		dial := func(s *Maker, c Call) *Conn {
			if kind == "bound" {
				return s.DialBound("sockets/x", c)
			}
			return s.Dial(Address{Type: unix.SOCK_STREAM, Host: "127.0.0.1", Port: 9}, c)
		}
		one := begin(t, p, fd, safe)
		conn := dial(one.Maker, Call{})
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		conn.held.keep(pair[0])
		conn.Lives()
		unix.Close(pair[0])
		again := dial(begin(t, p, fd, safe).Maker, Call{Number: conn.State().Number})
		if err := again.Close(); err != nil {
			t.Error(kind, err)
		}
		if len(safe) > 0 {
			t.Errorf("%s: kept is %v", kind, safe)
		}
		if n, _, err := unix.Recvfrom(pair[1], make([]byte, 1), unix.MSG_DONTWAIT); n != 0 || err != nil {
			t.Errorf("%s: the other end reads %d, %v", kind, n, err)
		}
		unix.Close(pair[1])
	}
}

// TestSinceAccepted: a connection begins when it is accepted, also where nothing outlives this process.
func TestSinceAccepted(t *testing.T) {
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	began := time.Now()
	me := backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600}
	l, err := NewMaker(p, ReachNone).Listen(Address{Type: unix.SOCK_STREAM, Path: t.TempDir() + "/s"}, me, 16)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := l.Dial(Call{Who: me.Cred()}, true)
	if err := client.Connect(); err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if since := server.Status().Since; since.Before(began) {
		t.Errorf("accepted at %v, before %v", since, began)
	}
}

// TestUnknownLeft: a descriptor that an earlier process had kept, and of which there is no record, is closed
// here and with the keeper: whoever is at the other end hears of the end.
func TestUnknownLeft(t *testing.T) {
	p, fd := newLedger(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	safe := fakeSafe{}
	safe.Keep(99, pair[0])
	unix.Close(pair[0])
	one := begin(t, p, fd, safe)
	if len(safe) > 0 || len(one.last.left) > 0 {
		t.Errorf("the keeper has %d, the process has %d", len(safe), len(one.last.left))
	}
	if n, err := unix.Read(pair[1], make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("the other end reads %d, %v", n, err)
	}
}

// TestAskedOnce: a process that ends when it has closed the connection of a reply, but has not said so, is
// followed by one that calls nobody until it is asked for more.
func TestAskedOnce(t *testing.T) {
	p, fd := newLedger(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	safe := fakeSafe{}
	me := backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600}
	at := Address{Type: unix.SOCK_STREAM, Path: t.TempDir() + "/s"}
	by := Call{Who: me.Cred(), Pid: 7}
	one := begin(t, p, fd, safe)
	l, err := one.Listen(at, me, 16)
	must(err)
	l.Lasts("key", "s")
	x := NewExchange(p, nil, func(request uint64) (*Conn, error) { return l.Dial(by, true), nil })
	_, err = x.TryWrite([]byte("what"), backends.Meta{})
	must(err)
	x.Saved()
	st := x.State()
	server, err := l.Accept(nil, nil)
	must(err)
	_, _, err = server.TryRead(make([]byte, 9)) // else it is a reset
	must(err)
	must(server.Close())
	if n, _, err := x.TryRead(make([]byte, 9)); n != 0 || err != nil {
		t.Fatal(n, err)
	}

	two := begin(t, p, fd, safe)
	if l = two.ListenAgain("key", at, 16); l == nil {
		t.Fatal("nobody listens")
	}
	defer l.Close()
	x = NewExchange(p, nil, func(request uint64) (*Conn, error) { return l.Dial(by, true), nil })
	by.Number = st.Number
	x.Resume(l.Dial(by, true), st)
	by.Number = 0
	two.Resumed()
	if n, _, err := x.TryRead(make([]byte, 9)); n != 0 || err != unix.ECONNRESET {
		t.Error(n, err)
	}
	if _, err := l.Accept(nil, nil); err != backends.ErrWouldBlock {
		t.Errorf("somebody calls: %v", err)
	}
	must(x.Close())
}
