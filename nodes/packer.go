package nodes

import (
	"math"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// A packer is the reading side of a face (linesFace, recordsFace) of which one read gives as many messages as
// there are and fit, each in a frame. How long the next message of a POSIX queue is shows only when it was
// received (mq_receive(3)). A message that does not fit any more is held for the next read, one at most. If
// that read does not come, the message goes back when the file is closed, behind the others of its priority.
// Ends that can leave a message where it is (those that stay tells of, backends.Lender, Taker) have nothing
// held.
type packer struct {
	frame   func(msg []byte, m *backends.Meta) (head []byte, tail string) // what stands around a message
	reserve int                                                           // the longest head in bytes, as a rule
	stay    bool                                                          // what is longer than its room stays (msgrcv(2))

	holds bool
	held  []byte        // the message that is held
	meta  backends.Meta // of the message taken last
}

// Next is as many whole messages as fit in size bytes, but at least one.
func (p *packer) Next(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	if most := p.reserve + end.Unit() + 1; len(buf) < most {
		buf = make([]byte, most)
	}
	return p.pack(end, buf, size, true)
}

// More is batcher.More.
func (p *packer) More(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	return p.pack(end, buf, size, false)
}

// pack takes messages into buf until the next one would go beyond size bytes. must has the first one in any
// case.
func (p *packer) pack(end backends.Endpoint, buf []byte, size int, must bool) ([]byte, error) {
	if many, ok := end.(backends.Taker); ok {
		return p.packTaken(many, buf, size, must)
	}
	out := buf[:0]
	for must || len(out) < size {
		msg, err := p.take(end, buf[min(len(out)+p.reserve, len(buf)):], size-len(out)-p.reserve-1, must)
		if err != nil && len(out) == 0 {
			return nil, err
		}
		if err != nil {
			break
		}
		head, tail := p.frame(msg, &p.meta)
		if !must && len(head)+len(msg)+len(tail) > size-len(out) && p.hold(end, msg) {
			break
		}
		out = append(append(append(out, head...), msg...), tail...)
		p.letGo()
		must = false
	}
	if len(out) == 0 {
		return nil, backends.ErrWouldBlock
	}
	return out, nil
}

// packTaken is pack of what one try gives. More is not asked for behind it, as nobody might come for the
// answer.
func (p *packer) packTaken(from backends.Taker, buf []byte, size int, must bool) ([]byte, error) {
	if !must {
		return nil, backends.ErrWouldBlock
	}
	list, err := from.TryTake(size, p.reserve+1)
	out := buf[:0]
	for i := range list {
		head, tail := p.frame(list[i].Data, &list[i].Meta)
		out = append(append(append(out, head...), list[i].Data...), tail...)
	}
	return out, err
}

// take is the message that is held, or receives one into space. Of at most room bytes it surely fits.
// EMSGSIZE or the end's own error: the next one is longer, or may be and could not be held.
func (p *packer) take(end backends.Endpoint, space []byte, room int, must bool) (msg []byte, err error) {
	if p.holds {
		return p.held, nil
	}
	if lender, ok := end.(backends.Lender); ok {
		if must {
			room = math.MaxInt
		}
		msg, p.meta, err = lender.TryLend(room)
		return msg, err
	}
	if !must {
		unit := end.Unit()
		switch {
		case p.stay && room >= 0:
			space = space[:min(room, len(space))]
		case p.stay, room < unit && (len(space) < unit || !returns(end)):
			return nil, syscall.EMSGSIZE
		}
	}
	n := 0
	n, p.meta, err = end.TryRead(space)
	return space[:n], err
}

func returns(end backends.Endpoint) bool {
	r, ok := end.(backends.Returner)
	return ok && r.Returns()
}

// hold keeps a message that was taken for the next read, if it could go back.
func (p *packer) hold(end backends.Endpoint, msg []byte) bool {
	if p.holds || !returns(end) {
		return p.holds
	}
	p.held, p.holds = append(p.held[:0], msg...), true
	return true
}

// Holds is holder.Holds.
func (p *packer) Holds(backends.Endpoint) backends.Ready {
	if p.holds {
		return backends.In
	}
	return 0
}

// Held is holder.Held: the message that is held.
func (p *packer) Held(_ backends.Endpoint, buf []byte, _ int) ([]byte, error) {
	if !p.holds {
		return nil, backends.ErrWouldBlock
	}
	head, tail := p.frame(p.held, &p.meta)
	out := append(append(append(buf[:0], head...), p.held...), tail...)
	p.letGo()
	return out, nil
}

// letGo ends the holding. Memory for a long message is not kept for another one.
func (p *packer) letGo() {
	p.holds = false
	if cap(p.held) > maxRoom {
		p.held = nil
	}
}

// keepsHeld is how many bytes of memory there are for a message that is held.
func (p *packer) keepsHeld() int { return cap(p.held) }

// putBack gives the queue back the message that is held. If the queue is gone, the message goes the way of
// the others in it.
func (p *packer) putBack(end backends.Endpoint) error {
	if !p.holds {
		return nil
	}
	err := end.(backends.Returner).TryReturn(p.held, p.meta)
	if err == backends.ErrRemoved {
		err = nil
	}
	if !Waits(err) {
		p.letGo()
	}
	return err
}
