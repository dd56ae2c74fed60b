package nodes

import (
	"fmt"
	"path"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// networks are the directories of /sockets whose names are addresses. HOST:PORT is there without being listed: opening it dials. :PORT
// and *:PORT are made and removed as other sockets are, and listen on the loopback addresses and on all.
var networks = []struct {
	name string
	typ  int
}{{"tcp", syscall.SOCK_STREAM}, {"udp", syscall.SOCK_DGRAM}}

// Keeps is Keeper.Keeps.
func (*Sockets) Keeps(dir string) bool {
	for _, n := range networks {
		if n.name == dir {
			return true
		}
	}
	return false
}

// inNetwork reports whether a path is below one of the networks' directories.
func (s *Sockets) inNetwork(p string) bool {
	dir, _, below := strings.Cut(p, "/")
	return below && s.Keeps(dir)
}

// host is the address that a path is; false if it is none.
func (s *Sockets) host(p string) (backends.Address, bool) {
	to, err := parseHost(p)
	return to, err == nil
}

func parseHost(p string) (backends.Address, error) {
	dir, name := path.Split(p)
	for _, n := range networks {
		if n.name+"/" == dir {
			return backends.ParseAddress(n.typ, name)
		}
	}
	return backends.Address{}, syscall.ENOENT
}

// makeHost makes a socket that listens at a host's address. Port 0 lets the kernel choose one, which the name then has.
func (s *Sockets) makeHost(p string, o Owner, how listening) error {
	to, err := parseHost(p)
	if err != nil || !to.Listens() {
		return advise("create", "sockets/"+p, syscall.EINVAL,
			fmt.Errorf("a name here is HOST:PORT (IPv6 in brackets), which opening dials, or :PORT or *:PORT, which making it listens on (%v)", err))
	}
	if _, err := s.folder.Stat(p); err == nil {
		return syscall.EEXIST
	}
	var stat func() (Attr, error)
	one, err := s.listenHost(to, o, how, func() (Attr, error) { return stat() })
	if err != nil {
		return s.explain("listen", p, err)
	}
	to.Port = one.port()
	made := path.Dir(p) + "/" + to.String()
	err = s.dir.MakeText(made, how.command().String()+"\n", o)
	a, statErr := s.Stat(made)
	if err == nil {
		err = statErr
	}
	if err != nil {
		one.close()
		return err
	}
	stat = s.statOf(made, a)
	s.mu.Lock()
	s.all[a.Ino] = one
	s.mu.Unlock()
	if made != p {
		return &Made{to.String()}
	}
	return nil
}

// listenHost listens at a host's address for its owner, who needs root's capabilities for the low ports.
func (s *Sockets) listenHost(to backends.Address, o Owner, how listening, stat func() (Attr, error)) (*socket, error) {
	if how.typ != syscall.SOCK_STREAM {
		return nil, fmt.Errorf("%w: type= is for Unix sockets", syscall.EINVAL)
	}
	return s.paid(o.Uid, nil, func() (one *socket, err error) {
		one = &socket{}
		if to.Type == syscall.SOCK_DGRAM {
			one.datagrams, err = s.back.Bind(to, o, stat)
		} else {
			one.listener, err = s.back.Listen(to, o, how.backlog)
		}
		return one, err
	})
}
