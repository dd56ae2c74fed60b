package mount

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// A thread is one of a user's that looks names up.
type thread struct {
	*kernel
	uid, pid uint32
}

// begin sends a request of the thread.
func (th thread) begin(req []byte) uint64 {
	h := as[fuse.InHeader](req)
	h.Uid, h.Pid = th.uid, th.pid
	return th.send(req)
}

// looksUp sends a LOOKUP of a queue.
func (th thread) looksUp(dir uint64) uint64 {
	var h fuse.InHeader
	return th.begin(request(&h, opLookup, dir, bytesOf(&h), append([]byte(queueName()), 0)...))
}

// stats sends a GETATTR of a node.
func (th thread) stats(node uint64) uint64 {
	var in fuse.GetAttrIn
	return th.begin(request(&in.InHeader, opGetattr, node, bytesOf(&in)))
}

// told takes the answer to a LOOKUP: a node.
func (k *kernel) told(unique uint64) uint64 {
	k.t.Helper()
	errno, answer := k.answer(unique)
	if errno != 0 {
		k.t.Fatalf("LOOKUP: %v", errno)
	}
	return as[fuse.EntryOut](answer).NodeId
}

// soon waits for something to be answered.
func (k *kernel) soon() {
	k.t.Helper()
	fds := []unix.PollFd{{Fd: int32(k.dev), Events: unix.POLLIN}}
	for {
		switch n, err := unix.Poll(fds, 20_000); {
		case n == 1:
			return
		case err != unix.EINTR:
			k.t.Fatalf("no answer (%v)", err)
		}
	}
}

// statted takes the answer to a GETATTR, and a notification before it.
func (k *kernel) statted(unique uint64) {
	k.t.Helper()
	for {
		if _, h := k.take(); h.Unique == unique {
			return
		} else if h.Unique != 0 {
			k.t.Fatalf("answer to %d, want %d", h.Unique, unique)
		}
	}
}

// threads are two of one user and one of another.
func newThreads(t *testing.T) (dir uint64, a, b, other thread) {
	k := newKernel(t)
	k.s.turns.most, k.s.turns.back = time.Hour, time.Hour
	k.queue()
	dir = k.lookup(fuse.FUSE_ROOT_ID, "queues") // which ends the turn of this process
	uid := uint32(os.Geteuid())
	return dir, thread{k, uid, 1 << 30}, thread{k, uid, 1<<30 + 1}, thread{k, uid + 1, 1<<30 + 2}
}

// TestTurns: a thread that looks a name up while another has been told of it waits until that one goes on,
// and is then told of another node.
func TestTurns(t *testing.T) {
	dir, a, b, other := newThreads(t)
	first := a.told(a.looksUp(dir))
	second := b.looksUp(dir)
	third := other.looksUp(dir)
	a.silent()
	// It comes again: it was told in vain, and is told of the same node, which nobody else has.
	if again := a.told(a.looksUp(dir)); again != first {
		t.Error("told of another node")
	}
	a.silent()
	stat := a.stats(first)
	node := other.told(third) // another user's comes first
	a.statted(stat)
	a.silent()
	stat = other.stats(node)
	if next := b.told(second); next == node || next == first {
		t.Error("a node for two")
	}
	other.statted(stat)
}

// TestTurnsInterrupted: a LOOKUP that waits for its turn and is interrupted is answered, and not EINTR.
func TestTurnsInterrupted(t *testing.T) {
	dir, a, b, _ := newThreads(t)
	a.told(a.looksUp(dir))
	waits := b.looksUp(dir)
	b.silent()
	b.interrupt(waits)
	b.told(waits)
	if n := len(b.s.turns.parked) + len(b.s.turns.byUid); n != 0 {
		t.Errorf("%d are still parked", n)
	}
}

// TestTurnsInterruptedBetween: a LOOKUP that is interrupted when it has its turn, and has not come to wait
// for a worker yet, does not miss that.
func TestTurnsInterruptedBetween(t *testing.T) {
	_, a, b, _ := newThreads(t)
	a.lockable()
	dir := a.lookup(a.lookup(a.lookup(fuse.FUSE_ROOT_ID, "ctl"), "shm"), "file")
	looksUp := func(th thread) uint64 {
		var h fuse.InHeader
		return th.begin(request(&h, opLookup, dir, bytesOf(&h), []byte("status\x00")...))
	}
	a.told(looksUp(a))
	second := looksUp(b)
	a.silent()
	block := make(chan bool)
	defer close(block)
	for range 4 * maxLate { // no worker is free for b
		a.s.late.workers.Go(b.uid, func(context.Context) { <-block })
	}
	a.s.mu.Lock() // which holds up whoever answers b
	done := make(chan bool)
	l := a.s.turns.lines[spot{dir, "status"}]
	a.s.turns.vain(a.pid)
	go func() { a.s.goOn(l); close(done) }()
	for going := false; !going; runtime.Gosched() {
		a.s.turns.mu.Lock()
		going = len(a.s.turns.going) > 0
		a.s.turns.mu.Unlock()
	}
	b.interrupt(second)
	a.s.mu.Unlock()
	<-done
	if got := b.later(second); got[0] != syscall.EINTR {
		t.Error(got)
	}
	if len(a.s.turns.going) > 0 {
		t.Error("it is still under way")
	}
}

