// Package fs is the tree: which kinds of objects there are, the node ids and handles the kernel knows them
// by, and the fuse.RawFileSystem that answers for them. It knows nothing of what is inside a kind.
//
// Reads and writes that may wait do not come here: package mount serves them from the open *nodes.File (see
// Tree.File). An open and a lock that have to wait are values, an Opening and a Locking, which package mount
// parks. Everything else is answered when its method returns. Whether that may take long, so that a worker is
// to call it, the tree says beforehand (Elsewhere, OpensLong, Lockable). All methods are safe for concurrent
// use.
package fs

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/socket"
	"github.com/ipcfs/ipcfs/backends/topic"
	"github.com/ipcfs/ipcfs/nodes"
)

// Config says where the objects are and what new ones are like.
type Config struct {
	StateDir        string            // what must survive the daemon; one daemon at a time
	ShmDir          string            // "/dev/shm" if empty
	MaxMsg, MsgSize int               // of new queues; 0: the kernel's defaults
	Net             socket.Reach      // what of the network the tree lends
	Options         []string          // what was asked for, words for ctl/status
	Flags           map[string]string // how people ask for settings: "net" by "--net"
	Attached        []Attachment
	Tables          []byte              // of the tree with whose mount this one goes on (Tree.Tables); nil: of none
	Ledger          *backends.Ledger    // what another process goes on from, and another one has left; nil: there is none
	Safe            backends.Safe       // where descriptors outlive the process; nil: nowhere
	Apart           []int               // descriptors by which others know that this process lives
	Kept            func() []nodes.Fact // what there is to tell of a process that keeps the mount; nil: none does
	Version         string
	Log             *slog.Logger

	// Attach makes the kinds of objects that there are beside those of this machine; nil: none.
	Attach func(*nodes.Env) ([]nodes.Kind, error)
}

// Tree is the file system. It implements fuse.RawFileSystem.
type Tree struct {
	fuse.RawFileSystem // for what Linux never asks

	log     *slog.Logger
	config  Config
	version string
	options []string
	started time.Time
	kinds   []nodes.Kind // the last is /ctl
	dirs    []string     // between the root, which is "", and the kinds, by their paths
	seed    [2]int64     // of inode numbers that are made up
	env     *nodes.Env
	table   *table
	handles *handles
	sockets *socket.Maker
	apart   []int // what a thread that waits for the tree itself is not to have
	topics  *topic.Store
	closers []io.Closer
	links   []attached

	unlisted string // why the queues that there are cannot be listed; "" if they can

	limited      []backends.Limited // not changed once the tree is open
	restrictions []string
	elsewhere    bool // some kind keeps its objects elsewhere

	mu      sync.Mutex
	session Session

	lasting         lasting
	backingFailures *atomic.Int64
	// backing files of an earlier session that nobody can close any more but by their numbers
	unbacked []int32
}

// A Backer lets the kernel carry the bytes of an open file itself (FUSE passthrough, Linux 6.9).
type Backer interface {
	// BackingOpen registers the file open at fd. An error means that the daemon has to carry the bytes.
	BackingOpen(fd int) (int32, error)
	BackingClose(id int32) error
}

