package nodes

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/socket"
)

// listening is how a socket listens. It is kept as a line `listen type=seqpacket backlog=16` in the file
// behind the face, so that it survives the daemon; ctl shows and takes the same line.
type listening struct{ typ, backlog int }

// socketTypes are the types of sockets that ipcfs listens with, by their names in socket(2).
var socketTypes = []struct {
	name string
	typ  int
}{{"stream", syscall.SOCK_STREAM}, {"seqpacket", syscall.SOCK_SEQPACKET}, {"dgram", syscall.SOCK_DGRAM}}

func typeName(typ int) string {
	for _, t := range socketTypes {
		if t.typ == typ {
			return t.name
		}
	}
	return "unknown"
}

// listeningOf reads the options of a command; others are options it may have besides.
func listeningOf(c Command, others ...string) (listening, error) {
	how := listening{typ: syscall.SOCK_STREAM}
	if err := c.Only(append(others, "type", "backlog")...); err != nil {
		return how, err
	}
	if name, ok := c.Get("type"); ok {
		how.typ = 0
		for _, t := range socketTypes {
			if t.name == name && t.typ != syscall.SOCK_DGRAM {
				how.typ = t.typ
			}
		}
		if how.typ == 0 {
			return how, fmt.Errorf("type=%s is neither stream nor seqpacket", name)
		}
	}
	var err error
	how.backlog, err = c.Int("backlog", socket.MaxBacklog, 0)
	return how, err
}

// readListening reads the file behind a face. An empty one is a stream's.
func readListening(text string) (listening, error) {
	line, _, _ := strings.Cut(text, "\n")
	c, err := parseCommand(line)
	if err == nil && c.Verb != "" && c.Verb != "listen" {
		err = fmt.Errorf("the file behind it begins with %.60q, and not as `listen type=stream`: remove"+
			" it", line)
	}
	if err != nil {
		return listening{}, err
	}
	return listeningOf(c)
}

func (how listening) command() Command {
	return Command{Verb: "listen", Options: []Option{
		{"type", typeName(how.typ)}, {"backlog", strconv.Itoa(how.backlog)},
	}}
}

// SocketClass describes sockets.
var SocketClass = Description{
	What:   "sockets",
	New:    listenArgs,
	Events: fileEvents,
	Verbs: []Verb{
		verb(Verb{
			Name: "listen", Args: listenArgs, Of: "made with touch",
			Help: "how many may call before they are taken; the type is what it is",
		}, socketEntry.listenAnew, socketEntry.listening),
		verb(Verb{
			Name: "shutdown", Args: "how=wr|rd|rdwr id=N pid=N",
			Help: "ends one direction, `wr` if it is left out, of the connection that status lists as N, " +
				"or of those that a process opened, by itself of those of the writer's own",
		}, socketEntry.shutdownAny, nil),
	},
}

const listenArgs = "type=stream|seqpacket backlog=N"

// Describe is described.Describe.
func (*Sockets) Describe() *Description { return &SocketClass }

// listening is how it listens; nil if it does not.
func (e socketEntry) listening() ([]Option, error) {
	if one := e.find(); one != nil && one.listener != nil {
		return listening{one.listener.Type(), one.listener.Backlog()}.command().Options, nil
	}
	return nil, nil
}

func (e socketEntry) shutdownAny(c Command, by Caller) error {
	e.names.Lock()
	defer e.names.Unlock()
	return e.all.shutdown(e.find(), c, anybodys, by)
}

func (e socketEntry) listenAnew(c Command, _ Caller) error {
	e.names.Lock()
	defer e.names.Unlock()
	one := e.find()
	if one == nil || one.listener == nil {
		return fmt.Errorf("%w: ipcfs does not listen on it", syscall.EOPNOTSUPP)
	}
	return e.relisten(one, c)
}

// relisten gives a listener another backlog and takes what it is already.
func (e socketEntry) relisten(one *socketState, c Command) error {
	how, err := listeningOf(c)
	if err != nil {
		return err
	}
	typ := one.listener.Type()
	if _, ok := c.Get("type"); ok && how.typ != typ {
		return &backends.Refusal{Err: syscall.EOPNOTSUPP, Why: whySocketType, Name: typeName(how.typ)}
	}
	how.typ = typ
	if err := one.listener.SetBacklog(how.backlog); err != nil {
		return err
	}
	return e.dir.SetText(e.Ref, how.command().String()+"\n")
}

// explain gives an error of the network the words of a person, for the err file.
func (e socketEntry) explain(op string, err error) error {
	if err == nil || err == backends.ErrWouldBlock {
		return err
	}
	errno := Errno(err)
	_, noHost := parseHost(e.Path)
	refused := func(why backends.Reason) error { return &backends.Refusal{Err: err, Why: why} }
	switch {
	case errno == syscall.ECONNREFUSED && e.all.orphans.all[e.Was.ID]:
		err = refused(whyOrphaned)
	case errno == syscall.ECONNREFUSED:
		err = refused(whyNobody)
	case errno == syscall.EADDRINUSE && noHost == nil:
		err = refused(whyPortTaken)
	case errno == syscall.EACCES && op == "listen" && !errors.Is(err, socket.ErrReach):
		err = refused(whyPortRoot)
	}
	return advise(op, errno, err)
}
