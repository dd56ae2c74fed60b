package nodes

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// lease is the face of work that is not lost. A read takes a message. Writing ack, or reading on, says that
// the work is done. nack puts the message back at its old priority; so does closing the file without an
// ack, as SIGKILL of the worker does. A message ends in a newline here, so that a shell's read gets one
// whole.
type lease struct {
	q   queue
	uid uint32 // who takes the messages
	now Lease  // the message that is out, or that could neither be recorded nor put back; nil: none
	out bool   // it was recorded, and may have been handed out

	past bool // it is done, as its worker reads on, though that is not recorded yet

	refused bool    // the message that is out is to go back, for which there was no room yet
	owed    []Lease // those that go back as soon as there is room, while others are out

	// the lease of which an earlier process was told what has become of the message, did that, and may not have
	// answered; "": there is none
	done string
}

// deadQueue is where messages go that were tried too often.
const deadQueue = "dead"

// Next acknowledges the message in hand, unless it is to go back, and takes the next one.
func (l *lease) Next(end backends.Endpoint, buf []byte, _ int) ([]byte, error) {
	if err := l.settle(); err != nil {
		return nil, err
	}
	_ = l.repay() // what there is no room for goes back when this one made some, or later
	for {
		if err := l.take(end, buf); err != nil {
			owes := len(l.owed)
			if Waits(err) && owes > 0 {
				_ = l.repay() // others took all that there was, and made room
			}
			if len(l.owed) < owes {
				continue
			}
			return nil, err
		}
		_ = l.repay()
		if l.now.Spent() && l.q.bury(l.now, end) == nil {
			l.now, l.out = nil, false
			continue
		}
		msg, _ := l.now.Message()
		if n := len(msg); n == 0 || msg[n-1] != '\n' {
			msg = append(slices.Clip(msg), '\n')
		}
		return msg, nil
	}
}

// take receives a message, if there is none in hand, and records it. A message that cannot be recorded
// would be lost with the daemon. It goes back at once, or, if the queue has filled up meanwhile, stays in
// hand for the next read.
func (l *lease) take(end backends.Endpoint, buf []byte) error {
	if l.now == nil {
		if unit := end.Unit(); len(buf) < unit {
			buf = make([]byte, unit)
		}
		one, err := l.q.store.Leases.Lease(end.(QueueEnd), l.uid, buf)
		if errors.Is(err, syscall.EDQUOT) {
			return advise("lease", syscall.EDQUOT, err)
		}
		if err != nil {
			return err
		}
		l.now = one
	}
	err := l.now.Record()
	if err == nil {
		l.out = true
		return nil
	}
	if l.now.Return() == nil {
		l.now = nil
	}
	return advise("lease", Errno(err), fmt.Errorf("a message is only handed out when that is recorded: %w", err))
}

// settle ends what was out. A message for which nack found no room is not done because its worker reads on:
// it goes back later.
func (l *lease) settle() error {
	if !l.refused {
		return l.ack()
	}
	err := l.Finish(nil)
	if err == backends.ErrWouldBlock {
		l.owed = append(l.owed, l.now)
		l.now, l.out, l.refused = nil, false, false
		return nil
	}
	return err
}

// repay puts back what is owed, as far as there is room.
func (l *lease) repay() error {
	for len(l.owed) > 0 {
		err := l.owed[0].Return()
		if errors.Is(err, backends.ErrRemoved) {
			err = l.owed[0].Done() // the message goes the way of its queue
		}
		if err != nil {
			return err
		}
		l.owed = l.owed[1:]
	}
	return nil
}

// Held notes that a worker reads on who has to wait behind other readers: the message in hand is done, also
// if they never come to their turn.
func (l *lease) Held(backends.Endpoint, []byte, int) ([]byte, error) {
	l.past = l.past || l.out && !l.refused
	return nil, backends.ErrWouldBlock
}

