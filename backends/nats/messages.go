package nats

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/ipcfs/ipcfs/backends"
)

// messages are those of one write. When it is over and nobody waits for it, its file remembers it until it is
// written to again, which may never be: then only their sum is kept.
type messages struct {
	list []backends.Message
	sum  [sha256.Size]byte // when there is no list any more
}

func (m *messages) copy(list []backends.Message) {
	for _, one := range list {
		m.list = append(m.list, backends.Message{Data: bytes.Clone(one.Data), Meta: one.Meta})
	}
}

func (m *messages) forget() {
	if m.list != nil {
		m.sum, m.list = sumOf(m.list), nil
	}
}

// are reports whether these are the messages of another write, too.
func (m *messages) are(list []backends.Message) bool {
	if m.list == nil {
		return m.sum == sumOf(list)
	}
	if len(m.list) != len(list) {
		return false
	}
	for i, one := range m.list {
		if one.Meta.Prio != list[i].Meta.Prio || !bytes.Equal(one.Data, list[i].Data) {
			return false
		}
	}
	return true
}

// sumOf is a sum that no other messages have.
func sumOf(list []backends.Message) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, m := range list {
		var head [12]byte
		binary.BigEndian.PutUint32(head[:], m.Meta.Prio)
		binary.BigEndian.PutUint64(head[4:], uint64(len(m.Data)))
		h.Write(head[:])
		h.Write(m.Data)
	}
	h.Sum(sum[:0])
	return sum
}
