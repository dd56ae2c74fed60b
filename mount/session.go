// Package mount is the session with the kernel: it mounts, owns /dev/fuse, and answers the requests that come
// from it.
//
// Reads, writes and polls of message faces, opens and locks that may have to wait, and interrupts it answers
// itself: that is the hot path, and requests wait here and nowhere else (see gate, turns). All else goes
// through go-fuse's decoding to the tree. The stock server of go-fuse would not do: it answers every POLL
// with ENOSYS, after which the kernel reports all files as always ready.
//
// One goroutine at a time leads (leader.go): it reads a request and answers it before it reads the next, so
// requests are taken up in the order they were made, a close is done when its process's next call is, and no
// other thread needs waking. It does only what takes a moment: it moves one message, looks up one name,
// begins what takes longer. Texts, listings, commands and whatever is kept elsewhere are made by workers, and
// the request is on its way meanwhile (op.go, aside.go). A request that turns out to take long (it frees much
// memory) loses its goroutine the lead.
//
// Locks are taken in this order, and no other: a gate; what is open of a node (fs); an open file; what a
// class keeps, and what all texts share; an object of the backends; workers and their tasks; the poller. A
// gate is followed at any place by the session's own locks, under which nothing else is taken, and the gate
// of a task by the gate that its request goes on to. What a worker runs, and what wakes a gate, is called
// with no lock held.
package mount

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/socket"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// Session serves one mount.
type Session struct {
	o        Options
	log      *slog.Logger
	tree     *fs.Tree
	dev      device
	protocol *fuse.ProtocolServer

	lead    sync.Mutex     // held by the goroutine that reads requests
	workers sync.WaitGroup // goroutines that lead or follow
	poller  *backends.Poller
	near    *backends.Workers // for requests that take long and wait for nobody,
	away    *backends.Workers // and for those that wait for others
	idle    atomic.Int32      // those that wait for the lead
	ended   chan struct{}     // closed when the kernel has ended the connection, or we give up waiting for that
	stuck   atomic.Bool       // it is the latter: a worker is still in read
	handed  atomic.Bool       // it is because another process goes on
	end     sync.Once
	live    chan struct{} // closed when the kernel may send requests
	started sync.Once
	drops   chan drop
	buffers sync.Pool
	ledger  *backends.Ledger // what another process goes on from; nil: nothing is kept for one
	settles backends.Record  // of what was settled with the kernel
	left    leftBehind

	waiting     waiting
	stats       stats
	timeline    timeline
	teller      teller
	turns       *turns
	late        *late
	requests    *atomic.Int64
	unawaited   *atomic.Int64          // of those
	passthrough atomic.Pointer[string] // why not; "" if the kernel carries shared memory
	minor       atomic.Uint32          // of the version of FUSE that the kernel speaks
	settled     negotiated             // set before the first request but INIT

	mu    sync.RWMutex
	files map[uint64]*openFile
	// Of files, those that were asked for last, each at the place of its number.
	recent [16]atomic.Pointer[openFile]
	gates  map[backends.Waiter]*gate
}

