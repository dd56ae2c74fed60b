package nodes

import (
	"bytes"
	"io"
	"math"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// A readOnlyFace cannot be opened for writing.
type readOnlyFace interface{ cannotWrite() }

// readsOnly is part of a face that cannot be opened for writing.
type readsOnly struct{}

func (readsOnly) cannotWrite() {}

// Put refuses.
func (readsOnly) Put(backends.Endpoint, []byte) (int, error) { return 0, syscall.EBADF }

// A namedFace is a face and the name of its control file.
type namedFace struct {
	name string
	make func() Face
}

// queueFaces are the faces that all queues of messages have. Their records tell of key. stay says that a
// message stays that is longer than the room for it.
func queueFaces(key string, stay bool) []namedFace {
	return []namedFace{
		{"next", func() Face { return &onceFace{} }},
		{"drain", func() Face { return drainFace{} }},
		{"lines", func() Face { l := newLines(); l.stay = stay; return l }},
		{"records", func() Face { r := newRecords(key); r.stay = stay; return r }},
		{"whole", func() Face { return &wholeFace{} }},
	}
}

// patientFace is the face next@TIME; an error as controller.Control's if the name is another or the time is
// none.
func patientFace(name string) (func() Face, error) {
	wait, ok := strings.CutPrefix(name, "next@")
	if !ok {
		return nil, syscall.ENOENT
	}
	d, err := time.ParseDuration(wait)
	if err != nil || d <= 0 {
		return nil, notOne(wait, "time", "5s, 200ms, 1h30m")
	}
	return func() Face { return &onceFace{until: time.Now().Add(d)} }, nil
}

// onceFace is the face of one message: a read of it, and then the end. A patient one waits until a time, and
// answers ETIMEDOUT after that. A message that is there by then is given all the same, as by
// mq_timedreceive(3).
type onceFace struct {
	readsOnly
	until time.Time // zero: for ever
	had   bool
}

// Next is the message, or the end behind it.
func (o *onceFace) Next(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	if o.had {
		return nil, io.EOF
	}
	msg, err := Plain{}.Next(end, buf, size)
	o.had = err == nil
	if err == backends.ErrWouldBlock && o.late() {
		err = syscall.ETIMEDOUT
	}
	return msg, err
}

// Patience is patient.Patience.
func (o *onceFace) Patience() time.Duration {
	if o.until.IsZero() {
		return 0
	}
	return max(1, time.Until(o.until))
}

func (o *onceFace) late() bool { return !o.until.IsZero() && !time.Now().Before(o.until) }

// Holds is holder.Holds.
func (o *onceFace) Holds(backends.Endpoint) backends.Ready {
	switch {
	case o.had:
		return backends.In
	case o.late():
		return backends.In | backends.Err
	}
	return 0
}

// Held is holder.Held: the end.
func (o *onceFace) Held(backends.Endpoint, []byte, int) ([]byte, error) {
	switch {
	case o.had:
		return nil, io.EOF
	case o.late():
		return nil, syscall.ETIMEDOUT
	}
	return nil, backends.ErrWouldBlock
}

// drainFace is the face of what is there now: all of it, and then the end. It never waits.
type drainFace struct{ readsOnly }

// Holds is holder.Holds.
func (drainFace) Holds(backends.Endpoint) backends.Ready { return backends.In }

// Held is holder.Held: the end. Those who wait have the first claim on what comes.
func (drainFace) Held(backends.Endpoint, []byte, int) ([]byte, error) { return nil, io.EOF }

// Next is one message, or the end. A message of no bytes is not the end: it is passed over, and so are as
// many more as were there then. How many that is is not asked before the first is taken, which an earlier
// process may have done (Desk.Again).
func (drainFace) Next(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	for left := -1; left != 0; {
		msg, err := Plain{}.Next(end, buf, size)
		if err == backends.ErrWouldBlock {
			break
		}
		if err != nil || len(msg) > 0 {
			return msg, err
		}
		if left--; left < 0 {
			left = messagesIn(end)
		}
	}
	return nil, io.EOF
}

// messagesIn is how many messages there are now to be read; of an end that does not count them, more than
// there ever are.
func messagesIn(end backends.Endpoint) int {
	if c, ok := end.(backends.Counted); ok {
		if n, err := c.Messages(); err == nil {
			return n
		}
	}
	return math.MaxInt
}

// splitter cuts bytes that were written into messages. What has no end yet waits for it.
type splitter struct {
	// used 0: no whole message yet
	cut     func(data []byte, unit int) (msg []byte, m backends.Meta, used int, err error)
	pending []byte
}

// Put sends each whole message. If one does not fit any more, it takes what comes before that one.
func (s *splitter) Put(end backends.Endpoint, p []byte) (int, error) {
	data, old := p, len(s.pending)
	if old > 0 {
		data = slices.Concat(s.pending, p)
	}
	at, err := s.send(end, data)
	if err == syscall.EMSGSIZE && at == 0 {
		s.pending = nil // of what is too long no part is sent
	}
	if err != nil && at == 0 {
		return 0, err
	}
	if err != nil {
		s.pending = nil
		return at - old, nil // the error, if it lasts, is that of the next write
	}
	s.pending = bytes.Clone(data[at:])
	return len(p), nil
}

// send sends the whole messages in data, and returns how far that went.
func (s *splitter) send(end backends.Endpoint, data []byte) (at int, err error) {
	if many, ok := end.(backends.Sender); ok {
		return s.sendTogether(many, data, end.Unit())
	}
	for at < len(data) {
		msg, meta, used, err := s.cut(data[at:], end.Unit())
		if err == nil && used == 0 {
			break
		}
		if err == nil {
			_, err = end.TryWrite(msg, meta)
		}
		if err != nil {
			return at, err
		}
		at += used
	}
	return at, nil
}

// sendTogether is send in one try.
func (s *splitter) sendTogether(to backends.Sender, data []byte, unit int) (at int, err error) {
	var list []backends.Message
	var ends []int // where each message ends
	for next := 0; next < len(data); {
		msg, meta, used, e := s.cut(data[next:], unit)
		if err = e; e != nil || used == 0 {
			break
		}
		next += used
		list, ends = append(list, backends.Message{Data: msg, Meta: meta}), append(ends, next)
	}
	if len(list) == 0 {
		return 0, err
	}
	n, e := to.TrySend(list)
	if e != nil {
		err = e
	}
	if n > 0 {
		at = ends[n-1]
	}
	return at, err
}

// linesFace is the face of messages as lines. A write is cut at its newlines, which are not sent. A line
// without its end waits for that, or for the file to be closed. A read gives as many whole lines as fit,
// but at least one. A message that ends in a newline is a line as it is.
type linesFace struct {
	splitter
	packer
}

// newLines makes a linesFace.
func newLines() *linesFace { return &linesFace{splitter{cut: cutLine}, packer{frame: frameLine}} }

func frameLine(msg []byte, _ *backends.Meta) (head []byte, tail string) {
	if n := len(msg); n > 0 && msg[n-1] == '\n' {
		return nil, ""
	}
	return nil, "\n"
}

func cutLine(data []byte, unit int) (msg []byte, m backends.Meta, used int, err error) {
	i := bytes.IndexByte(data, '\n')
	switch {
	case i > unit || i < 0 && len(data) > unit:
		return nil, m, 0, syscall.EMSGSIZE
	case i < 0:
		return nil, m, 0, nil
	}
	return data[:i], m, i + 1, nil
}

func (l *linesFace) keeps() int { return cap(l.pending) + l.keepsHeld() }

// Finish puts back what is held, and sends a last line that has no end.
func (l *linesFace) Finish(end backends.Endpoint) error {
	lost := l.putBack(end)
	if Waits(lost) || len(l.pending) == 0 {
		return lost
	}
	_, err := end.TryWrite(l.pending, backends.Meta{})
	if !Waits(err) {
		l.pending = nil
	}
	if err == nil {
		err = lost
	}
	return err
}

// Left is finisher.Left.
func (l *linesFace) Left() bool { return l.holds || len(l.pending) > 0 }
