package nodes

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/socket"
)

// Controls is controller.Controls.
func (e socketEntry) Controls() []Control {
	if e.Was.Type() == syscall.S_IFDIR {
		return nil
	}
	dial := dialPerm(e.Was.Mode)
	list := []Control{
		{Name: "dial", Perm: dial, Open: e.judge(e.dial)},
		TextControl("peer", func() (string, error) { return e.all.peers(e.find()), nil }),
		commandControl("shutdown", dial&0222, noText, e.shutdownOwn),
	}
	to, err := parseHost(e.Path)
	host := err == nil
	if host && to.Type == syscall.SOCK_DGRAM {
		if to.Listens() {
			list = append(list,
				Control{Name: "records", Perm: e.Was.Mode & 0666, Open: e.judge(func(flags int, by Caller) (Open, error) {
					return e.datagrams(flags, by, newRecords("from"))
				})},
				Control{Name: "data", Perm: e.Was.Mode & 0444, Open: e.judge(func(flags int, by Caller) (Open, error) {
					return e.datagrams(flags, by, &Plain{})
				})})
		}
		return list
	}
	list = append(list, Control{Name: "call", Perm: dial, Open: e.judge(e.ask)})
	if e.Was.Type() == syscall.S_IFREG && (!host || to.Listens()) {
		// a call belongs to a user who may read the socket
		list = append(list, taking(Control{Name: "accept", Open: e.judge(e.accept)}, e.Was.Mode))
	}
	if one := e.find(); one.listens() && one.name != "" {
		list = append(list, Control{Name: "sock", Link: e.all.where + "/" + one.name})
	}
	return list
}

// judge is open, but for ESTALE if the socket is not any more as the kernel judged it.
func (e socketEntry) judge(open func(int, Caller) (Open, error)) func(int, Caller) (Open, error) {
	return func(flags int, by Caller) (Open, error) {
		if err := e.judged(); err != nil && !by.goesOn(err) {
			return nil, err
		}
		return open(flags, by)
	}
}

// dialPerm is the mode of a file that dials: a connection goes both ways, and connect(2) asks for write
// permission alone.
func dialPerm(mode uint32) uint32 { return mode&0222 | mode&0222<<1 }

// Control is controller.Control: there are no others.
func (socketEntry) Control(string) (Control, error) { return Control{}, syscall.ENOENT }

// shutdownHow are the values of how= of the command shutdown, which are those of shutdown(2).
var shutdownHow = map[string]int{"rd": syscall.SHUT_RD, "wr": syscall.SHUT_WR, "rdwr": syscall.SHUT_RDWR}

// shutdown ends one direction of connections: after wr the peer reads to its end while we read on. It is
// done to the connections of id= or pid= (which opened the face), else to those that the caller opened, if
// mine allows it.
func (s *Sockets) shutdown(one *socketState, c Command, mine func(*link) bool, by Caller) error {
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
	var links []*link
	if one != nil {
		s.mu.Lock()
		links = one.sorted()
		s.mu.Unlock()
	}
	var conns []*socket.Conn
	for _, l := range links {
		if mine(l) && (id == l.id || id == 0 && process(l.by.Pid) == pid) {
			conns = append(conns, l.conn)
		}
	}
	if len(conns) == 0 {
		return &backends.Refusal{Err: syscall.ENOTCONN, Why: whyNoCall}
	}
	var errs error
	for _, conn := range conns {
		errs = errors.Join(errs, conn.Shutdown(bits))
	}
	return errs
}

func anybodys(*link) bool { return true }

// shutdownOwn is the file shutdown: a line `wr`, `rd` or `rdwr`, which may have id= or pid=, for those who
// do not own the socket, and for the connections of their own user alone.
func (e socketEntry) shutdownOwn(line string, by Caller) error {
	c, err := parseCommand(line)
	if err != nil || c.Verb == "" {
		return err
	}
	c = Command{Verb: "shutdown", Options: append([]Option{{"how", c.Verb}}, c.Options...)}
	err = e.all.shutdown(e.find(), c, func(l *link) bool { return by.Uid == 0 || l.by.Uid == by.Uid }, by)
	if err == nil {
		return nil
	}
	err = advise("shutdown", errnoOr(err, syscall.EINVAL), err)
	e.note(err)
	return err
}

// process is the process a thread belongs to (proc_pid_status(5), Tgid); the number itself if the thread is
// gone.
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

// Report is reporter.Report.
func (e socketEntry) Report() ([]Fact, error) {
	a, err := e.Stat(false)
	if err != nil {
		return nil, err
	}
	facts := append(owned(a), created(a.BornAt())...)
	if a.Type() == syscall.S_IFDIR {
		return facts, nil
	}
	one := e.find()
	to, err := parseHost(e.Path)
	host := err == nil
	switch {
	case one.listens():
		facts = append(facts, Fact{"state", "listening"}, Fact{"type", typeName(one.typ())})
		if host {
			facts = append(facts, Fact{"address", one.addresses()[0]},
				Fact{"addresses", one.addresses()}, Fact{"port", Label(to.Port)})
		}
		if one.listener != nil {
			facts = append(facts, Fact{"backlog", one.listener.Backlog()})
			if n, known := one.listener.Calls(); known {
				facts = append(facts, Fact{"waiting_calls", n})
			}
		}
	case host && !to.Listens():
		facts = append(facts, Fact{"state", "remote"}, Fact{"type", typeName(to.Type)}, Fact{"address", to.String()})
	case a.Type() == syscall.S_IFSOCK:
		facts = append(facts, e.all.orphans.state(a.ID)...)
	default:
		facts = append(facts, Fact{"state", "refusing"}) // see err
	}
	if one == nil {
		one = &socketState{}
	}
	return append(facts, e.all.facts(one)...), nil
}
