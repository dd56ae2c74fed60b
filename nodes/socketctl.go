package nodes

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// Controls is Controller.Controls.
func (s *Sockets) Controls(path string, a Attr) []Control {
	dial := dialPerm(a.Mode)
	list := []Control{
		s.face("dial", dial, path, a, s.dial),
		TextControl("peer", func() (string, error) { return s.peers(s.find(a)), nil }),
		CommandControl("shutdown", dial&0222, noText, func(line string, by Caller) error {
			return s.shutdownOwn(path, s.find(a), line, by)
		}),
	}
	to, host := s.host(path)
	if host && to.Type == syscall.SOCK_DGRAM {
		if to.Listens() {
			list = append(list,
				s.face("records", a.Mode&0666, path, a, func(path string, a Attr, flags int, by Caller) (Open, error) {
					return s.datagrams(path, a, flags, by, NewRecords("from"))
				}),
				s.face("data", a.Mode&0444, path, a, func(path string, a Attr, flags int, by Caller) (Open, error) {
					return s.datagrams(path, a, flags, by, &Plain{})
				}))
		}
		return list
	}
	list = append(list, s.face("call", dial, path, a, s.call))
	if a.Type() == syscall.S_IFREG && (!host || to.Listens()) {
		list = append(list, taking(s.face("accept", 0, path, a, s.accept), a.Mode)) // a call is the one's who may read
	}
	if one := s.find(a); one.listens() && one.name != "" {
		list = append(list, Control{Name: "sock", Link: s.where + "/" + one.name})
	}
	return list
}

// dialPerm is the mode of a file that dials: a connection goes both ways, and connect(2) asks for write permission alone.
func dialPerm(mode uint32) uint32 { return mode&0222 | mode&0222<<1 }

func (s *Sockets) face(name string, perm uint32, path string, a Attr,
	open func(path string, a Attr, flags int, by Caller) (Open, error)) Control {
	return Control{Name: name, Perm: perm, Open: func(flags int, by Caller) (Open, error) { return open(path, a, flags, by) }}
}

// Control is Controller.Control: there are no others.
func (*Sockets) Control(string, Attr, string) (Control, bool) { return Control{}, false }

// shutdownHow are the values of how= of the command shutdown, which are those of shutdown(2).
var shutdownHow = map[string]int{"rd": syscall.SHUT_RD, "wr": syscall.SHUT_WR, "rdwr": syscall.SHUT_RDWR}

// shutdown ends one direction of connections: after wr the peer reads to its end while we read on. It is done to those of id= or pid=
// (who opened the face), else to those that the caller opened, if mine allows it.
func (s *Sockets) shutdown(one *socket, c Command, mine func(*link) bool, by Caller) error {
	if err := c.Only("how", "id", "pid"); err != nil {
		return err
	}
	how, ok := c.Get("how")
	if !ok {
		how = "wr"
	}
	bits, ok := shutdownHow[how]
	if !ok {
		return fmt.Errorf("how=%s is neither wr, rd nor rdwr", how)
	}
	id, err := c.Int("id", 0, 1)
	if err != nil {
		return err
	}
	pid, err := c.Int("pid", process(by.Pid), 1)
	if err != nil {
		return err
	}
	var conns []*backends.Conn
	if one != nil {
		s.mu.Lock()
		for _, l := range one.sorted() {
			if mine(l) && (id == l.id || id == 0 && process(l.by.Pid) == pid) {
				conns = append(conns, l.conn)
			}
		}
		s.mu.Unlock()
	}
	if len(conns) == 0 {
		return fmt.Errorf("%w: no such connection: name one that status lists, shutdown id=N, or the process that opened it, pid=N",
			syscall.ENOTCONN)
	}
	var errs error
	for _, conn := range conns {
		errs = errors.Join(errs, conn.Shutdown(bits))
	}
	return errs
}

func anybodys(*link) bool { return true }

// shutdownOwn is the file shutdown: a line `wr`, `rd` or `rdwr`, which may have id= or pid=, for those who do not own the socket, and for
// the connections of their own user alone.
func (s *Sockets) shutdownOwn(path string, one *socket, line string, by Caller) error {
	c, err := ParseCommand(line)
	if err != nil || c.Verb == "" {
		return err
	}
	c = Command{Verb: "shutdown", Options: append([]Option{{"how", c.Verb}}, c.Options...)}
	err = s.shutdown(one, c, func(l *link) bool { return by.Uid == 0 || l.by.Uid == by.Uid }, by)
	if err == nil {
		return nil
	}
	err = advise("shutdown", "sockets/"+path, errnoOr(err, syscall.EINVAL), err)
	s.env.Notes.Note("sockets/"+path, err)
	return err
}

// process is the process a thread belongs to (proc_pid_status(5), Tgid); the number itself if the thread is gone.
func process(tid int) int {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/status")
	if err != nil {
		return tid
	}
	_, rest, _ := strings.Cut(string(b), "\nTgid:")
	line, _, _ := strings.Cut(rest, "\n")
	if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
		return pid
	}
	return tid
}

// Report is Reporter.Report.
func (s *Sockets) Report(path string) ([]Fact, error) {
	a, err := s.Stat(path)
	if err != nil {
		return nil, err
	}
	one := s.find(a)
	to, host := s.host(path)
	facts := owned(a)
	if !host || to.Listens() {
		facts = append(facts, created(s.dir.Born(path))...)
	}
	switch {
	case one.listens():
		facts = append(facts, Fact{"state", "listening"}, Fact{"type", typeName(one.typ())})
		if host {
			facts = append(facts, Fact{"address", one.addresses()[0]}, Fact{"addresses", one.addresses()}, Fact{"port", ID(to.Port)})
		}
		if one.listener != nil {
			facts = append(facts, Fact{"backlog", one.listener.Backlog()})
		}
	case host && !to.Listens():
		facts = append(facts, Fact{"state", "remote"}, Fact{"type", typeName(to.Type)}, Fact{"address", to.String()})
	case a.Type() == syscall.S_IFSOCK:
		facts = append(facts, Fact{"state", "bound"})
	default:
		facts = append(facts, Fact{"state", "refusing"}) // see err
	}
	if one == nil {
		one = &socket{}
	}
	return append(facts, s.facts(one)...), nil
}
