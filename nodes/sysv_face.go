package nodes

import (
	"io"
	"strconv"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
)

// Controls is Controller.Controls.
func (q sysvQueue) Controls() []Control {
	var list []Control
	for _, f := range queueFaces("type") {
		list = append(list, q.face(f.name, backends.Select{}, f.make))
	}
	list = append(list, Control{Name: "type", Dir: true})
	if q.back.Peeks {
		list = append(list, Control{Name: "peek", Dir: true})
	}
	return list
}

// Control is Controller.Control: type/N, type/-N, type/!N, peek/N, next@TIME.
func (q sysvQueue) Control(name string) (Control, bool) {
	if which, ok := strings.CutPrefix(name, "type/"); ok {
		return q.typeFace(name, which)
	}
	if digits, ok := strings.CutPrefix(name, "peek/"); ok {
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil || digits != strconv.Itoa(int(n)) || !q.back.Peeks {
			return Control{}, false
		}
		return q.face(name, backends.Select{}, func() Face { return &peek{n: int(n)} }), true
	}
	f, ok := patientFace(name)
	return q.face(name, backends.Select{}, f), ok
}

// typeFace is the face of the messages that msgrcv(2) gives for a msgtyp: N for that type, which is also sent, -N for the lowest up to
// N, !N for any other.
func (q sysvQueue) typeFace(name, which string) (Control, bool) {
	digits := strings.TrimLeft(which, "-!")
	n, err := strconv.Atoi(digits)
	if err != nil || n <= 0 || digits != strconv.Itoa(n) {
		return Control{}, false
	}
	switch which {
	case digits:
		return q.face(name, backends.Select{Type: n}, func() Face { return &Plain{} }), true
	case "-" + digits:
		return q.face(name, backends.Select{Type: -n}, func() Face { return received{} }), true
	case "!" + digits:
		return q.face(name, backends.Select{Type: n, Except: true}, func() Face { return received{} }), true
	}
	return Control{}, false
}

// face is a control file that is another face of the queue, for those who may use the queue.
func (q sysvQueue) face(name string, sel backends.Select, face func() Face) Control {
	return Control{Name: name, Perm: q.Was.Mode & 0666, Open: func(flags int, by Caller) (Open, error) {
		return q.open(flags, by, sel, face())
	}}
}

// received is the face of messages of several types, of which none is the one to send.
type received struct{ readsOnly }

// Next receives one message.
func (received) Next(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	return Plain{}.Next(end, buf, size)
}

// peek is the face of the n-th message in the queue, which stays there: it, and then the end.
type peek struct {
	readsOnly
	n   int
	had bool
}

// Holds is Holder.Holds.
func (*peek) Holds(backends.Endpoint) backends.Ready { return backends.In }

// Held is Holder.Held: to look takes nothing from those who wait.
func (p *peek) Held(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	return p.Next(end, buf, size)
}

// Next is the message, ENOMSG if there is none; it never waits.
func (p *peek) Next(end backends.Endpoint, buf []byte, _ int) ([]byte, error) {
	if p.had {
		return nil, io.EOF
	}
	if unit := end.Unit(); len(buf) < unit {
		buf = make([]byte, unit)
	}
	n, _, err := end.(*backends.Msq).Peek(p.n, buf)
	p.had = err == nil
	return buf[:n], err
}
