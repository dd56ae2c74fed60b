package tests

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
)

// A framing is how messages look in what is written to a face and read from it.
type framing struct {
	whole   bool   // one write is one message, and one read gets bytes of one
	tail    string // of whole messages: what a read adds
	many    bool   // one read gets as many messages as there are and fit
	without string // bytes that a message cannot hold
	encode  func(msg []byte) []byte
	// the first message in what was read; not ok: it is not whole yet
	decode func(data []byte) (msg, rest []byte, ok bool)
}

// messages is the framing of objects that keep messages apart.
var messages = framing{whole: true, encode: bytes.Clone, decode: noFrame}

// leased is messages whose reader gets a newline behind each that has none.
var leased = framing{whole: true, tail: "\n", without: "\n", encode: bytes.Clone, decode: noFrame}

func noFrame([]byte) (msg, rest []byte, ok bool) { return nil, nil, false }

// text is the message that one read gave, of whole messages.
func (f framing) text(data []byte) ([]byte, error) {
	msg, ok := bytes.CutSuffix(data, []byte(f.tail))
	if !ok {
		return nil, fmt.Errorf("%.40q does not end in %q", data, f.tail)
	}
	return msg, nil
}

// stream is the framing of bytes without bounds: the tests put a length before each message themselves.
var stream = framing{
	encode: func(msg []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(msg))), msg...)
	},
	decode: func(data []byte) (msg, rest []byte, ok bool) {
		if len(data) < 4 {
			return nil, nil, false
		}
		n := int(binary.BigEndian.Uint32(data))
		if len(data) < 4+n {
			return nil, nil, false
		}
		return data[4 : 4+n], data[4+n:], true
	},
}

// lines is the framing of the faces of that name.
var lines = framing{
	many: true, without: "\n",
	encode: func(msg []byte) []byte { return append(bytes.Clone(msg), '\n') },
	decode: func(data []byte) (msg, rest []byte, ok bool) { return bytes.Cut(data, []byte("\n")) },
}

// records is the framing of the faces of that name.
var records = framing{
	many: true,
	encode: func(msg []byte) []byte {
		return append(append(fmt.Appendf(nil, "len=%d\n", len(msg)), msg...), '\n')
	},
	decode: func(data []byte) (msg, rest []byte, ok bool) {
		header, body, ok := bytes.Cut(data, []byte("\n"))
		_, length, found := bytes.Cut(header, []byte("len="))
		n, err := strconv.Atoi(string(length))
		if !ok || !found || err != nil || len(body) < n+1 || body[n] != '\n' {
			return nil, nil, false
		}
		return body[:n], body[n+1:], true
	},
}

// as is how messages are written in one framing and read in another.
func (f framing) as(read framing) framing {
	read.encode = f.encode
	return read
}
