package mount

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// maxFollowers bounds the goroutines that wait for the lead; more only come into being while long requests
// are under way.
const maxFollowers = 2

// follow starts a goroutine that waits for the lead, unless one waits already.
func (s *Session) follow() {
	if s.idle.Load() > 0 {
		return
	}
	s.workers.Add(1)
	go s.work()
}

// work leads until a request takes long, for which it loses the lead, and then waits for it again.
func (s *Session) work() {
	defer s.workers.Done()
	in, out := s.buffer(), s.buffer()
	defer s.recycle(in)
	defer s.recycle(out)
	for s.idle.Add(1) <= maxFollowers {
		s.lead.Lock()
		s.idle.Add(-1)
		if s.serveUntilLong(*in, *out) {
			s.lead.Unlock()
			return
		}
	}
	s.idle.Add(-1)
}

// giveWay is after how many requests the leader lets other goroutines run. A leader that is always busy never
// comes to Go's scheduler by itself, and after 10 ms of that the runtime's monitor thread preempts it with a
// signal, takes its processor away, and keeps on looking, every 20 µs, for another chance to do so: together
// about a twentieth of the time (docs/performance.md).
const giveWay = 64

// serveUntilLong answers requests in the lead, until there are no more (true) or it has lost the lead
// (false).
func (s *Session) serveUntilLong(in, out []byte) (over bool) {
	for {
		select {
		case <-s.ended:
			return true
		default:
		}
		s.ledger.DeskOf(in).Reads()
		n, err := s.dev.read(in)
		if err != nil {
			switch err {
			case unix.ENODEV: // unmounted
			case unix.ECONNABORTED:
				s.log.Info("the connection was aborted (/sys/fs/fuse/connections, umount -f)")
			default:
				s.log.Error("reading /dev/fuse", "err", err)
			}
			s.end.Do(func() { close(s.ended) })
			return true
		}
		count := s.requests.Add(1)
		req := in[:n]
		if malformed(req) {
			s.refuse(req, out)
			continue
		}
		s.ledger.Beat()
		if forgets(req) {
			s.ledger.DeskOf(in).Begun()
		}
		if unawaited(req) {
			s.unawaited.Add(1)
		}
		if s.hot(req) {
			s.poller.Hold()
			s.handle(req, out)
			s.poller.Let(longWake)
		} else if s.tooLate(req) {
			s.handleLate(req, out)
		} else if !s.handleInTime(req, out) {
			return false
		}
		if count%giveWay == 0 {
			runtime.Gosched()
		}
	}
}

// longWake is how long the leader may take to wake those for whom a request made something ready: some 100
// readers of a topic. It is awake and holds no gate any more. The poller's thread wakes the rest; it has to
// be woken first (docs/performance.md).
const longWake = 300 * time.Microsecond

// longRequest is how long a request may take before its goroutine loses the lead to another one.
const longRequest = time.Millisecond

// handleInTime answers a request and reports whether the lead was kept. One that moves or frees much memory
// may take long, and nobody is to wait for that; but handing on the lead wakes a thread, which costs more
// than most requests.
func (s *Session) handleInTime(req, out []byte) bool {
	var decided atomic.Bool
	unique, uid := as[fuse.InHeader](req).Unique, as[fuse.InHeader](req).Uid
	timer := time.AfterFunc(longRequest, func() {
		s.late.begin(unique, uid)
		if !decided.CompareAndSwap(false, true) {
			s.late.end(unique, uid)
			return
		}
		s.follow()
		s.lead.Unlock()
	})
	s.handle(req, out)
	timer.Stop()
	if decided.CompareAndSwap(false, true) {
		return true
	}
	if s.late.end(unique, uid) {
		s.interrupted(unique, out)
	}
	return false
}

// hot tells requests that never take long, or that nothing may overtake.
func (s *Session) hot(req []byte) bool {
	switch as[fuse.InHeader](req).Opcode {
	case opRead, opWrite:
		return s.moves(req) != nil
	case opForget, opBatchForget, opPoll, opInterrupt:
		return true
	case opLookup:
		return !s.tree.Lockable(as[fuse.InHeader](req).NodeId)
	case opGetattr, opStatx, opOpen, opSetattr:
		// Of shared memory they wait for one who cuts or frees it (TestHot).
		id := as[fuse.InHeader](req).NodeId
		return s.tree.Message(id) && (!s.tree.Lockable(id) || s.measured(req) != 0)
	case opRelease:
		return s.tree.File(as[fuse.ReleaseIn](req).Fh) != nil
	case opInit:
		return true // what it settles all others build on
	}
	return false
}

// moves is the message face that a request reads or writes; nil if it does neither.
func (s *Session) moves(req []byte) *openFile {
	switch as[fuse.InHeader](req).Opcode {
	case opRead:
		return s.file(as[fuse.ReadIn](req).Fh)
	case opWrite:
		return s.file(as[fuse.WriteIn](req).Fh)
	}
	return nil
}

// unawaited tells requests whose sender goes on without the answer, if there is one at all.
func unawaited(req []byte) bool {
	switch as[fuse.InHeader](req).Opcode {
	case opRelease, opReleasedir, opForget, opBatchForget, opInterrupt:
		return true
	}
	return false
}
