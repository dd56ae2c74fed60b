package nodes

import (
	"slices"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// A port is a queue in memory, first in, first out. What it can do beside that is said by the types made of
// it.
type port struct {
	backends.Endpoint
	unit, maxmsg int
	msgs         []stored
	removed      bool
}

type stored struct {
	data string
	meta backends.Meta
}

func (p *port) Unit() int    { return p.unit }
func (p *port) Close() error { return nil }

func (p *port) Ready() (ready backends.Ready) {
	if len(p.msgs) > 0 {
		ready |= backends.In
	}
	if len(p.msgs) < p.maxmsg {
		ready |= backends.Out
	}
	return ready
}

func (p *port) TryRead(buf []byte) (int, backends.Meta, error) {
	if len(buf) < p.unit {
		return 0, backends.Meta{}, syscall.EMSGSIZE // mq_receive(3)
	}
	return p.take(buf)
}

func (p *port) take(buf []byte) (int, backends.Meta, error) {
	switch {
	case len(p.msgs) > 0:
	case p.removed:
		return 0, backends.Meta{}, backends.ErrRemoved
	default:
		return 0, backends.Meta{}, backends.ErrWouldBlock
	}
	one := p.msgs[0]
	if len(one.data) > len(buf) {
		return 0, backends.Meta{}, syscall.EMSGSIZE
	}
	p.msgs = p.msgs[1:]
	return copy(buf, one.data), one.meta, nil
}

func (p *port) TryWrite(msg []byte, m backends.Meta) (int, error) {
	switch {
	case len(msg) > p.unit:
		return 0, syscall.EMSGSIZE
	case p.removed:
		return 0, backends.ErrRemoved
	case len(p.msgs) >= p.maxmsg:
		return 0, backends.ErrWouldBlock
	}
	p.msgs = append(p.msgs, stored{string(msg), m})
	return len(msg), nil
}

// texts are the messages in the port.
func (p *port) texts() (all []string) {
	for _, one := range p.msgs {
		all = append(all, one.data)
	}
	return all
}

// mq takes messages back, as a POSIX queue does, unless it is read-only.
type mq struct {
	port
	readOnly bool
}

func (q *mq) Returns() bool { return !q.readOnly }
func (q *mq) TryReturn(msg []byte, m backends.Meta) error {
	_, err := q.TryWrite(msg, m)
	return err
}

// msq leaves a message that is too long where it is, as a System V queue does.
type msq struct{ port }

func (q *msq) TryRead(buf []byte) (int, backends.Meta, error) { return q.take(buf) }

// feed lends its messages, as a topic does.
type feed struct{ port }

func (f *feed) TryLend(most int) ([]byte, backends.Meta, error) {
	if len(f.msgs) > 0 && len(f.msgs[0].data) > most {
		return nil, backends.Meta{}, syscall.EMSGSIZE
	}
	buf := make([]byte, f.unit)
	n, m, err := f.take(buf)
	return buf[:n], m, err
}

// staying is a face whose port keeps a message that is too long, as its class says.
func staying(f Face, stay bool) Face {
	switch f := f.(type) {
	case *linesFace:
		f.stay = stay
	case *recordsFace:
		f.stay = stay
	}
	return f
}

// ports are one of each kind, how to look into it, and whether what is too long stays. They hold the same
// messages.
func ports(unit int, msgs ...stored) map[string]struct {
	end  backends.Endpoint
	in   *port
	stay bool
} {
	one := func() port { return port{unit: unit, maxmsg: max(10, len(msgs)), msgs: slices.Clone(msgs)} }
	q, locked, s, f := &mq{port: one()}, &mq{port: one(), readOnly: true}, &msq{one()}, &feed{one()}
	return map[string]struct {
		end  backends.Endpoint
		in   *port
		stay bool
	}{
		"mq": {q, &q.port, false}, "mq read-only": {locked, &locked.port, false},
		"msq": {s, &s.port, true}, "feed": {f, &f.port, false},
	}
}
