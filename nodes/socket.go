package nodes

import (
	"os"
	"path"
	"sync"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/socket"
)

// Sockets is /sockets. A socket that a program bound is an S_IFSOCK node, and the kernel carries its data.
// One that was made by opening a new name (touch) has the face of a regular file. ipcfs listens for it on a
// socket in another directory, which native programs find by the link /ctl/sockets/NAME/sock. What O_EXCL
// made is a plain file (plainfile.go). In tcp and udp (host.go) names are addresses.
type Sockets struct {
	folder
	kind    string // what the tree calls the class
	env     *Env
	back    *socket.Maker
	bound   *backends.Dir // where its own Unix sockets are bound,
	where   string        // and how others reach them
	started time.Time
	plains  *plainFiles
	orphans orphans // not changed once the tree is open

	mu  sync.Mutex // taken after names
	all map[socketKey]*socketState
}

// socketKey is what the daemon knows an object by: that of a face or a node, or the address of a host.
type socketKey struct {
	id   backends.ID
	host string
}

// socketEntry is a socket, or a directory of them.
type socketEntry struct {
	entry
	all *Sockets
}

// NewSockets shows the sockets remembered in dir and listens again for those that were touched. Unix
// sockets of its own are bound in bound, which others reach as where.
func NewSockets(kind string, env *Env, back *socket.Maker, dir, bound *backends.Dir,
	where string) (*Sockets, error) {
	s := &Sockets{
		folder: folder{dir: dir, types: []uint32{syscall.S_IFSOCK, syscall.S_IFREG}, message: syscall.S_IFREG},
		kind:   kind, env: env, back: back, bound: bound, where: where, started: time.Now(),
		orphans: orphans{since: time.Now()}, plains: newPlainFiles(), all: map[socketKey]*socketState{},
	}
	top := s.at(Seen{})
	for _, n := range networks {
		o := Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0755}
		if _, err := top.entry.Mkdir(n.name, o); err != nil && err != syscall.EEXIST {
			s.env.Failures.Add(path.Join(kind, n.name), err) // on a full file system, perhaps; the rest goes on
		}
	}
	top.revive()
	s.sweep()
	return s, nil
}

// At is Class.At.
func (s *Sockets) At(seen Seen) Object {
	if s.plains.has(seen.Was.ID) {
		return s.plain(seen)
	}
	return s.at(seen)
}

func (s *Sockets) at(seen Seen) socketEntry { return socketEntry{entry{&s.folder, seen}, s} }

// Space is what room there is for objects.
func (s *Sockets) Space() (Space, error) { return s.space() }

// key is what the object is known by.
func (e socketEntry) key() socketKey {
	if e.remote() {
		return socketKey{host: e.Path}
	}
	return socketKey{id: e.Was.ID}
}

// Close stops listening; the faces stay, and are listened for again by the next daemon.
func (s *Sockets) Close() error {
	s.mu.Lock()
	all := s.all
	s.all = map[socketKey]*socketState{}
	s.mu.Unlock()
	for _, one := range all {
		one.close()
	}
	return nil
}

// Stat is Object.Stat.
func (e socketEntry) Stat(bool) (Attr, error) {
	if e.remote() {
		return e.all.host(e.Path).Was, nil
	}
	a, err := e.entry.Stat(false)
	return e.shown(e.Path, a), err
}

// shown makes the attributes of a file in the state directory those of the socket at a path.
func (e socketEntry) shown(path string, a Attr) Attr {
	switch {
	case network(path):
		a.Mode = syscall.S_IFDIR | 0777
	case plain(a):
		a.Mode &^= backends.PlainMark
	case a.Type() == syscall.S_IFREG:
		a.Size, a.Blocks = 0, 0 // how it listens is kept in there
	}
	return a
}

