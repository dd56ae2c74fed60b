package nodes

import (
	"crypto/rand"
	"path"
	"syscall"

	"github.com/ipcfs/ipcfs/backends/socket"
)

// How ipcfs listens for the sockets that it made itself.

// revive listens for what is remembered below a directory. A port that is taken is tried again at an open.
func (e socketEntry) revive() {
	list, err := e.List()
	if err != nil {
		e.note(err) // a directory that cannot be read keeps nobody else's socket from listening
		return
	}
	for _, found := range list {
		seen, err := e.Find(found.Name)
		if err != nil {
			continue // it went just now
		}
		one := e.all.at(seen)
		switch seen.Was.Type() {
		case syscall.S_IFDIR:
			one.revive()
		case syscall.S_IFSOCK:
			e.all.orphans.add(seen.Was.ID)
		case syscall.S_IFREG:
			if e.all.plains.has(seen.Was.ID) {
				continue
			}
			if err := one.again(); err != nil {
				one.note(one.explain("listen", err))
			}
		}
	}
}

// note keeps an error for the err file of the object.
func (e socketEntry) note(err error) {
	path := path.Join(e.all.kind, e.Path)
	if known, ok := err.(*Error); ok {
		known.Path = path
	}
	e.all.env.Notes.Note(path, err)
}

// again listens for a face that is there already. The caller holds names, or is alone.
func (e socketEntry) again() error {
	text, err := e.dir.Text(e.Ref)
	if err != nil {
		return err
	}
	how, err := readListening(text)
	if err != nil {
		return err
	}
	a, err := e.Stat(false)
	if err != nil {
		return err
	}
	one, err := e.listen(a, how)
	if err != nil {
		return err
	}
	e.all.mu.Lock()
	defer e.all.mu.Unlock()
	e.all.all[e.key()] = one
	return nil
}

// listen listens for a face.
func (e socketEntry) listen(a Attr, how listening) (*socketState, error) {
	o := Owner{Uid: a.Uid, Gid: a.Gid, Mode: a.Mode & 0777}
	if to, err := parseHost(e.Path); err == nil {
		return e.all.listenHost(to, o, how, e.statOf())
	}
	// All these sockets lie in one directory that nobody may list. The modes of the directories that the
	// face lies in still count, because nobody can guess the name of the socket: ctl shows it to those who
	// can reach the face.
	return e.all.paid(o.Uid, e.all.bound.Room(), func() (one *socketState, err error) {
		one = &socketState{name: rand.Text()}
		at := socket.Address{Type: how.typ, Path: e.all.bound.Path(one.name)}
		one.listener, err = e.all.back.Listen(at, o, how.backlog)
		return one, err
	})
}
