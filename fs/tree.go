// Package fs is the tree: which kinds of objects there are, the node ids and handles the kernel knows them by, and the
// fuse.RawFileSystem that answers for them. It knows nothing of what is inside a kind.
//
// Reads and writes that may wait do not come here: package mount serves them from the open *nodes.File (see Tree.File). Everything
// else is answered at once. All methods are safe for concurrent use.
package fs

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// Config says where the objects are and what new ones are like.
type Config struct {
	StateDir        string // what must survive the daemon; one daemon at a time
	ShmDir          string // "/dev/shm" if empty
	MaxMsg, MsgSize int    // of new queues; 0: the kernel's defaults
	Version         string
	Log             *slog.Logger
}

// Tree is the file system. It implements fuse.RawFileSystem.
type Tree struct {
	fuse.RawFileSystem // for what Linux never asks

	log     *slog.Logger
	version string
	started time.Time
	kinds   []nodes.Kind
	notes   *nodes.Notes
	table   *table
	handles *handles
	poll    *backends.Poller
	closers []io.Closer

	mu      sync.Mutex
	backer  Backer
	session func() []nodes.Fact

	backingFailures atomic.Int64
}

// A Backer lets the kernel carry the bytes of an open file itself (FUSE passthrough, Linux 6.9).
type Backer interface {
	// BackingOpen registers the file open at fd. An error means that the daemon has to carry the bytes.
	BackingOpen(fd int) (int32, error)
	BackingClose(id int32) error
}

// New opens the objects of the ipc namespace and mount namespace it is called in, and locks the state directory: ErrLocked if another
// daemon has it.
func New(c Config) (*Tree, error) {
	if c.ShmDir == "" {
		c.ShmDir = "/dev/shm"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	t := &Tree{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		log:           c.Log, version: c.Version, started: time.Now(),
		notes: nodes.NewNotes(), table: newTable(), handles: newHandles(),
	}
	lock, err := lockState(c.StateDir)
	if err != nil {
		return nil, err
	}
	t.closers = append(t.closers, lock)
	if t.poll, err = backends.NewPoller(); err == nil {
		t.closers = append(t.closers, t.poll)
		err = t.openKinds(c)
	}
	if err != nil {
		t.Close()
		return nil, err
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
	t.handles.all = map[uint64]*Handle{}
	t.handles.mu.Unlock()
	for _, h := range open {
		t.closeHandle(h)
	}
	var first error
	for i := len(t.closers) - 1; i >= 0; i-- {
		if err := t.closers[i].Close(); err != nil && first == nil {
			first = err
		}
	}
	t.closers = nil
	return first
}

// Attach connects the tree to its session: what registers backing files (nil for none), and the session's own facts for /ctl/status.
func (t *Tree) Attach(b Backer, facts func() []nodes.Fact) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.backer, t.session = b, facts
}

// String names the file system.
func (t *Tree) String() string { return "ipcfs" }

// status is the text of /ctl/status.
func (t *Tree) status() (string, error) {
	facts := []nodes.Fact{
		{Key: "version", Value: t.version},
		{Key: "pid", Value: strconv.Itoa(syscall.Getpid())},
		{Key: "started", Value: t.started.Format(time.RFC3339)},
	}
	t.mu.Lock()
	session := t.session
	t.mu.Unlock()
	if session != nil {
		facts = append(facts, session()...)
	}
	facts = append(facts,
		nodes.Fact{Key: "passthrough_failures", Value: strconv.FormatInt(t.backingFailures.Load(), 10)},
		nodes.Fact{Key: "open", Value: strconv.Itoa(t.handles.count())},
		nodes.Fact{Key: "nodes", Value: strconv.Itoa(t.table.count())})
	for _, k := range t.kinds[:len(t.kinds)-1] {
		n, err := countObjects(k.Class, "")
		if err != nil {
			return "", fmt.Errorf("listing %s: %w", k.Name, err)
		}
		facts = append(facts, nodes.Fact{Key: k.Name, Value: strconv.Itoa(n)})
	}
	return nodes.Render(facts), nil
}

func countObjects(c nodes.Class, dir string) (int, error) {
	list, err := c.List(dir)
	count := 0
	for _, e := range list {
		if e.Type != syscall.S_IFDIR {
			count++
			continue
		}
		n, err := countObjects(c, join(dir, e.Name))
		if err != nil {
			return 0, err
		}
		count += n
	}
	return count, err
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// fail turns an error into the kernel's errno and keeps what a person should know of it.
func (t *Tree) fail(n *node, child string, err error) fuse.Status {
	t.Note(n.id, child, err)
	return fuse.Status(nodes.Errno(err))
}

// Note keeps an error that has advice for the err file of the object that is child of the node id, or the node itself.
func (t *Tree) Note(id uint64, child string, err error) {
	advice, ok := err.(*nodes.Error)
	if !ok {
		return
	}
	n := t.table.get(id)
	if n == nil || n.kind == rootKind {
		return
	}
	t.notes.Note(join(t.kinds[n.kind].Name, t.table.path(n, child)), advice)
	t.log.Debug("refused", "err", advice)
}

// class is the class n is in; nil for the root.
func (t *Tree) class(n *node) nodes.Class {
	if n.kind == rootKind {
		return nil
	}
	return t.kinds[n.kind].Class
}
