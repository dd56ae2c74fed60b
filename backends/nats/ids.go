package nats

import (
	"bytes"
	"strconv"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
)

// ids number the messages of an end, by a name that no other end has.
type ids struct {
	prefix string
	last   uint64
	unsure *sent // the last message whose end is not known; nil: none
}

// A sent message may be stored or not.
type sent struct {
	id   string
	msg  backends.Message
	when time.Time
}

// doubleWindow is how long the servers know the id of a message.
const doubleWindow = 2 * time.Minute

// next is the id of a message: that which it had before if it is the one whose end is not known.
func (i *ids) next(m *backends.Message) string {
	if u := i.unsure; u != nil && u.msg.Meta.Prio == m.Meta.Prio && bytes.Equal(u.msg.Data, m.Data) &&
		time.Since(u.when) < doubleWindow {
		i.unsure = nil
		return u.id
	}
	return i.fresh()
}

// fresh is an id that nothing else has.
func (i *ids) fresh() string {
	if i.prefix == "" {
		i.prefix = nats.NewInbox()[len("_INBOX."):] + "-"
	}
	i.last++
	return i.prefix + strconv.FormatUint(i.last, 36)
}