// Holds is holder.Holds: ack of the message that is out needs no room. One for which a nack found none waits for
// that.
func (l *lease) Holds(backends.Endpoint) backends.Ready {
	if l.out && !l.past && !l.refused {
		return backends.Out
	}
	return 0
}

// ack forgets the message that was handed out.
func (l *lease) ack() error {
	l.refused, l.past = false, false
	if !l.out {
		l.done = ""
		return nil
	}
	one := l.now
	l.now, l.out = nil, false
	if err := one.Done(); err != nil {
		return advise("ack", Errno(err), fmt.Errorf("the message will come again: %w", err))
	}
	return nil
}

// ahead: ack needs no room, and what nack puts back made its room itself. Behind those who fill the queue a nack
// would not even be noted, and who gives it up and reads on would have said that the message is done.
func (*lease) ahead() bool { return true }

// asked notes a nack: who gives that up and reads on has not said that the message is done.
func (l *lease) asked(p []byte) {
	word, _, _ := bytes.Cut(p, []byte("\n"))
	l.refused = l.refused || l.out && !l.past && strings.TrimSpace(string(word)) == "nack"
}

// Put does ack and nack, one a line.
func (l *lease) Put(end backends.Endpoint, p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		word := strings.TrimSpace(string(line))
		if word != "ack" && word != "nack" {
			return 0, advise("write", syscall.EINVAL, errors.New("a lease takes ack or nack, one a line"))
		}
		if (!l.out || l.past) && l.done == "" {
			return 0, advise("write", syscall.ENOMSG, fmt.Errorf("%s: no message is out on this file", word))
		}
		if word == "ack" {
			if err := l.ack(); err != nil {
				return 0, err
			}
			continue
		}
		l.refused, l.done = l.out, ""
		if err := l.Finish(end); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// unsettled reports whether the message in hand is done, and that is not recorded yet, before Finish.
func (l *lease) unsettled() bool { return l.past }

// Finish puts back the message in hand, and those that are owed.
func (l *lease) Finish(backends.Endpoint) error {
	if err := l.repay(); err != nil || l.now == nil {
		return err
	}
	err := l.now.Return()
	removed := errors.Is(err, backends.ErrRemoved)
	if removed {
		err = l.now.Done() // the message goes the way of its queue
	}
	if err == nil || removed {
		l.now, l.out, l.refused = nil, false, false
	}
	return err
}

// Left is finisher.Left.
func (l *lease) Left() bool { return l.now != nil || len(l.owed) > 0 }

// bury sends a message to the dead queue. If that is not there it is made, with the attributes of the queue
// that the message is from. A dead queue of another user's, made perhaps to read what comes, gets nothing.
func (q queue) bury(one Lease, from backends.Endpoint) error {
	a, err := from.Stat()
	if err != nil {
		return err
	}
	to, err := q.dead(a)
	if err != nil {
		return err
	}
	defer to.Close()
	msg, meta := one.Message()
	if err := send(to, msg, meta); err != nil {
		return err
	}
	return one.Done()
}

// dead opens or makes the dead queue for messages of a queue with these attributes.
func (q queue) dead(a Attr) (QueueEnd, error) {
	there, err := q.store.Names.Stat(Ref{Path: deadQueue}, false)
	if err == nil && there.Uid != a.Uid && there.Uid != 0 {
		return nil, syscall.EPERM
	}
	if err == nil {
		return q.store.Opener.Open(Ref{Path: deadQueue, Was: there}, writeOnly, false)
	}
	if !errors.Is(err, syscall.ENOENT) {
		return nil, err
	}
	s, err := q.store.Rules.State(q.Ref)
	if err != nil {
		return nil, err
	}
	s.MaxTries = 0
	to, _, err := q.store.Opener.Create(deadQueue, Owner{Uid: a.Uid, Gid: a.Gid, Mode: a.Mode & 0777},
		s.QueueRules, writeOnly, false)
	return to, err
}
