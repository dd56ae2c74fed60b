package mount

import (
	"bytes"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// notified counts the notifications there are.
func (k *kernel) notified() (woken int) {
	k.t.Helper()
	for {
		_, err := unix.Read(k.dev, k.got)
		if err == unix.EAGAIN {
			return woken
		}
		if err != nil {
			k.t.Fatal(err)
		}
		woken++
	}
}

// TestCrowdTold: of many who poll an object a message wakes each, once, but only a few before its writer is
// done, for whom all others wait.
func TestCrowdTold(t *testing.T) {
	const many = 150
	k := newKernel(t)
	node := k.queue()
	write, read, _ := k.open(node, syscall.O_RDWR)
	var polls [][]byte
	for range many {
		_, _, poll := k.open(node, syscall.O_RDONLY)
		polls = append(polls, poll)
	}
	for round := range 3 {
		for _, poll := range polls {
			k.must(poll)
		}
		k.must(write)
		now := k.notified()
		if now > toldAtOnce {
			t.Errorf("%d are told by who writes", now)
		}
		all := now
		for g := k.s.teller.next(); g != nil; g = k.s.teller.next() {
			k.s.tellSome(g)
			some := k.notified()
			if all += some; some > toldInTurn {
				t.Errorf("%d are told in one turn", some)
			}
			if round == 1 { // more news meanwhile
				k.must(write)
				k.must(read)
			}
		}
		if all != many {
			t.Errorf("%d of %d are told", all, many)
		}
		k.must(read)
	}
}

// faultyHolder is a face that panics when it is asked what it holds.
type faultyHolder struct{ nodes.Plain }

func (faultyHolder) Holds(backends.Endpoint) backends.Ready { panic("a fault of ours") }
func (faultyHolder) Held(backends.Endpoint, []byte, int) ([]byte, error) {
	return nil, backends.ErrWouldBlock
}

// TestCrowdToldInSpite: all of a crowd are told though one file of it panics when it is looked at, whether
// that is one of those that the poller or that the teller tells.
func TestCrowdToldInSpite(t *testing.T) {
	const many = 150
	for who, at := range map[string]int{"poller": many - 10, "teller": 60} {
		t.Run(who, func(t *testing.T) {
			k := newKernel(t)
			var log bytes.Buffer
			k.s.log = slog.New(slog.NewTextHandler(&log, nil))
			node := k.queue()
			var faulty *openFile
			for n := range many {
				_, _, poll := k.open(node, syscall.O_RDONLY)
				if k.must(poll); n == at {
					faulty = k.s.file(as[pollIn](poll).Fh)
				}
			}
			whole, g := faulty.file, faulty.gate
			g.mu.Lock()
			faulty.file = nodes.NewFile(faultyHolder{}, whole.Waiter().(backends.Endpoint), nodes.InOrder)
			g.mu.Unlock()
			k.sendNatively("a message")
			k.await() // the poller is at it
			g.mu.Lock()
			all := k.notified()
			g.mu.Unlock()
			for g := k.s.teller.next(); g != nil; g = k.s.teller.next() {
				k.s.tellSome(g)
				all += k.notified()
			}
			if all != many {
				t.Errorf("%d of %d are told", all, many)
			}
			g.mu.Lock()
			faulty.file = whole
			said := log.String()
			g.mu.Unlock()
			if !strings.Contains(said, "a fault of ours") {
				t.Errorf("it does not panic: %s", said)
			}
		})
	}
}

// TestCrowdPolls: what a message costs does not grow with those who poll its object, if it is no news to
// them: they wait for the other direction, or somebody takes it at once.
func TestCrowdPolls(t *testing.T) {
	k := newKernel(t)
	node := k.queue()
	write, read, _ := k.open(node, syscall.O_RDWR)
	_, waits, _ := k.open(node, syscall.O_RDWR)
	used := func() time.Duration {
		var used unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
			t.Fatal(err)
		}
		return time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	for _, way := range []struct {
		name string
		wait backends.Ready
		do   func()
	}{
		{"pollers wait for room, and have it", backends.Out, func() { k.must(write); k.must(read) }},
		{"a reader waits too", backends.In, func() {
			reading := k.send(waits)
			writing := k.send(write)
			k.answer(writing)
			k.answer(reading)
		}},
	} {
		each := func() time.Duration {
			least := time.Hour
			for range 5 {
				before := used()
				for range 200 {
					way.do()
				}
				least = min(least, (used()-before)/200)
			}
			return least
		}
		join := func(n int) {
			for range n {
				_, _, poll := k.open(node, syscall.O_RDWR)
				as[pollIn](poll).Events = uint32(way.wait)
				k.must(poll)
			}
		}
		join(10)
		few := each()
		join(5000)
		if many := each(); many > 3*few {
			t.Errorf("%s: a message costs %v where 10 poll, %v where 5000 do", way.name, few, many)
		}
	}
}

// TestLastPollerLeaves: what the last poller of an object waited for is not watched when it has gone: room in
// a queue, which is there nearly always, would wake the daemon without end.
func TestLastPollerLeaves(t *testing.T) {
	k := newKernel(t)
	node := k.queue()
	write, _, poll := k.open(node, syscall.O_RDWR)
	for range 10 { // maxmsg
		k.must(write)
	}
	as[pollIn](poll).Events = unix.POLLOUT
	k.must(poll)
	o := k.s.file(as[pollIn](poll).Fh)
	_, other, _ := k.open(node, syscall.O_RDONLY) // keeps the gate
	k.s.file(as[fuse.ReadIn](other).Fh)
	release := fuse.ReleaseIn{Fh: o.fh}
	k.must(request(&release.InHeader, opRelease, node, bytesOf(&release)))
	k.must(other)
	g := o.gate
	g.onReady()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.armed != 0 {
		t.Errorf("armed for %#x, and nobody waits", g.armed)
	}
}

// TestPollOwn: whoever polls a file is told what a read of it by somebody else leaves there: behind the one
// message of next is the end.
func TestPollOwn(t *testing.T) {
	k := newKernel(t)
	node := k.queue()
	write, _, _ := k.open(node, syscall.O_WRONLY)
	dir := k.lookup(k.lookup(k.lookup(fuse.FUSE_ROOT_ID, "ctl"), "queues"), queueName())
	_, read, poll := k.open(k.lookup(dir, "next"), syscall.O_RDONLY)
	reading := k.send(read)
	k.must(poll)
	writing := k.send(write)
	k.answer(writing)
	k.answer(reading)
	if n := k.woken + k.notified(); n != 1 {
		t.Errorf("the poller was told %d times", n)
	}
}

// TestRoundEnds: files that are closed in a round end it, their gate is in the teller's line but once, and
// what the teller finds gone will be news to those who knew of it.
func TestRoundEnds(t *testing.T) {
	const many = 3 * toldAtOnce
	k := newKernel(t)
	node := k.queue()
	write, read, _ := k.open(node, syscall.O_RDWR)
	open := func() (polls [][]byte) {
		for range many {
			_, _, poll := k.open(node, syscall.O_RDONLY)
			k.must(poll)
			polls = append(polls, poll)
		}
		return polls
	}
	for range 3 {
		polls := open()
		k.must(write)
		k.notified()
		for _, poll := range polls {
			release := fuse.ReleaseIn{Fh: as[pollIn](poll).Fh}
			k.must(request(&release.InHeader, opRelease, node, bytesOf(&release)))
		}
		k.must(read)
	}
	if n := len(k.s.teller.line); n != 1 {
		t.Errorf("the gate is %d times in line", n)
	}
	polls := open()
	for g := k.s.teller.next(); g != nil; g = k.s.teller.next() {
		k.s.tellSome(g)
	}
	k.notified()
	k.must(write)
	k.notified()
	last := polls[many-1] // is told first
	k.must(last)
	k.notified()
	g := k.s.file(as[pollIn](last).Fh).gate
	o := k.s.file(as[fuse.ReadIn](read).Fh)
	if _, err := o.file.Read(make([]byte, 128), 128, 0); err != nil { // natively: nobody hears of it
		t.Fatal(err)
	}
	for g := k.s.teller.next(); g != nil; g = k.s.teller.next() {
		k.s.tellSome(g)
	}
	k.notified()
	if _, err := o.file.Write([]byte("natively")); err != nil {
		t.Fatal(err)
	}
	g.onReady()
	for g := k.s.teller.next(); g != nil; g = k.s.teller.next() {
		k.s.tellSome(g)
	}
	k.notified()
	if w := k.s.file(as[pollIn](last).Fh).polled; w.at != 0 {
		t.Error("who knew of the message before is not told of the next one")
	}
}
