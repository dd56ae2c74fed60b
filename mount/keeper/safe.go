package keeper

import (
	"slices"
	"sync"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// safe is a worker's side of what its keeper keeps (backends.Safe). What is in the box is kept, and the keeper
// need not look into it for that, which would take more time than to open a file does. It is called when there
// is a lot in it, and a moment after something is not to be kept any more. A keeper that does not listen just
// now, as it is stopped or becomes another program, keeps nobody waiting: what there is no room for in the box
// is sent later.
type safe struct {
	link *Link
	box  *Link
	left map[uint64]int

	mu    sync.Mutex
	fresh int       // messages in the box since the keeper was called
	calls bool      // it is about to be called
	again time.Time // when it is called again where the box stays full
	queue []message // to be sent, in order; a goroutine does that while there are any
	gone  map[uint64]chan struct{}
	deaf  bool // the keeper has not heard in time, once: nobody waits for it until it does
}

// callAfter is how many messages the keeper is called after, which leave room for some more. callPause is how
// long one that it need not heed at once lies there.
// callAgain is when it is called once more as there is still no room: it may have had no memory to look.
const (
	callAfter = 64
	callPause = 5 * time.Millisecond
	callAgain = time.Second
)

// keepLimit is how long somebody waits for room in the box: it may be whoever takes up everybody's requests.
// dropLimit is how long they wait for the keeper to close a descriptor.
const (
	keepLimit = 10 * time.Millisecond
	dropLimit = time.Second
)

// Keep is backends.Safe.Keep. It waits for room in the box, but not for a keeper that does not listen.
func (s *safe) Keep(number uint64, fd int) {
	s.mu.Lock()
	s.put(message{word: "keep", number: number, fd: fd})
	for late := time.Now().Add(keepLimit); s.waits(number) && !s.deaf; {
		s.mu.Unlock()
		time.Sleep(sendPause)
		s.mu.Lock()
		s.deaf = s.deaf || time.Now().After(late)
	}
	s.mu.Unlock()
}

// waits reports whether a descriptor is still to be sent. The caller holds s.mu.
func (s *safe) waits(number uint64) bool {
	return slices.ContainsFunc(s.queue, func(m message) bool { return m.word == "keep" && m.number == number })
}

// Drop is backends.Safe.Drop.
func (s *safe) Drop(number uint64, when backends.Closing) {
	s.mu.Lock()
	// The descriptor is about to be closed, and its number to be another file's.
	n := len(s.queue)
	s.queue = slices.DeleteFunc(s.queue, func(m message) bool { return m.word == "keep" && m.number == number })
	if len(s.queue) < n { // the keeper never had it
		s.mu.Unlock()
		return
	}
	m := message{word: "drop", number: number, fd: -1}
	if when != backends.CloseFirst {
		if s.put(m); when == backends.CloseSoon && s.fresh > 0 {
			s.call()
		}
		s.mu.Unlock()
		return
	}
	m.text = "now" // to one that is deaf, too: the answer tells that it hears again
	gone, deaf := make(chan struct{}), s.deaf
	if s.gone == nil {
		s.gone = map[uint64]chan struct{}{}
	}
	s.gone[number] = gone
	s.put(m)
	s.mu.Unlock()
	if deaf {
		return
	}
	late := time.NewTimer(dropLimit)
	defer late.Stop()
	select {
	case <-gone:
	case <-late.C:
		s.mu.Lock()
		s.deaf = true
		s.mu.Unlock()
	}
}

// Left is backends.Safe.Left.
func (s *safe) Left() map[uint64]int { return s.left }

// dropped is called when the keeper has closed one that somebody waits for.
func (s *safe) dropped(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone := s.gone[number]; gone != nil {
		delete(s.gone, number)
		close(gone)
		s.deaf = false
	}
}

// put sends a message, behind those that wait. The caller holds s.mu.
func (s *safe) put(m message) {
	if len(s.queue) == 0 && !s.full(m) {
		return
	}
	if s.queue = append(s.queue, m); len(s.queue) == 1 {
		go s.send()
	}
}

// full sends a message, unless there is no room for it now. Where it fails the keeper has ended, and so will
// this process.
func (s *safe) full(m message) bool {
	if noRoom(s.box.trySend(m)) {
		if now := time.Now(); now.After(s.again) { // each call takes room in the link
			s.again = now.Add(callAgain)
			s.call()
		}
		return true
	}
	s.again = time.Time{}
	s.fresh++
	switch {
	case s.fresh >= callAfter, m.text != "":
		s.call()
	case m.word == "drop":
		s.callSoon()
	}
	return false
}

// callSoon calls the keeper in a moment. The caller holds s.mu.
func (s *safe) callSoon() {
	if s.calls {
		return
	}
	s.calls = true
	time.AfterFunc(callPause, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.calls = false; s.fresh > 0 {
			s.call()
		}
	})
}

// call has the keeper look into the box, in a moment if there is no memory for that now. Where there is no
// room in the link (EAGAIN) it was called already. The caller holds s.mu.
func (s *safe) call() {
	if err := s.link.trySend(message{word: "box", fd: -1}); err != unix.EAGAIN && noRoom(err) {
		s.callSoon()
		return
	}
	s.fresh = 0
}

// sendPause is how long a socket is left alone when there is no room in it.
const sendPause = time.Millisecond

// send sends what waits.
func (s *safe) send() {
	for {
		s.mu.Lock()
		for len(s.queue) > 0 && !s.full(s.queue[0]) {
			s.queue = s.queue[1:]
		}
		if len(s.queue) == 0 {
			s.queue, s.deaf = nil, false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		time.Sleep(sendPause)
	}
}
