package nodes

import (
	"fmt"
	"os"
	"path"
	"syscall"

	"github.com/ipcfs/ipcfs/backends/socket"
)

// networks are the directories of /sockets whose names are addresses. HOST:PORT is there without being
// listed: opening it dials. :PORT and *:PORT are made and removed as other sockets are, and listen on the
// loopback addresses and on all.
var networks = []struct {
	name string
	typ  int
}{{"tcp", syscall.SOCK_STREAM}, {"udp", syscall.SOCK_DGRAM}}

// network reports whether a path is the directory of a network. It is open to all, as the classes
// themselves are.
func network(p string) bool {
	for _, n := range networks {
		if n.name == p {
			return true
		}
	}
	return false
}

// remote reports whether the object is the address of a host to call.
func (e socketEntry) remote() bool {
	to, err := parseHost(e.Path)
	return err == nil && !to.Listens()
}

// host is the address of a host to call, which belongs to the daemon's user and is everybody's to open.
func (s *Sockets) host(p string) Seen {
	a := Attr{Mode: syscall.S_IFREG | 0666, Nlink: 1, Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()),
		Atime: s.started, Mtime: s.started, Ctime: s.started}
	return Seen{Ref: Ref{Path: p, Was: a}, Message: true}
}

func parseHost(p string) (socket.Address, error) {
	dir, name := path.Split(p)
	for _, n := range networks {
		if n.name+"/" == dir {
			return socket.ParseAddress(n.typ, name)
		}
	}
	return socket.Address{}, syscall.ENOENT
}

// makeHost makes a socket that listens at a host's address. Port 0 lets the kernel choose one, which the
// name then has.
func (e socketEntry) makeHost(name string, o Owner, how listening) (Seen, error) {
	to, err := parseHost(e.name(name).Path())
	if err != nil || !to.Listens() {
		return Seen{}, advise("create", syscall.EINVAL,
			fmt.Errorf("a name here is HOST:PORT (IPv6 in brackets), which opening dials, "+
				"or :PORT or *:PORT, which making it listens on (%v)", err))
	}
	if _, err := e.entry.Find(name); err == nil {
		return Seen{}, syscall.EEXIST
	}
	var stat func() (Attr, error)
	one, err := e.all.listenHost(to, o, how, func() (Attr, error) { return stat() })
	if err != nil {
		return Seen{}, e.all.at(Seen{Ref: Ref{Path: e.name(name).Path()}}).explain("listen", err)
	}
	to.Port = one.port()
	made := e.name(to.String())
	a, err := e.dir.MakeText(made, how.command().String()+"\n", o)
	if err != nil {
		one.close()
		return Seen{}, err
	}
	seen := e.seen(made.Path(), e.shown(made.Path(), a))
	stat = e.all.at(seen).statOf()
	one.lasts(socketKey{id: a.ID})
	e.all.mu.Lock()
	e.all.keep(socketKey{id: a.ID}, one)
	e.all.mu.Unlock()
	return seen, nil
}

// listenHost listens at a host's address for its owner, who needs root's capabilities for the low ports.
func (s *Sockets) listenHost(to socket.Address, o Owner, how listening,
	stat func() (Attr, error)) (*socketState, error) {
	if how.typ != syscall.SOCK_STREAM {
		return nil, fmt.Errorf("%w: type= is for Unix sockets", syscall.EINVAL)
	}
	return s.paid(o.Uid, nil, func() (one *socketState, err error) {
		one = &socketState{}
		if to.Type == syscall.SOCK_DGRAM {
			one.datagrams, err = s.back.Bind(to, o, stat)
		} else {
			one.listener, err = s.back.Listen(to, o, how.backlog)
		}
		return one, err
	})
}
