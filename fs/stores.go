package fs

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/mqueue"
	"github.com/ipcfs/ipcfs/backends/nats"
	"github.com/ipcfs/ipcfs/backends/socket"
	"github.com/ipcfs/ipcfs/backends/sysv"
	"github.com/ipcfs/ipcfs/backends/topic"
	"github.com/ipcfs/ipcfs/nodes"
)

// stores are what keeps the objects of this machine.
type stores struct {
	queues   *mqueue.Queues
	leases   *mqueue.Leases
	shm      *backends.Dir
	fifos    *backends.Dir
	sockets  *nodes.Sockets
	faces    *backends.Dir // the plain files and the faces in sockets
	messages *sysv.Queues
	segments sysv.Segments
	carried  func() bool // the kernel carries shared memory itself
	topics   *backends.Dir
	feeds    *topic.Store
	groups   *backends.Budget // of topics that are kept elsewhere

	ledger *backends.Ledger                  // nil: there is none
	left   func(kind uint32) []backends.Left // what an earlier process left in it
}

// openStores opens them, and what bounds them.
func (t *Tree) openStores(c Config, before *tables) (*stores, error) {
	s := &stores{queues: mqueue.NewQueues(t.env.Poll, c.MaxMsg, c.MsgSize), ledger: c.Ledger, left: t.Left}
	t.closers = append(t.closers, s.queues)
	s.queues.LastsOpen(c.Ledger, c.Safe, t.Left(backends.OpenRecord))
	s.queues.Lasts(c.Ledger, t.Left)
	t.lasting.resumed = append(t.lasting.resumed, s.queues.Resumed)
	if err := s.queues.Refused(); err != nil {
		return nil, nodes.Explain("create", "queues", err)
	}
	if !s.queues.Listed() {
		t.unlisted = nodes.NotListed
		t.log.Warn("queues are not listed", "why", t.unlisted)
		t.env.Failures.Add("queues", &nodes.Error{
			Op: "list", Path: "queues", Errno: syscall.EPERM, Why: errors.New(t.unlisted),
		})
	}
	var bound, onLease *backends.Dir
	for _, d := range []struct {
		at   **backends.Dir
		name string
	}{
		{&s.shm, c.ShmDir}, {&s.fifos, c.StateDir + "/fifos"}, {&s.faces, c.StateDir + "/sockets"},
		{&bound, c.StateDir + "/sock"}, {&s.topics, c.StateDir + "/topics"}, {&onLease, c.StateDir + "/leases"},
	} {
		dir, err := t.openDir(d.name)
		if err != nil {
			return nil, err
		}
		*d.at = dir
	}
	var err error
	if t.restrictions, err = s.shm.Restrictions(); err != nil {
		return nil, err
	}
	room := backends.NewRoom(c.StateDir, s.fifos, s.faces, bound, s.topics)
	t.closers = append(t.closers, room)
	s.leases = mqueue.OpenLeases(onLease, room)
	t.closers = append(t.closers, s.leases)
	s.leases.Work, s.leases.Ledger = t.env.Work, c.Ledger
	s.leases.Held = before.leases()
	s.leases.Lasts(t.Left(backends.TriesRecord))
	s.leases.Recover(s.queues, t.cameBack)
	t.sockets = socket.NewMaker(t.env.Poll, c.Net)
	t.closers = append(t.closers, t.sockets)
	t.sockets.Lasts(c.Ledger, c.Safe, t.Left)
	t.takeMemory(before)
	backends.DropLeft(c.Safe)
	s.sockets, err = nodes.NewSockets("sockets", t.env, t.sockets, s.faces, bound, c.StateDir+"/sock")
	if err != nil {
		return nil, err
	}
	t.closers = append(t.closers, s.sockets)
	s.feeds = topic.NewStore(t.env.Poll, s.topics)
	t.topics, s.groups = s.feeds, nats.NewGroups()
	s.messages, s.segments = sysv.NewQueues(t.env.Poll), sysv.NewSegments()
	s.messages.Lasts(c.Ledger, t.Left)
	t.lasting.resumed = append(t.lasting.resumed, s.messages.Resumed)
	s.carried = func() bool { return t.backer() != nil }
	t.lasting.locks = newLocks(t)
	t.limited = []backends.Limited{
		s.queues, s.messages, s.segments,
		backends.FileSystem{Dir: s.shm, Name: "shm_bytes"}, backends.Process{}, t.env.Poll,
		t.env.Shares, t.env.Heap, s.feeds.Used, room, s.leases.Bytes, s.leases.Tries, s.sockets.Plain(),
		s.queues.Bytes, t.handles.used, t.lasting.locks.Ranges, s.groups,
	}
	return s, nil
}

// heedRemovals has removed told of queues that are removed, by whomever.
func (t *Tree) heedRemovals(dir *backends.Dir, removed func(name string)) {
	r, err := backends.NewRemovals(t.env.Poll, dir, removed)
	if err != nil {
		t.log.Warn("who waits for a queue is not told when a program removes it: "+
			"see fs.inotify.max_user_instances in /ctl/limits", "err", err)
		return
	}
	t.closers = append(t.closers, r)
}

// cameBack tells what became of messages that a daemon that died had handed out.
func (t *Tree) cameBack(queue string, back int, err error) {
	at := strings.TrimSuffix("queues/"+queue, "queues/")
	if back > 0 {
		t.log.Info("messages that were out on lease are back in their queue", "path", backends.Word(at), "messages", back)
	}
	if err != nil {
		t.log.Warn("a message that was out on lease stays where it is", "path", backends.Word(at), "err", err)
		t.env.Failures.Add(at, fmt.Errorf("lease: %w", err))
	}
}
