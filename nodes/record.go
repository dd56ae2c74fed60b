package nodes

import (
	"bytes"
	"fmt"
	"strconv"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// Records is the face of messages with what they carry beside their bytes: a header line as `prio=7 len=5`, the bytes, a newline. It
// is the same for reading and writing, and holds any bytes.
type Records struct {
	splitter
	keys []string
}

// recordFields are what a header can say beside len. show appends the value to b, which must not hold a blank; take reports whether
// value is one.
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
}

// NewRecords makes a Records whose headers have these keys of recordFields, in this order, and then len. What is written may leave out
// any but len.
func NewRecords(keys ...string) *Records {
	r := &Records{keys: keys}
	r.cut = r.cutRecord
	return r
}

// maxRecordHeader is the longest header line there is, in bytes.
const maxRecordHeader = 128

func (r *Records) cutRecord(data []byte, unit int) (msg []byte, m backends.Meta, used int, err error) {
	i := bytes.IndexByte(data[:min(len(data), maxRecordHeader)], '\n')
	switch {
	case i < 0 && len(data) < maxRecordHeader:
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
				return nil, m, 0, r.bad(strconv.Quote(string(field)))
			}
			length = int(n)
		} else if !r.take(&m, string(key), string(value)) {
			return nil, m, 0, r.bad(strconv.Quote(string(field)))
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
func (r *Records) take(m *backends.Meta, key, value string) bool {
	for _, k := range r.keys {
		if k == key {
			return recordFields[k].take(m, value)
		}
	}
	return false
}

func (r *Records) bad(why string) error {
	header := ""
	for _, k := range r.keys {
		header += k + "=… "
	}
	return advise("write", "records", syscall.EINVAL, fmt.Errorf("%s: a record is `%slen=N`, a newline, the bytes, a newline", why, header))
}

// Next is whole records, as many as fit in size, but at least one.
func (r *Records) Next(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	unit := end.Unit()
	most := maxRecordHeader + unit + 1
	if len(buf) < most {
		buf = make([]byte, most)
	}
	n := 0
	for n == 0 || n+most <= size {
		body := buf[n+maxRecordHeader : len(buf)-1]
		m, meta, err := end.TryRead(body)
		if err != nil && n > 0 {
			break
		}
		if err != nil {
			return nil, err
		}
		header := buf[n:n]
		for _, k := range r.keys {
			header = append(recordFields[k].show(append(append(header, k...), '='), &meta), ' ')
		}
		header = append(strconv.AppendInt(append(header, "len="...), int64(m), 10), '\n')
		n += len(header)
		n += copy(buf[n:], body[:m])
		buf[n] = '\n'
		n++
	}
	return buf[:n], nil
}

// Room is Batcher.Room.
func (*Records) Room(end backends.Endpoint) int { return maxRecordHeader + end.Unit() + 1 }

// Finish refuses a record that has no end; it was not sent.
func (r *Records) Finish(backends.Endpoint) error {
	if len(r.pending) > 0 {
		return syscall.EINVAL
	}
	return nil
}
