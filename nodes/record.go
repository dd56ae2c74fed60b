package nodes

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// recordsFace is the face of messages together with what they carry beside their bytes: a header line as
// `prio=7 len=5`, the bytes, a newline. Reading and writing have the same form, which holds any bytes.
type recordsFace struct {
	splitter
	packer
	keys   []string
	header []byte // of the record that was read last
}

// recordFields are what a header can say beside len. show appends the value, which must not hold a blank,
// to b. take reports whether value is one. A field without take is given to messages by their objects: in
// records that are written it means nothing.
var recordFields = map[string]struct {
	show func(b []byte, m *backends.Meta) []byte
	take func(m *backends.Meta, value string) bool
}{
	"prio": {
		func(b []byte, m *backends.Meta) []byte { return strconv.AppendUint(b, uint64(m.Prio), 10) },
		func(m *backends.Meta, value string) bool {
			n, err := strconv.ParseUint(value, 10, 31)
			m.Prio = uint32(n)
			return err == nil
		},
	},
	"type": {
		func(b []byte, m *backends.Meta) []byte { return strconv.AppendInt(b, int64(m.Type), 10) },
		func(m *backends.Meta, value string) bool {
			n, err := strconv.Atoi(value)
			m.Type = n
			return err == nil && n > 0
		},
	},
	"from": {
		func(b []byte, m *backends.Meta) []byte { return append(b, m.From...) },
		func(m *backends.Meta, value string) bool { m.From = value; return value != "" },
	},
	"seq":   {show: func(b []byte, m *backends.Meta) []byte { return strconv.AppendUint(b, m.Seq, 10) }},
	"lost":  {show: func(b []byte, m *backends.Meta) []byte { return strconv.AppendUint(b, m.Lost, 10) }},
	"topic": {show: func(b []byte, m *backends.Meta) []byte { return backends.AppendWord(b, m.Topic) }},
}

// newRecords makes a recordsFace whose headers have these keys of recordFields, in this order, and then len.
// What is written may leave out any but len.
func newRecords(keys ...string) *recordsFace {
	r := &recordsFace{keys: keys}
	r.cut, r.frame, r.reserve = r.cutRecord, r.frameRecord, maxRecordHeader
	return r
}

// maxRecordHeader is the longest header line there is, in bytes, but for the name of a topic; maxTopicWord
// is what that adds (PATH_MAX).
const (
	maxRecordHeader = 128
	maxTopicWord    = 3 * 4096
)

func (r *recordsFace) cutRecord(data []byte, unit int) (msg []byte, m backends.Meta, used int, err error) {
	most := maxRecordHeader
	if bytes.HasPrefix(data, []byte("topic=")) {
		most += maxTopicWord
	}
	i := bytes.IndexByte(data[:min(len(data), most)], '\n')
	switch {
	case i < 0 && len(data) < most:
		return nil, m, 0, nil
	case i < 0:
		return nil, m, 0, r.bad("no header line")
	}
	length := -1
	for _, field := range bytes.Fields(data[:i]) {
		key, value, _ := bytes.Cut(field, []byte("="))
		if string(key) == "len" {
			n, err := strconv.ParseUint(string(value), 10, 31)
			if err != nil {
				return nil, m, 0, r.bad("len is no number")
			}
			length = int(n)
		} else if !r.take(&m, string(key), string(value)) {
			return nil, m, 0, r.bad("no header line") // what it is instead may be a message, and everybody may read err
		}
	}
	switch {
	case length < 0:
		return nil, m, 0, r.bad("no len")
	case length > unit:
		return nil, m, 0, syscall.EMSGSIZE
	case len(data) < i+1+length+1:
		return nil, m, 0, nil
	case data[i+1+length] != '\n':
		return nil, m, 0, r.bad("no newline behind the bytes")
	}
	return data[i+1 : i+1+length], m, i + 1 + length + 1, nil
}

// take notes one field of a header in m and reports whether it is one of ours.
func (r *recordsFace) take(m *backends.Meta, key, value string) bool {
	field, known := recordFields[key]
	if known && field.take == nil {
		return true
	}
	return slices.Contains(r.keys, key) && field.take(m, value)
}

func (r *recordsFace) bad(why string) error {
	header := ""
	for _, k := range r.keys {
		if recordFields[k].take != nil {
			header += k + "=… "
		}
	}
	return advise("write", syscall.EINVAL,
		fmt.Errorf("%s: a record is `%slen=N`, a newline, the bytes, a newline", why, header))
}

// frameRecord makes the header. All fields are there each time, so that a shell that evals one header after
// the other sees none of an older one.
func (r *recordsFace) frameRecord(msg []byte, m *backends.Meta) (head []byte, tail string) {
	head = r.header[:0]
	for _, k := range r.keys {
		head = append(recordFields[k].show(append(append(head, k...), '='), m), ' ')
	}
	r.header = append(strconv.AppendInt(append(head, "len="...), int64(len(msg)), 10), '\n')
	return r.header, "\n"
}

func (r *recordsFace) keeps() int { return cap(r.pending) + r.keepsHeld() }

// Finish puts back what is held, and refuses a record that has no end; it was not sent.
func (r *recordsFace) Finish(end backends.Endpoint) error {
	err := r.putBack(end)
	if err == nil && len(r.pending) > 0 {
		err = syscall.EINVAL
	}
	return err
}

// Left is finisher.Left.
func (r *recordsFace) Left() bool { return r.holds || len(r.pending) > 0 }
