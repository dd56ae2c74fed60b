package nodes

import (
	"crypto/rand"
	"fmt"
	"os"
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
	e.all.env.Failures.Add(path, err)
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
	one.lasts(e.key())
	e.all.mu.Lock()
	defer e.all.mu.Unlock()
	e.all.keep(e.key(), one)
	return nil
}

// listen listens for a face, or goes on with what an earlier process listened with.
func (e socketEntry) listen(a Attr, how listening) (*socketState, error) {
	o := Owner{Uid: a.Uid, Gid: a.Gid, Mode: a.Mode & 0777}
	to, err := parseHost(e.Path)
	host := err == nil
	if one := e.goesOn(to, host, how); one != nil {
		one.payer = payer{&e.all.env.Shares, nil, o.Uid}
		one.payer.shares.Add(o.Uid, 1)
		if !host {
			one.payer.room = e.all.bound.Room() // its node is counted already
		}
		return one, nil
	}
	if host {
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

// goesOn is what an earlier process listened with, at the address of a host if it has one; nil: it did not
// listen.
func (e socketEntry) goesOn(to socket.Address, host bool, how listening) *socketState {
	back, key := e.all.back, e.key().String()
	one := &socketState{}
	switch {
	case host && to.Type == syscall.SOCK_DGRAM:
		one.datagrams = back.BindAgain(key, e.statOf())
	case host:
		one.listener = back.ListenAgain(key, to, how.backlog)
	default:
		one.name = back.Left(key)
		to = socket.Address{Type: how.typ, Path: e.all.bound.Path(one.name)}
		one.listener = back.ListenAgain(key, to, how.backlog)
	}
	if !one.listens() {
		return nil
	}
	return one
}

// lasts has what listens for the object of a key outlive this process.
func (one *socketState) lasts(key socketKey) {
	if one.datagrams != nil {
		one.datagrams.Lasts(key.String())
	} else {
		one.listener.Lasts(key.String(), one.name)
	}
}

// String names what an object is known by.
func (k socketKey) String() string { return fmt.Sprint(k.id.Ino, "/", k.id.Born, "/", k.host) }

// sweep removes what is bound for nobody: an earlier process was about to listen there, or to end that.
func (s *Sockets) sweep() {
	list, err := s.bound.List(Ref{})
	if err != nil {
		return
	}
	used := map[string]bool{}
	for _, one := range s.all {
		used[one.name] = true
	}
	for _, found := range list {
		if !used[found.Name] {
			_ = os.Remove(s.bound.Path(found.Name))
		}
	}
}
