package nodes

import (
	"encoding/binary"
	"errors"

	"github.com/ipcfs/ipcfs/backends"
)

// A Coder writes plain records, or reads what was written: the same calls in the same order do either, so the
// two cannot differ. A number takes as few bytes as it can (binary.AppendUvarint). Bytes and lists have their
// length before them. What is read may be anything; each record has one form, and all else is errRecord. It
// is for one goroutine.
type Coder struct {
	b     []byte // what is written, or what is still to be read
	reads bool
	bad   bool // what was read is no record
}

// errRecord says that bytes are no records, or those of another version.
var errRecord = errors.New("not a record")

// Encode gives what record writes.
func Encode(record func(*Coder)) []byte {
	c := &Coder{}
	record(c)
	return c.b
}

// EncodeIn is Encode behind b, which it may use.
func EncodeIn(b []byte, record func(*Coder)) []byte {
	c := &Coder{b: b}
	record(c)
	return c.b
}

// Decode has record read b, to its end.
func Decode(b []byte, record func(*Coder)) error {
	c := &Coder{b: b, reads: true}
	record(c)
	if c.bad || len(c.b) > 0 {
		return errRecord
	}
	return nil
}

// Refuse says that what was read is no record.
func (c *Coder) Refuse() { c.bad, c.b = true, nil }

// Reads reports whether it reads, and has read records until now.
func (c *Coder) Reads() bool { return c.reads && !c.bad }

// Number is a number. One that T cannot hold is none.
func Number[T ~int | ~int16 | ~int32 | ~int64 | ~uint16 | ~uint32 | ~uint64](c *Coder, n *T) {
	v := uint64(*n)
	c.word(&v)
	if !c.reads {
		return // others may read *n
	}
	*n = T(v)
	if uint64(*n) != v {
		c.bad = true
	}
}

func (c *Coder) word(v *uint64) {
	switch {
	case !c.reads && *v < 0x80: // most are
		c.b = append(c.b, byte(*v))
	case !c.reads:
		c.b = binary.AppendUvarint(c.b, *v)
	default:
		n, used := binary.Uvarint(c.b)
		if used <= 0 || used > 1 && c.b[used-1] == 0 { // it has another form, which is shorter
			c.Refuse()
			*v = 0
			return
		}
		*v = n
		c.b = c.b[used:]
	}
}

// Flag is true or false.
func (c *Coder) Flag(v *bool) {
	n := uint64(0)
	if *v {
		n = 1
	}
	c.word(&n)
	if !c.reads {
		return
	}
	*v = n == 1
	c.bad = c.bad || n > 1
}

// Bytes are bytes. Those that are read are the caller's own.
func (c *Coder) Bytes(v *[]byte) {
	n := c.length(len(*v))
	if !c.reads {
		c.b = append(c.b, *v...)
		return
	}
	*v = append([]byte(nil), c.b[:n]...)
	c.b = c.b[n:]
}

// Text is a string.
func (c *Coder) Text(v *string) {
	if !c.reads {
		c.length(len(*v))
		c.b = append(c.b, *v...)
		return
	}
	var b []byte
	c.Bytes(&b)
	*v = string(b)
}

// length is how many bytes or elements follow. Each takes a byte at least, so there are no more than what
// is left.
func (c *Coder) length(n int) int {
	v := uint64(n)
	c.word(&v)
	if c.reads && v > uint64(len(c.b)) {
		c.Refuse()
		return 0
	}
	return int(v)
}

// Each is a list of records.
func Each[T any](c *Coder, list *[]T, record func(*T)) {
	n := c.length(len(*list))
	if !c.reads {
		for i := range *list {
			record(&(*list)[i])
		}
		return
	}
	*list = nil
	for ; n > 0 && !c.bad; n-- {
		var one T
		record(&one)
		*list = append(*list, one)
	}
}

// Form is a number that tells records, and those of this package, from records of other sizes.
func Form(records ...func(*Coder)) uint64 {
	k := Kept{Had: true, Groups: make([]uint32, 1), Back: make([]backends.Message, 1)}
	form := uint64(0)
	for _, record := range append(records, k.Code, new(actNote).code) {
		form = form*1009 + uint64(len(Encode(record)))
	}
	return form
}