// New mounts the tree, or takes over a mount by its descriptor (Options.Device). Serve must be called next.
// The tree stays the caller's to close, after Serve has returned.
func New(t *fs.Tree, o Options) (*Session, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Source == "" {
		o.Source = "ipcfs"
	}
	var err error
	if o.Device != 0 {
		unix.CloseOnExec(o.Device)
	} else if o.Mountpoint, err = filepath.Abs(o.Mountpoint); err != nil {
		return nil, err
	}
	s := &Session{
		o: o, log: o.Log, tree: t, dev: device{o.Device},
		ended: make(chan struct{}), live: make(chan struct{}),
		files: map[uint64]*openFile{}, gates: map[backends.Waiter]*gate{},
		waiting: waiting{all: map[uint64]*parked{}, byUid: map[uint32]cost{}},
	}
	s.stats.trace = t.Trace()
	s.waiting.over = sync.NewCond(&s.waiting.mu)
	s.drops = make(chan drop, maxDrops)
	s.teller.news = make(chan struct{}, 1)
	s.turns = newTurns(s.expired)
	s.buffers.New = func() any { b := make([]byte, bufferSize); return &b }
	options := &fuse.MountOptions{
		MaxWrite: maxWrite,
		// RELEASE is one: with as few as usual the kernel would hold those of many closes back, and let later
		// requests overtake them.
		MaxBackground: 1 << 15,
		// Else each open of each object asks for lists, ls -l for each name, and each truncate for
		// security.capability (docs/semantics.md).
		DisableXAttrs: true,
		// DONT_MASK: the tree takes the umask off, as not where a directory has a default access control
		// list. HANDLE_KILLPRIV_V2: whoever writes the bytes clears set-ID bits, at the moment of the write
		// (backends.Unprivileged).
		ExtraCapabilities: fuse.CAP_DONT_MASK | fuse.CAP_HANDLE_KILLPRIV_V2,
		// Readdirplus would give the kernel a node for each name listed.
		DisableReadDirPlus: true,
		EnableLocks:        true,
		Logger:             slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		PanicHandler:       s.panicked,
	}
	if o.PageCache {
		options.DisabledCapabilities = fuse.CAP_PASSTHROUGH
	}
	s.protocol = fuse.NewProtocolServer(t, options)
	s.ledger = t.Ledger()
	s.requests, s.unawaited = s.ledger.Total(backends.Requests), s.ledger.Total(backends.Unawaited)
	s.stats.begin(s.ledger, t.Left(backends.CallCounts))
	s.timeline.begin(s.ledger, t.Left(backends.TimeRecord))
	if s.ledger != nil && o.Session == nil {
		for _, one := range t.Left(backends.SessionRecord) {
			s.o.Session, s.settles = one.Data, one.Record
		}
		o.Session = s.o.Session
	}
	if o.Session != nil {
		if err := s.takeOver(o.Session); err != nil {
			return nil, err
		}
	}
	if o.Device == 0 {
		o.Flags = append(slices.Clone(o.Flags), t.Restrictions()...)
		if s.dev.fd, err = mountDevice(o); err != nil {
			return nil, err
		}
	}
	if s.settled.connection == 0 {
		s.settled.connection = connectionAt(s.o.Mountpoint)
	}
	s.settled.mountpoint = s.o.Mountpoint
	s.notePassthrough("the kernel has not answered yet")
	at := socket.Root{Path: s.o.Mountpoint, Device: s.dev.fd}
	if o.Device != 0 && o.Session == nil && s.ledger == nil {
		at.Path = "" // only the process that mounted it knows
	}
	s.poller = t.Poller()
	s.near, s.away = t.Workers()
	s.late = newLate(t.Late())
	for _, w := range t.AllWorkers() {
		w.TellPanics(func(r any) { s.panicked(r) })
	}
	t.Attach(s, at)
	return s, nil
}

// Connection is the number of the mount's device, by which the kernel knows the connection, too
// (/sys/fs/fuse/connections); 0: it is not known.
func (s *Session) Connection() int { return s.settled.connection }

// Live is closed when the kernel has begun to send requests.
func (s *Session) Live() <-chan struct{} { return s.live }

// ErrStuck is what Serve returns if the mount is gone but somebody still holds files of it open: the process
// should exit, which ends the connection.
var ErrStuck = errors.New("files of the mount are still open")

// Device is the open /dev/fuse.
func (s *Session) Device() int { return s.dev.fd }

// Serve answers requests until the file system is unmounted or aborted. Close must be called after it.
func (s *Session) Serve() error {
	s.workers.Add(1) // the start is one of those that HandOver waits for, which may come when the tree is live
	if s.o.Session != nil {
		s.begin(s.goOnServing)
	}
	s.follow()
	s.workers.Add(2)
	go s.dropAll()
	go s.tell()
	if limit := requestTimeout(); limit > 0 {
		s.log.Warn("fs.fuse request timeouts are set: waits end with EINTR before the kernel would abort the mount",
			"limit", limit)
		s.workers.Add(1)
		go s.endLongWaits(limit)
	}
	s.workers.Done()
	<-s.ended
	if s.handed.Load() {
		s.workers.Wait()
		return ErrHandedOver
	}
	s.waiting.end(syscall.ENODEV)
	if s.stuck.Load() {
		return ErrStuck
	}
	s.workers.Wait()
	return nil
}

// Close closes the device, after the tree was closed: shared memory that is open then ends its registration
// with it, and what still becomes ready is answered there, and not by a file that has its number by then
// (unmount.txtar).
func (s *Session) Close() error { return unix.Close(s.dev.fd) }

