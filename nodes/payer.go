package nodes

import (
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// payer is who pays for what listens: a descriptor and, for a Unix socket, its node.
type payer struct {
	shares *Shares        // nil: nothing listens
	room   *backends.Room // nil: there is no node, or nobody counts
	uid    uint32
}

// paid begins to listen in the name of the socket's owner, who pays until the socket is closed. room is
// that of its node, if it has one.
func (s *Sockets) paid(uid uint32, room *backends.Room,
	begin func() (*socketState, error)) (*socketState, error) {
	p := payer{&s.env.Shares, room, uid}
	if err := p.shares.Take(uid); err != nil {
		return nil, err
	}
	if err := room.Take(uid, syscall.S_IFSOCK); err != nil {
		p.shares.Give(uid)
		return nil, err
	}
	one, err := begin()
	if err != nil {
		p.giveBack()
		return nil, err
	}
	one.payer = p
	return one, nil
}

// becomes has the new owner of a socket pay for what listens. The caller holds Sockets.mu.
func (p *payer) becomes(uid uint32) {
	if p.shares == nil || p.uid == uid {
		return
	}
	p.shares.Move(p.uid, uid, 1)
	p.room.Move(p.uid, uid, syscall.S_IFSOCK)
	p.uid = uid
}

// giveBack ends the paying for a socket that listens no more, once. Nobody finds it in Sockets.all any more.
func (p *payer) giveBack() {
	if p.shares == nil {
		return
	}
	p.shares.Give(p.uid)
	p.room.Give(p.uid, syscall.S_IFSOCK)
	p.shares = nil
}
