package nats

import (
	"crypto/sha256"
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

// A sent message may be stored or not. It may be long, and is kept for as long as its file is open, so only
// its sum is.
type sent struct {
	id   string
	sum  [sha256.Size]byte
	when time.Time
}

// unsure are messages of a queue that were sent together, and may be stored or not. Theirs is kept as that of
// one.
type unsure struct {
	sum  [sha256.Size]byte
	ids  []string // of each, as far as they were made
	away int      // see sending
	when time.Time
}

// doubleWindow is how long the servers know the id of a message.
const doubleWindow = 2 * time.Minute

// next is the id of a message: that which it had before if it is the one whose end is not known.
func (i *ids) next(m *backends.Message) string {
	if u := i.unsure; u != nil && time.Since(u.when) < doubleWindow && u.sum == sumOf([]backends.Message{*m}) {
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
