package nodes

import (
	"path"
	"strconv"
	"sync"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// Sockets is /sockets. A socket that a program bound is an S_IFSOCK node, and the kernel carries its data. One that was made by
// opening a new name (touch) has the face of a regular file: ipcfs listens for it on a socket in another directory, where native
// programs find it by the link /ctl/sockets/NAME/sock.
type Sockets struct {
	folder
	env   *Env
	bound *backends.Dir // where its own sockets are bound,
	where string        // and how others reach them

	mu        sync.Mutex
	listeners map[uint64]*backends.Listener // by the inode of the face
}

// NewSockets shows the sockets remembered in dir and listens again for those that were touched. Sockets of its own are bound in
// bound, which others reach as where.
func NewSockets(env *Env, dir, bound *backends.Dir, where string) (*Sockets, error) {
	s := &Sockets{
		folder: folder{dir: dir, types: []uint32{syscall.S_IFSOCK, syscall.S_IFREG}}, env: env, bound: bound, where: where,
		listeners: map[uint64]*backends.Listener{},
	}
	return s, s.revive("")
}

func (s *Sockets) revive(dir string) error {
	list, err := s.List(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		name := path.Join(dir, e.Name)
		switch e.Type {
		case syscall.S_IFDIR:
			err = s.revive(name)
		case syscall.S_IFREG:
			err = s.listen(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Close stops listening; the faces stay, and are listened for again by the next daemon.
func (s *Sockets) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ino, l := range s.listeners {
		l.Close()
		delete(s.listeners, ino)
	}
	return nil
}

// Message is Class.Message.
func (*Sockets) Message(a Attr) bool { return a.Type() == syscall.S_IFREG }

// Mknod is Maker.Mknod, for bind(2).
func (s *Sockets) Mknod(path string, typ uint32, o Owner) error {
	switch typ {
	case syscall.S_IFREG:
		return s.Create(path, o, true)
	case syscall.S_IFSOCK:
		return s.dir.Mknod(path, typ, o)
	}
	return syscall.EPERM
}

// Create makes a listening socket.
func (s *Sockets) Create(path string, o Owner, _ bool) error {
	if err := s.dir.Mknod(path, syscall.S_IFREG, o); err != nil {
		return err
	}
	if err := s.listen(path); err != nil {
		_ = s.dir.Remove(path)
		return err
	}
	return nil
}

func (s *Sockets) listen(path string) error {
	a, err := s.Stat(path)
	if err != nil {
		return err
	}
	l, err := backends.Listen(s.env.Poll, s.bound.Path(sockName(a)), Owner{Uid: a.Uid, Gid: a.Gid, Mode: a.Mode & 0777})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners[a.Ino] = l
	return nil
}

// sockName is what the socket of a face is called where it is bound.
func sockName(face Attr) string { return strconv.FormatUint(face.Ino, 10) }

// listener finds what listens for a face.
func (s *Sockets) listener(path string) (*backends.Listener, error) {
	a, err := s.Stat(path)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.listeners[a.Ino]
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	return l, nil
}

// Open opens the face: O_RDONLY accepts the next connection, anything else dials. A dialler that must not block, or that has only
// just made the socket (touch, `:>`), connects when it first writes, so that making a socket is not a call to answer.
func (s *Sockets) Open(path string, flags int, by Caller) (Open, error) {
	l, err := s.listener(path)
	if err != nil {
		return nil, err
	}
	first, err := s.Stat(path)
	if err != nil {
		return nil, err
	}
	stat := func() (Attr, error) {
		if a, err := s.Stat(path); err == nil && a.Ino == first.Ino {
			return a, nil
		}
		gone := first
		gone.Nlink = 0
		return gone, nil
	}
	var c *backends.Conn
	if writes(flags) {
		lazy := flags&syscall.O_CREAT != 0 || flags&accessMode == syscall.O_WRONLY && flags&syscall.O_NONBLOCK != 0
		c, err = backends.Dial(s.env.Poll, l.Path(), by.Uid, by.Gid, lazy, stat)
	} else {
		c, err = l.Accept(stat)
	}
	if err != nil {
		return nil, err
	}
	return s.env.File(&Plain{}, c, syscall.O_RDWR, by), nil
}

// OpenWaits is OpenWaiter.OpenWaits: a blocked accept waits for the listener.
func (s *Sockets) OpenWaits(path string) (backends.Waiter, error) {
	l, err := s.listener(path)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Remove is Remover.Remove. Connections go on; an open that waits to accept ends.
func (s *Sockets) Remove(path string) error {
	a, err := s.Stat(path)
	if err != nil {
		return err
	}
	if err := s.dir.Remove(path); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.listeners[a.Ino]; l != nil {
		delete(s.listeners, a.Ino)
		return l.Close()
	}
	return nil
}

// Rename is Folders.Rename: a face that is replaced stops listening.
func (s *Sockets) Rename(from, to string, flags uint32) error {
	old, missing := s.Stat(to)
	if err := s.folder.Rename(from, to, flags); err != nil {
		return err
	}
	if missing != nil || flags != 0 {
		return nil
	}
	if now, err := s.Stat(to); err != nil || now.Ino == old.Ino {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.listeners[old.Ino]; l != nil {
		delete(s.listeners, old.Ino)
		return l.Close()
	}
	return nil
}

// Change is Changer.Change: who may open the face may connect to its socket.
func (s *Sockets) Change(path string, c Change) error {
	c.Size = nil
	if err := s.dir.Change(path, c); err != nil {
		return err
	}
	a, err := s.Stat(path)
	if err != nil || a.Type() != syscall.S_IFREG {
		return err
	}
	l, err := s.listener(path)
	if err != nil {
		return nil
	}
	return l.Own(Owner{Uid: a.Uid, Gid: a.Gid, Mode: a.Mode & 0777})
}

// Controls is Controller.Controls.
func (s *Sockets) Controls(path string, a Attr) []Control {
	if a.Type() != syscall.S_IFREG {
		return nil
	}
	return []Control{{Name: "sock", Link: s.where + "/" + sockName(a)}}
}

// Control is Controller.Control: there are no others.
func (*Sockets) Control(string, Attr, string) (Control, bool) { return Control{}, false }

// Report is Reporter.Report.
func (s *Sockets) Report(path string) ([]Fact, error) {
	a, err := s.Stat(path)
	if err != nil {
		return nil, err
	}
	kind := "bound"
	if a.Type() == syscall.S_IFREG {
		kind = "listening"
	}
	facts, err := s.folder.Report(path)
	return append(facts, Fact{"state", kind}), err
}