// Find is Directory.Find. Addresses of other hosts are there without being listed.
func (e socketEntry) Find(name string) (Seen, error) {
	p := e.name(name).Path()
	if to, err := parseHost(p); err == nil && !to.Listens() {
		return e.all.host(p), nil
	}
	seen, err := e.entry.Find(name)
	if plain(seen.Was) && !e.all.plains.has(seen.Was.ID) {
		// It is an earlier daemon's, or is just being made, or has just gone: that is over when names is
		// free.
		e.names.Lock()
		defer e.names.Unlock()
		if seen, err = e.entry.Find(name); plain(seen.Was) {
			e.all.plains.met(seen.Was, false)
		}
	}
	seen = e.marked(seen)
	seen.Ours = network(p)
	return seen, err
}

// Mknod is Maker.Mknod, for bind(2).
func (e socketEntry) Mknod(name string, typ uint32, o Owner) (Seen, error) {
	switch {
	case typ == syscall.S_IFREG:
		return e.make(name, o, listening{typ: syscall.SOCK_STREAM, backlog: socket.MaxBacklog})
	case typ == syscall.S_IFSOCK && !network(e.Path):
		return e.mknod(name, typ, o)
	}
	return Seen{}, syscall.EPERM
}

// Create is Maker.Create: it makes a listening socket, or with O_EXCL a plain file. The open that makes a
// socket does not call it yet.
func (e socketEntry) Create(name string, o Owner, flags int, by Caller) (Seen, Open, error) {
	if flags&syscall.O_EXCL != 0 && !network(e.Path) {
		return e.createPlain(name, o, flags, by)
	}
	seen, err := e.make(name, o, listening{typ: syscall.SOCK_STREAM, backlog: socket.MaxBacklog})
	if err != nil {
		return seen, nil, err
	}
	open, err := e.all.at(seen).Open(flags|syscall.O_CREAT, by)
	if err != nil {
		Unmake(e, seen, Caller{})
	}
	return seen, open, err
}

// New is newer.New: a listening socket of a type, with a backlog.
func (e socketEntry) New(name string, _ Owner, c Command, once making) error {
	how, err := listeningOf(c, "mode")
	if err == nil {
		_, err = once(func(o Owner) (Seen, error) { return e.make(name, o, how) })
	}
	return err
}

func (e socketEntry) make(name string, o Owner, how listening) (Seen, error) {
	o.Mode &^= notOurs
	e.names.Lock()
	defer e.names.Unlock()
	if network(e.Path) {
		return e.makeHost(name, o, how)
	}
	n := e.name(name)
	a, err := e.dir.MakeText(n, how.command().String()+"\n", o)
	if err != nil {
		return Seen{}, err
	}
	one := e.all.at(e.seen(n.Path(), e.shown(n.Path(), a)))
	if err := one.again(); err != nil {
		_ = e.dir.Remove(n)
		return Seen{}, one.explain("listen", err)
	}
	return one.Seen, nil
}

// find is what the daemon keeps of the object; nil: nothing.
func (e socketEntry) find() *socketState {
	e.all.mu.Lock()
	defer e.all.mu.Unlock()
	return e.all.all[e.key()]
}

// Change is Object.Change: users who may open the face may connect to its socket.
func (e socketEntry) Change(c Change) error {
	if c.Size = nil; c == (Change{}) {
		return nil
	}
	if e.remote() {
		// touch comes here too, by those who want to listen there.
		return advise("change", syscall.EPERM, &backends.Refusal{Err: syscall.EPERM, Why: whyCalled})
	}
	if network(e.Path) {
		if c.Atime, c.Mtime = nil, nil; c != (Change{}) {
			return syscall.EPERM
		}
		return nil
	}
	// The last change of the face is also the last one of the socket behind it.
	e.names.Lock()
	defer e.names.Unlock()
	a, err := e.Stat(false)
	if err != nil {
		return err
	}
	if err := e.entry.Change(withoutBits(a, c)); err != nil {
		return err
	}
	if a, err = e.Stat(false); err != nil {
		return err
	}
	if c.Uid != nil {
		e.all.mu.Lock()
		if one := e.all.all[e.key()]; one != nil {
			one.payer.becomes(a.Uid)
		}
		e.all.mu.Unlock()
	}
	if one := e.find(); one != nil && one.listener != nil {
		return one.listener.Own(Owner{Uid: a.Uid, Gid: a.Gid, Mode: a.Mode & 0777})
	}
	return nil
}