// handle answers one request. A panic is answered with EIO.
func (s *Session) handle(req, out []byte) {
	h := as[fuse.InHeader](req)
	defer func() {
		if r := recover(); r != nil {
			s.panicked(r)
			if h.Opcode != opForget && h.Opcode != opBatchForget {
				s.answer(out, h.Unique, 0, syscall.EIO)
			}
			if o := s.moves(req); o != nil {
				o.gate.rearm()
			}
		}
	}()
	backends.Point("taken up")
	s.goOnAfter(req)
	if h.Opcode != opRead && h.Opcode != opWrite && h.Opcode != opRelease {
		s.ledger.DeskOf(out).Begin(fs.RequestOf(h.Unique))
	}
	switch h.Opcode {
	case opLookup:
		if !s.putAside(req, out) {
			s.lookup(req, out)
		}
		return
	case opRead:
		if o := s.file(as[fuse.ReadIn](req).Fh); o != nil {
			s.read(o, as[fuse.ReadIn](req), out)
			return
		}
	case opWrite:
		if o := s.file(as[fuse.WriteIn](req).Fh); o != nil {
			in := as[fuse.WriteIn](req)
			s.write(o, in, req[len(req)-int(in.Size):], out)
			return
		}
	case opPoll:
		s.poll(req, out)
		return
	case opNotifyReply:
		return // it has done its work by coming (Session.nudge)
	case opInterrupt:
		// The request was taken up before this one: it waits, or it is answered, or it is one that does not
		// wait; or it lost the lead, and is about to wait. The kernel tells it once.
		s.late.interrupt(as[fuse.InterruptIn](req).Unique)
		s.interrupted(as[fuse.InterruptIn](req).Unique, out)
		return
	case opGetattr, opStatx:
		if s.measure(req, out) {
			return
		}
	case opOpen:
		s.open(as[fuse.OpenIn](req), nil, out)
		return
	case opSetlkw:
		s.lock(as[fuse.LkIn](req), out)
		return
	case opRelease:
		if s.release(req, false, out) {
			return
		}
	}
	if s.putAside(req, out) {
		return
	}
	n, status := s.protocol.HandleRequest([][]byte{req}, [][]byte{out})
	switch {
	case !status.Ok():
		s.answer(out, h.Unique, 0, syscall.Errno(status))
	case n == 0: // FORGET and its like are not answered
	default:
		if h.Opcode == opGetattr || h.Opcode == opStatx {
			s.keepLength(req, out[:n])
		}
		s.send(out[:n])
		if h.Opcode == opInit {
			s.negotiate(req, out[:n])
			s.ledger.Put(&s.settles, backends.SessionRecord, 0, nodes.Encode(s.settled.code))
			s.begin(func() {})
		}
	}
}

// begin is called when the kernel has its answer to INIT. More is done before the session is live.
func (s *Session) begin(more func()) {
	s.started.Do(func() {
		switch err := s.dev.probePassthrough(); {
		case s.o.PageCache:
			s.notePassthrough("switched off")
		case err != nil:
			s.notePassthrough(whyNoPassthrough(err, kernelRelease()))
		default:
			s.notePassthrough("")
		}
		more()
		close(s.live)
	})
}

func (s *Session) notePassthrough(why string) { s.passthrough.Store(&why) }

// Backer is what registers backing files, nil if the kernel takes none.
func (s *Session) Backer() fs.Backer {
	if *s.passthrough.Load() != "" {
		return nil
	}
	return s.dev
}

// Facts are the session's lines of /ctl/status.
func (s *Session) Facts() []nodes.Fact {
	facts := []nodes.Fact{{Key: "mountpoint", Value: s.o.Mountpoint}}
	if why := *s.passthrough.Load(); why == "" {
		facts = append(facts, nodes.Fact{Key: "shm", Value: "passthrough"})
	} else {
		facts = append(facts, nodes.Fact{Key: "shm", Value: "page-cache"}, nodes.Fact{Key: "shm_reason", Value: why})
	}
	facts = append(facts, kernelFacts(s.minor.Load())...)
	return append(facts,
		nodes.Fact{Key: "requests", Value: nodes.Count(s.requests.Load())},
		nodes.Fact{Key: "requests_unawaited", Value: nodes.Count(s.unawaited.Load())},
		nodes.Fact{Key: "parked", Value: s.waiting.count()},
		nodes.Fact{Key: "threads", Value: threads()})
}

// Limits are the session's lines of /ctl/limits.
func (s *Session) Limits() []backends.Limit { return s.waiting.Limits() }

// panicked logs a panic with its stack; the daemon lives on.
func (s *Session) panicked(r any) fuse.Status {
	s.log.Error("panic", "err", fmt.Sprint(r), "stack", string(debug.Stack()))
	return fuse.EIO
}

func (s *Session) recoverFrom(what string) {
	if r := recover(); r != nil {
		s.panicked(fmt.Sprint(what, ": ", r))
	}
}

// endLongWaits ends waits before the kernel's own limit would abort the whole mount for one of them.
func (s *Session) endLongWaits(limit time.Duration) {
	defer s.workers.Done()
	tick := time.NewTicker(limit / 8)
	defer tick.Stop()
	for {
		select {
		case <-s.ended:
			return
		case <-tick.C:
			for _, p := range s.waiting.older(limit / 2) {
				why := syscall.EINTR
				if p.in.Opcode == opSetlkw {
					// EINTR without a signal would be ERESTARTSYS to the program
					// (fuse_setlk, fs/fuse/file.c)
					why = syscall.ENOLCK
				}
				p.cancel(why)
			}
		}
	}
}