// TestTurnsLost: a thread that does not go on keeps others from it only once, and only a little. After that
// its user's turns keep no other user.
func TestTurnsLost(t *testing.T) {
	dir, a, b, other := newThreads(t)
	a.s.turns.most = maxTurn
	a.told(a.looksUp(dir))
	waits := other.looksUp(dir)
	other.silent()
	other.soon()
	other.statted(other.stats(other.told(waits)))
	if a.s.turns.wasters[a.uid].IsZero() {
		t.Error("nobody notes whose turn it was")
	}
	a.s.turns.most = time.Hour
	a.s.turns.wasters[a.uid] = time.Now().Add(time.Hour) // instead of penance, for a slow machine
	a.told(a.looksUp(dir))
	b.looksUp(dir)
	b.silent()
	other.told(other.looksUp(dir))
}

// TestTurnsForgotten: threads that have ended after a LOOKUP take no memory for long.
func TestTurnsForgotten(t *testing.T) {
	dir, a, _, _ := newThreads(t)
	for range 1000 {
		a.pid++
		unique := a.looksUp(dir)
		a.interrupt(unique)
		a.told(unique)
	}
	turns := a.s.turns
	turns.mu.Lock()
	defer turns.mu.Unlock()
	turns.sweep(time.Now().Add(2 * oldTurn))
	if len(turns.by)+len(turns.lines) > 0 {
		t.Errorf("%d threads and %d lines are left", len(turns.by), len(turns.lines))
	}
}

// TestTurnsNoAllocations: that somebody has a turn makes no garbage of others' messages.
func TestTurnsNoAllocations(t *testing.T) {
	dir, a, _, _ := newThreads(t)
	write, read, _ := a.open(a.lookup(dir, queueName()), syscall.O_RDWR)
	a.told(a.looksUp(dir))
	if n := testing.AllocsPerRun(1000, func() { a.must(write); a.must(read) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestTurnsElsewhere: what is kept elsewhere is asked for at once for all who look it up, and they are told
// in turns.
func TestTurnsElsewhere(t *testing.T) {
	for _, how := range []string{"goes on", "interrupted"} {
		t.Run(how, func(t *testing.T) {
			k, s, dir, node, _ := slowKernel(t)
			s.quick.Store(true)
			turns := k.s.turns
			turns.farMost, turns.farBack = time.Hour, time.Hour
			looksUp := func(pid uint32) uint64 {
				var h fuse.InHeader
				return thread{k, 0, pid}.begin(request(&h, opLookup, dir, bytesOf(&h), 'a', 0))
			}
			answers := func(n int) map[uint64]syscall.Errno {
				all := map[uint64]syscall.Errno{}
				for len(all) < n {
					k.soon()
					if _, h := k.take(); h.Unique != 0 { // else it is a notification
						all[h.Unique] = syscall.Errno(-h.Status)
					}
				}
				return all
			}
			thread{k, 0, uint32(os.Getpid())}.stats(node) // what slowKernel has looked up is used
			answers(1)
			first := looksUp(1 << 30)
			k.soon()
			told := k.told(first)
			second := looksUp(1<<30 + 1)
			for held := false; !held; runtime.Gosched() {
				turns.mu.Lock()
				held = turns.parked[second] != nil && turns.parked[second].answer != nil
				turns.mu.Unlock()
			}
			k.silent()
			if how == "interrupted" {
				in := fuse.InterruptIn{Unique: second}
				k.send(request(&in.InHeader, opInterrupt, 0, bytesOf(&in)))
				if got := answers(1); got[second] != syscall.EINTR {
					t.Errorf("%d: %v", second, got)
				}
				turns.mu.Lock()
				defer turns.mu.Unlock()
				if len(turns.parked) > 0 || len(turns.byUid) > 0 {
					t.Error("it waits for its turn")
				}
				return
			}
			stat := thread{k, 0, 1 << 30}.stats(told)
			if got := answers(2); len(got) != 2 || got[stat] != 0 || got[second] != 0 {
				t.Errorf("%d, %d: %v", stat, second, got)
			}
		})
	}
}
