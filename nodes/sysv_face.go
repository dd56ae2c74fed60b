package nodes

import (
	"strconv"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/sysv"
)

// Controls is controller.Controls.
func (q sysvQueue) Controls() []Control {
	var list []Control
	for _, f := range queueFaces("type", true) {
		list = append(list, q.face(f.name, sysv.Select{}, f.make))
	}
	list = append(list, Control{Name: "type", Dir: true})
	if q.back.Peeks {
		list = append(list, Control{Name: "peek", Dir: true})
	}
	return list
}

// Control is controller.Control: type/N, type/-N, type/!N, peek/N, next@TIME.
func (q sysvQueue) Control(name string) (Control, error) {
	if which, ok := strings.CutPrefix(name, "type/"); ok {
		return q.typeFace(name, which)
	}
	if digits, ok := strings.CutPrefix(name, "peek/"); ok && q.back.Peeks {
		f, err := peekFace(digits)
		return q.face(name, sysv.Select{}, f), err
	}
	f, err := patientFace(name)
	return q.face(name, sysv.Select{}, f), err
}

// typeFace is the face of the messages that msgrcv(2) gives for a msgtyp: N for that type, which is also
// sent, -N for the lowest up to N, !N for any other.
func (q sysvQueue) typeFace(name, which string) (Control, error) {
	none := notOne(which, "type", "4 is that one, -4 the lowest up to 4, '!4' any other")
	digits := strings.TrimLeft(which, "-!")
	n, err := strconv.Atoi(digits)
	if err != nil || n <= 0 || digits != strconv.Itoa(n) {
		return Control{}, none
	}
	switch which {
	case digits:
		return q.face(name, sysv.Select{Type: n}, func() Face { return &Plain{} }), nil
	case "-" + digits:
		return q.face(name, sysv.Select{Type: -n}, func() Face { return received{} }), nil
	case "!" + digits:
		return q.face(name, sysv.Select{Type: n, Except: true}, func() Face { return received{} }), nil
	}
	return Control{}, none
}

// face is a control file that is another face of the queue, for those who may use the queue.
func (q sysvQueue) face(name string, sel sysv.Select, face func() Face) Control {
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
