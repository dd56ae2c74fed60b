package nodes

// paid begins to listen in the name of the socket's owner, who pays for the descriptor until the socket is closed.
func (s *Sockets) paid(uid uint32, begin func() (*socket, error)) (*socket, error) {
	if err := s.env.Shares.Take(uid); err != nil {
		return nil, err
	}
	one, err := begin()
	if err != nil {
		s.env.Shares.Give(uid)
		return nil, err
	}
	one.shares, one.payer = &s.env.Shares, uid
	return one, nil
}

// belongs has the new owner of a socket pay for what listens. The caller holds Sockets.mu.
func (one *socket) belongs(uid uint32) {
	if one.shares != nil && one.payer != uid {
		one.shares.Move(one.payer, uid, 1)
		one.payer = uid
	}
}

// unpay ends the paying for a socket that listens no more, once. Nobody finds it in Sockets.all any more.
func (one *socket) unpay() {
	if one.shares != nil {
		one.shares.Give(one.payer)
		one.shares = nil
	}
}
