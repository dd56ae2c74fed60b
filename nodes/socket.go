package nodes

import (
	"crypto/rand"
	"errors"
	"os"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// Sockets is /sockets. A socket that a program bound is an S_IFSOCK node, and the kernel carries its data. One that was made by
// opening a new name (touch) has the face of a regular file: ipcfs listens for it on a socket in another directory, where native
// programs find it by the link /ctl/sockets/NAME/sock. In tcp and udp (see host.go) names are addresses.
type Sockets struct {
	folder
	env     *Env
	back    *backends.Sockets
	bound   *backends.Dir // where its own Unix sockets are bound,
	where   string        // and how others reach them
	started time.Time

	names sync.Mutex // held while a name and what listens for it begin or end together; taken before mu

	mu  sync.Mutex
	all map[uint64]*socket // by the inode of the face or node
}

// NewSockets shows the sockets remembered in dir and listens again for those that were touched. Unix sockets of its own are bound in
// bound, which others reach as where.
func NewSockets(env *Env, back *backends.Sockets, dir, bound *backends.Dir, where string) (*Sockets, error) {
	s := &Sockets{
		folder: folder{dir: dir, types: []uint32{syscall.S_IFSOCK, syscall.S_IFREG}},
		env:    env, back: back, bound: bound, where: where, started: time.Now(),
		all: map[uint64]*socket{},
	}
	for _, n := range networks {
		if err := dir.Mkdir(n.name, Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0755}); err != nil && err != syscall.EEXIST {
			return nil, err
		}
	}
	return s, s.revive("")
}

// revive listens for what is remembered below dir. What cannot be listened for, as its port is another program's by now, is tried again
// when it is opened.
func (s *Sockets) revive(dir string) error {
	list, err := s.List(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		name := path.Join(dir, e.Name)
		if e.Type == syscall.S_IFDIR {
			if err := s.revive(name); err != nil {
				return err
			}
		}
		if e.Type != syscall.S_IFREG {
			continue
		}
		if err := s.again(name); err != nil {
			s.env.Notes.Note("sockets/"+name, s.explain("listen", name, err))
		}
	}
	return nil
}

// again listens for a face that is there already. The caller holds s.names, or is alone.
func (s *Sockets) again(path string) error {
	text, err := s.dir.Text(path)
	if err != nil {
		return err
	}
	how, err := readListening(text)
	if err != nil {
		return err
	}
	a, err := s.Stat(path)
	if err != nil {
		return err
	}
	one, err := s.listen(path, a, how)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[a.Ino] = one
	return nil
}

// Close stops listening; the faces stay, and are listened for again by the next daemon.
func (s *Sockets) Close() error {
	s.mu.Lock()
	all := s.all
	s.all = map[uint64]*socket{}
	s.mu.Unlock()
	for _, one := range all {
		one.close()
	}
	return nil
}

// Message is Class.Message.
func (*Sockets) Message(a Attr) bool { return a.Type() == syscall.S_IFREG }

// Stat is Class.Stat.
func (s *Sockets) Stat(path string) (Attr, error) {
	if to, ok := s.host(path); ok && !to.Listens() {
		// It is the daemon's, as directories that are only in the tree are: see ourDir.
		return Attr{Ino: ino("sockets/" + path), Mode: syscall.S_IFREG | 0666, Nlink: 1,
			Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Atime: s.started, Mtime: s.started, Ctime: s.started}, nil
	}
	a, err := s.folder.Stat(path)
	switch {
	case s.Keeps(path):
		a.Mode = syscall.S_IFDIR | 0777
	case a.Type() == syscall.S_IFREG:
		a.Size, a.Blocks = 0, 0 // how it listens is kept in there
	}
	return a, err
}

// Mknod is Maker.Mknod, for bind(2).
func (s *Sockets) Mknod(path string, typ uint32, o Owner) error {
	switch {
	case typ == syscall.S_IFREG:
		return s.Create(path, o, true)
	case typ == syscall.S_IFSOCK && !s.inNetwork(path):
		return s.dir.Mknod(path, typ, o)
	}
	return syscall.EPERM
}

// Create makes a listening socket.
func (s *Sockets) Create(path string, o Owner, _ bool) error {
	return s.make(path, o, listening{typ: syscall.SOCK_STREAM, backlog: backends.MaxBacklog})
}

// New is Newer.New: a listening socket of a type, with a backlog.
func (s *Sockets) New(path string, o Owner, c Command) error {
	how, err := listeningOf(c, "mode")
	if err != nil {
		return err
	}
	return s.make(path, o, how)
}