// New opens the objects of the ipc namespace and mount namespace it is called in, and locks the state
// directory: ErrLocked if another daemon has it.
func New(c Config) (*Tree, error) {
	if c.ShmDir == "" {
		c.ShmDir = "/dev/shm"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	t := &Tree{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		log:           c.Log, config: c, version: c.Version, options: c.Options, started: time.Now(),
		table: newTable(), seed: [2]int64{rand.Int64(), rand.Int64()}, handles: newHandles(),
		backingFailures: c.Ledger.Total(backends.NotCarried),
	}
	var before *tables
	if c.Tables != nil {
		var err error
		if before, err = readTables(c.Tables); err != nil {
			return nil, err
		}
	}
	t.lasting.ledger, t.lasting.class = c.Ledger, map[string]*keptClass{}
	if before == nil {
		var err error
		if before, err = t.fromLedger(c.Ledger); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
	}
	lock, moved, err := lockState(c.StateDir, before != nil && c.Safe != nil, c.Safe)
	if err != nil {
		return nil, err
	}
	t.closers = append(t.closers, lock)
	t.apart = append(slices.Clone(c.Apart), int(lock.Fd()))
	poll, err := backends.NewPoller()
	if err == nil {
		t.closers = append(t.closers, poll)
		poll.TellRefusals(func(err error) {
			t.log.Warn("who waits may be told a tenth of a second late: see fs.epoll.max_user_watches in /ctl/limits",
				"err", err)
		})
		t.env = nodes.NewEnv(poll)
		t.env.Failures.Flags = c.Flags
		t.env.Hands(t.Left(backends.HandRecord))
		t.env.Acts, err = nodes.NewActs(c.Ledger, t.Left(backends.ActRecord))
	}
	if err == nil {
		err = t.openKinds(c, before)
	}
	if err == nil && c.Ledger != nil {
		t.topics.Lasts(c.Ledger, t.Left, t.moves().topics)
	}
	if err == nil && before != nil {
		err = t.resume(before)
		t.sockets.Resumed()
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	t.tryLinks(before)
	if c.Ledger != nil {
		t.writeTo(c.Ledger)
		ts := tables{Started: t.started.UnixNano(), Seed: t.seed}
		t.put(&t.lasting.tree, backends.TreeRecord, 0, ts.codeTree)
		t.commitClasses()
	}
	if len(moved) > 0 {
		t.log.Warn("in the state directory is not what should be there", "moved", moved)
		t.env.Failures.Add("", errors.New("state directory: "+strings.Join(moved, "; ")))
	}
	return t, nil
}

func (t *Tree) openDir(name string) (*backends.Dir, error) {
	d, err := backends.OpenDir(name)
	if err == nil {
		t.closers = append(t.closers, d)
	}
	return d, err
}

// Close closes what is open, after the session has ended. The objects stay, for all who use them.
func (t *Tree) Close() error {
	t.handles.mu.Lock()
	open := t.handles.all
	t.handles.all = map[uint64]*opened{}
	t.handles.mu.Unlock()
	for _, h := range open {
		if f, ok := h.open.(*nodes.File); ok {
			// What its user left undone is done now, or what is kept of it in the state directory waits for
			// the next daemon.
			_ = f.Finish()
		}
		t.closeHandle(h)
	}
	var first error
	if t.env != nil {
		// What they do now needs what is closed next.
		for _, a := range t.links {
			first = errors.Join(first, a.link.Close()) // nobody waits for an answer any more
		}
		first = errors.Join(first, t.env.CloseWorkers())
	}
	for i := len(t.closers) - 1; i >= 0; i-- {
		if err := t.closers[i].Close(); err != nil && first == nil {
			first = err
		}
	}
	t.closers = nil
	return first
}

// Session is what serves the tree.
type Session interface {
	Backer() Backer      // nil: the daemon carries the bytes of shared memory
	Facts() []nodes.Fact // its lines of /ctl/status
	backends.Limited     // and of /ctl/limits
	Waiting(w backends.Waiter) nodes.Waiting
	OpStats() []nodes.OpStats // what was done, by class and call
	// Drop has the kernel forget a name in a directory, soon, if nobody uses it.
	Drop(parent uint64, name string)
	// Outdate has the kernel ask for the attributes of a node when they are wanted next.
	Outdate(node uint64)
}

// Attach connects the tree to its session, which serves it at the mount point at.
func (t *Tree) Attach(s Session, at socket.Root) {
	at.Apart = append(t.apart, at.Device)
	t.sockets.Mounted(at)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.session = s
	t.env.CountWaiting(s.Waiting)
}

// Late are those for requests that have turned out to take long (mount).
func (t *Tree) Late() *backends.Workers { return t.env.Late }

// Workers are those for requests that take long: work for those that wait for nobody, away for those that
// wait for others.
func (t *Tree) Workers() (work, away *backends.Workers) { return t.env.Work, t.env.Away }

// AllWorkers are all that there are.
func (t *Tree) AllWorkers() []*backends.Workers { return t.env.Workers() }

// Poller is what wakes those who wait.
func (t *Tree) Poller() *backends.Poller { return t.env.Poll }

// limits are what can be met, and how much of it is used.
func (t *Tree) limits() []backends.Limit {
	t.mu.Lock()
	session := t.session
	t.mu.Unlock()
	list := backends.Limits(t.limited)
	if session != nil {
		list = append(list, session.Limits()...)
	}
	return list
}

// backer is the session's.
func (t *Tree) backer() Backer {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session == nil {
		return nil
	}
	return t.session.Backer()
}

// Restrictions are options that the tree must be mounted with, as what it shows is on a file system that was
// (noexec, nosuid).
func (t *Tree) Restrictions() []string { return t.restrictions }

// forgetful has the kernel forget a node.
func (t *Tree) forgetful(n Node) {
	t.mu.Lock()
	session := t.session
	t.mu.Unlock()
	if session != nil {
		session.Drop(n.Parent, n.Name)
	}
}

// outdate has the kernel ask for the attributes of a node when they are wanted next.
func (t *Tree) outdate(id uint64) {
	t.mu.Lock()
	session := t.session
	t.mu.Unlock()
	if session != nil {
		session.Outdate(id)
	}
}

// String names the file system.
func (t *Tree) String() string { return "ipcfs" }

// status are the facts of /ctl/status.
func (t *Tree) status() ([]nodes.Fact, error) {
	facts := []nodes.Fact{
		{Key: "version", Value: t.version},
		{Key: "pid", Value: nodes.Label(syscall.Getpid())},
		{Key: "started", Value: t.started.Format(time.RFC3339)},
		{Key: "options", Value: nodes.List(t.options)},
	}
	t.mu.Lock()
	session := t.session
	t.mu.Unlock()
	if session != nil {
		facts = append(facts, session.Facts()...)
	}
	facts = append(facts,
		nodes.Fact{Key: "passthrough_failures", Value: nodes.Count(t.backingFailures.Load())},
		nodes.Fact{Key: "open", Value: t.handles.count()},
		nodes.Fact{Key: "nodes", Value: t.table.count()})
	if t.unlisted != "" {
		facts = append(facts, nodes.Fact{Key: "queues", Value: "not-listed"},
			nodes.Fact{Key: "queues_reason", Value: t.unlisted})
	}
	facts = append(facts, t.attachedFacts()...)
	var incomplete nodes.List
	for _, k := range t.kinds[:len(t.kinds)-1] {
		n, err := countObjects(k.Class, k.Class.At(nodes.Seen{}))
		if errors.Is(err, backends.ErrIncomplete) {
			incomplete, err = append(incomplete, k.Name), nil
		}
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", k.Name, err)
		}
		facts = append(facts, nodes.Fact{Key: "objects_" + keyOf(k.Name), Value: n})
	}
	if len(incomplete) > 0 {
		facts = append(facts, nodes.Fact{Key: "incomplete", Value: incomplete})
	}
	return append(facts, t.own()...), nil
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// fail turns an error into the kernel's errno and keeps what a person should know of it.
func (t *Tree) fail(err error) fuse.Status {
	t.Note(err)
	return fuse.Status(nodes.Errno(err))
}

// failAt is fail for what a user tried with a node, or with a name in it.
func (t *Tree) failAt(by uint32, op string, n Node, name string, err error) fuse.Status {
	if err == syscall.ENOENT {
		return fuse.ENOENT // that says it all, and is the answer to many a lookup
	}
	path := t.where(n)
	if name != "" {
		path = join(path, name)
	}
	err = nodes.Explain(op, path, err)
	t.NoteBy(err, by)
	return fuse.Status(nodes.Errno(err))
}

// Note keeps an error that has advice for the err file of its object.
func (t *Tree) Note(err error) {
	if e, ok := err.(*nodes.Error); ok {
		t.env.Failures.Add(e.Path, e)
		t.log.Debug("refused", "err", e)
	}
}

// NoteBy is Note of what a user did.
func (t *Tree) NoteBy(err error, uid uint32) {
	if e, ok := err.(*nodes.Error); ok {
		t.env.Failures.AddBy(e.Path, e, uid)
		t.log.Debug("refused", "err", e)
	}
}

// Crowded notes that something was refused with ENOBUFS: a user has as much waiting, or kept, as one user may.
func (t *Tree) Crowded(op string, id uint64, uid uint32) {
	if n, ok := t.table.get(id); ok {
		t.NoteBy(nodes.Crowded(op, t.where(n), uid), uid)
	}
}

// where is the path of a node's object from the root of the tree: of a control file, the path of the object
// that it is about.
func (t *Tree) where(n Node) string {
	path, _ := t.table.path(n.ID)
	switch {
	case n.Kind == dirKind:
		return path
	case n.Part.Kind != "":
		return strings.TrimSuffix(strings.TrimSuffix(path, n.Part.Name), "/")
	case path == "":
		return t.kinds[n.Kind].Name
	}
	return join(t.kinds[n.Kind].Name, path)
}

// spoken is where a node is, as one word of the log.
func (t *Tree) spoken(n Node) string { return backends.Word(t.where(n)) }
