package tests

import (
	"golang.org/x/sys/unix"
)

// emptyBlocks: a read of nothing waits until there is something. With O_NONBLOCK, from open(2)
// or fcntl(2), it is EAGAIN; without it again, it waits.
func emptyBlocks(s *stage) {
	w, r := s.meet(s, s.reader.flags+",nonblock")
	r.fails("EAGAIN", "read", wide, nil)
	r.must("block", 0, nil)
	for _, msg := range [][]byte{[]byte("first"), []byte("second")} {
		r.start("read", wide, nil)
		s.wait(r)
		w.send(msg)
		r.completes(msg)
		r.quiet() // and blocks again
	}
}

// fullBlocks: a write for which there is no room is EAGAIN with
// O_NONBLOCK, and sends nothing; else it waits for room.
func fullBlocks(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	for range 2 {
		sent := append(w.fill(), s.message(-1))
		w.begin(sent[len(sent)-1])
		s.wait(w)
		r.expect(sent...)
		w.wrote("")
		r.quiet()
	}
}

// signalEndsRead: a signal ends a read that waits with EINTR, and the next message is still to be read.
func signalEndsRead(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	for _, msg := range [][]byte{[]byte("after"), []byte("signals")} {
		r.start("read", wide, nil)
		s.wait(r)
		check(s, r.player.signal())
		r.ends("EINTR", 0)
		w.send(msg)
		r.expect(msg)
	}
	r.quiet()
}

// signalEndsWrite: a signal ends a write that waits with EINTR, and nothing of
// it is sent, so that the program can try again.
func signalEndsWrite(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	sent := append(w.fill(), s.message(-1))
	w.begin(sent[len(sent)-1])
	for range 2 {
		s.wait(w)
		check(s, w.player.signal())
		w.wrote("EINTR")
		w.begin(nil)
	}
	r.expect(sent...)
	w.wrote("")
	r.quiet()
}

// pollIn: poll, select and epoll say POLLIN when there is something to read,
// not before, and wake a player that waits for it.
func pollIn(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	for _, how := range []string{"poll", "select", "epoll", "epollet"} {
		p := r.poller(how, unix.POLLIN)
		for _, msg := range [][]byte{[]byte("first"), []byte("second")} {
			p.now("")
			p.woken("IN", func() { w.send(msg) })
			p.now(map[bool]string{false: "IN"}[how == "epollet"])
			r.expect(msg)
		}
		p.now("")
	}
	r.quiet()
}

// pollOut: they say POLLOUT when there is room, not before, and wake a player that waits for it.
func pollOut(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	for _, how := range []string{"poll", "select", "epoll", "epollet"} {
		p := w.poller(how, unix.POLLOUT)
		p.now("OUT")
		for range 2 {
			sent := w.fill()
			p.now("")
			whole := sent
			if len(w.rest) > 0 {
				whole = sent[:len(sent)-1]
			}
			p.woken("OUT", func() { r.expect(whole...) })
			p.now(map[bool]string{false: "OUT"}[how == "epollet"])
			if len(w.rest) > 0 {
				w.begin(nil)
				w.wrote("")
				r.expect(sent[len(whole):]...)
			}
		}
	}
	r.quiet()
}

// pollGone: they say that the peer is gone, and the reader reads to the end.
func pollGone(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	p := r.poller("poll", unix.POLLIN)
	p.woken("IN", func() { w.send([]byte("last")) })
	r.expect([]byte("last"))
	p.woken(s.hangup, w.close)
	p.now(s.hangup)
	r.start("read", wide, nil)
	r.ends("", 0)
}