func (s *Sockets) make(path string, o Owner, how listening) (err error) {
	o.Mode &^= setIDs
	s.names.Lock()
	defer s.names.Unlock()
	if s.inNetwork(path) {
		return s.makeHost(path, o, how)
	}
	if err := s.dir.MakeText(path, how.command().String()+"\n", o); err != nil {
		return err
	}
	if err := s.again(path); err != nil {
		_ = s.dir.Remove(path)
		return s.explain("listen", path, err)
	}
	return nil
}

// listen listens for a face.
func (s *Sockets) listen(path string, a Attr, how listening) (*socket, error) {
	o := Owner{Uid: a.Uid, Gid: a.Gid, Mode: a.Mode & 0777}
	if to, ok := s.host(path); ok {
		return s.listenHost(to, o, how, s.statOf(path, a))
	}
	// All these sockets lie in one directory that nobody may list, and the modes of the directories that the face lies in count only
	// because nobody can guess the name: ctl shows it to those who can reach the face.
	return s.paid(o.Uid, s.bound.Room(), func() (one *socket, err error) {
		one = &socket{name: rand.Text()}
		one.listener, err = s.back.Listen(backends.Address{Type: how.typ, Path: s.bound.Path(one.name)}, o, how.backlog)
		return one, err
	})
}

// find is what the daemon keeps of an object; nil: nothing.
func (s *Sockets) find(a Attr) *socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[a.Ino]
}

// Remove is Remover.Remove. Connections go on; an open that waits to accept ends.
func (s *Sockets) Remove(path string) error {
	if to, ok := s.host(path); ok && !to.Listens() {
		return syscall.EPERM
	}
	s.names.Lock()
	defer s.names.Unlock()
	a, err := s.Stat(path)
	if err != nil {
		return err
	}
	if err := s.dir.Remove(path); err != nil {
		return err
	}
	s.lost(a.Ino)
	return nil
}

// lost is called when an object has lost its name.
func (s *Sockets) lost(ino uint64) {
	s.mu.Lock()
	one := s.all[ino]
	delete(s.all, ino)
	s.mu.Unlock()
	if one != nil {
		one.close()
	}
}

// errAddress is why nothing else is made of the names in tcp and udp.
var errAddress = errors.New("a name in tcp and udp is an address: make another (touch :PORT) and remove this one")

// Mkdir is Folders.Mkdir.
func (s *Sockets) Mkdir(path string, o Owner) error {
	if s.inNetwork(path) {
		return advise("mkdir", "sockets/"+path, syscall.EPERM, errAddress)
	}
	return s.folder.Mkdir(path, o)
}

// Rmdir is Folders.Rmdir.
func (s *Sockets) Rmdir(path string) error {
	if s.Keeps(path) {
		return syscall.EPERM
	}
	return s.folder.Rmdir(path)
}

// Rename is Folders.Rename: a face that is replaced stops listening.
func (s *Sockets) Rename(from, to string, flags uint32) error {
	if slices.ContainsFunc([]string{from, to}, func(p string) bool { return s.inNetwork(p) || s.Keeps(p) }) {
		return advise("rename", "sockets/"+from, syscall.EPERM, errAddress)
	}
	s.names.Lock()
	defer s.names.Unlock()
	old, missing := s.Stat(to)
	if err := s.folder.Rename(from, to, flags); err != nil {
		return err
	}
	if missing != nil || flags != 0 {
		return nil
	}
	if now, err := s.Stat(to); err == nil && now.Ino != old.Ino {
		s.lost(old.Ino)
	}
	return nil
}

// Change is Changer.Change: who may open the face may connect to its socket.
func (s *Sockets) Change(path string, c Change) error {
	if c.Size = nil; c == (Change{}) {
		return nil
	}
	if to, ok := s.host(path); ok && !to.Listens() {
		// touch comes here too, by who wants to listen there.
		return advise("change", "sockets/"+path, syscall.EPERM, errors.New("HOST:PORT is called by opening it; touch :PORT or '*:PORT' listens"))
	}
	if s.Keeps(path) {
		if c.Atime, c.Mtime = nil, nil; c != (Change{}) {
			return syscall.EPERM
		}
		return nil
	}
	a, err := s.Stat(path)
	if err != nil {
		return err
	}
	if err := s.dir.Change(path, withoutSetID(a, c)); err != nil {
		return err
	}
	if a, err = s.Stat(path); err != nil {
		return err
	}
	if c.Uid != nil {
		s.mu.Lock()
		if one := s.all[a.Ino]; one != nil {
			one.payer.becomes(a.Uid)
		}
		s.mu.Unlock()
	}
	if one := s.find(a); one != nil && one.listener != nil {
		return one.listener.Own(Owner{Uid: a.Uid, Gid: a.Gid, Mode: a.Mode & 0777})
	}
	return nil
}
