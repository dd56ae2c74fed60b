package tests

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// exactBytes: what is written is read, whatever the bytes, and wherever in a message.
func exactBytes(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	var all []byte
	for b := range 256 {
		if !strings.Contains(s.framing.without, string([]byte{byte(b)})) {
			all = append(all, byte(b))
		}
	}
	// Where there is little time, a quarter of them comes first, and another one last.
	for i := range all {
		if i%often(4, 1) == 0 {
			of := func(n int) byte { return all[(i+n)%len(all)] }
			msg := []byte{of(0), 'x', of(1), of(1), 'y', of(2), of(3), of(64)}
			w.send(msg)
			r.expect(msg)
		}
	}
	r.quiet()
}

// boundsAreKept: a read gives one message, or as many whole ones as there are
// where a face gives many, in the order they were sent.
func boundsAreKept(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	var all [][]byte
	for i := range 5 {
		all = append(all, bytes.Repeat([]byte{'a' + byte(i)}, i+1))
		w.send(all[i])
	}
	if s.framing.many {
		r.rest = r.must("read", widest, nil).Data
		for _, msg := range all {
			var got []byte
			var ok bool
			if got, r.rest, ok = s.framing.decode(r.rest); !ok || !bytes.Equal(got, msg) {
				s.Fatalf("one read gave %q, which does not go on with %q", r.rest, msg)
			}
		}
	} else {
		r.expect(all...)
	}
	r.quiet()
}

// longestMessage: the longest message goes through; one that is
// longer is EMSGSIZE, and nothing of it is sent.
func longestMessage(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	long := bytes.Repeat([]byte("l"), s.longest)
	w.send(long)
	r.expect(long)
	w.fails("EMSGSIZE", "write", 0, s.framing.encode(append(long, 'l')))
	w.send([]byte("after it"))
	r.expect([]byte("after it"))
	r.quiet()
}

// zeroLength: a message of no bytes is a message too.
func zeroLength(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	all := [][]byte{[]byte("a"), {}, {}, []byte("b")}
	for _, msg := range all {
		w.send(msg)
	}
	r.expect(all...)
	r.quiet()
}

// shortReads: a read gets as much as it asks for, and the next one goes on there; read byte by byte,
// nothing is missing, and no read goes beyond the end of a message.
func shortReads(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	one, two := []byte("123456789"), []byte("ABCDEFG")
	w.send(one)
	w.send(two)
	r.inPieces(one, 4, 3)
	r.inPieces(two, 1)
	r.quiet()
}

// inPieces reads a message by reads of sizes, the last one again and again.
func (f *file) inPieces(msg []byte, sizes ...int) {
	f.stage.Helper()
	got, err := f.pull(len(msg), func() int {
		n := sizes[0]
		sizes = sizes[min(1, len(sizes)-1):]
		return n
	})
	if err != nil || !bytes.Equal(got, msg) {
		f.stage.Fatalf("got %q (%v), want %q", got, err, msg)
	}
}

// fuzzedSizes: messages of any size, reads of any size, and signals all the
// time: what is sent is received, in order and once.
func fuzzedSizes(s *stage) {
	count := often(60, 240)
	seed := uint64(time.Now().UnixNano())
	s.Logf("seed %d", seed)
	sizes, lengths := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	w, r := s.meet(s, s.reader.flags)
	most := min(s.longest, 70000)
	if most == 0 {
		most = 70000
	}
	all := make([][]byte, count)
	for i := range all {
		n := 1 + sizes.IntN(most)
		switch sizes.IntN(4) {
		case 0:
			n = most
		case 1:
			n = 1 + n%9
		}
		all[i] = bytes.Repeat(fmt.Appendf(nil, "%d.", i), n/2+1)[:n]
	}
	var crowd sync.WaitGroup
	calm, room := make(chan struct{}), make(chan struct{}, max(s.window, 1))
	crowd.Go(func() { storm(calm, w, r) })
	crowd.Go(func() {
		for _, msg := range all {
			if s.window > 0 {
				room <- struct{}{}
			}
			if err := w.push(msg); err != nil {
				s.Error(err)
				r.player.kill() // it would wait for more
				return
			}
		}
	})
	for i, msg := range all {
		got, err := r.pull(len(msg), func() int { return 1 + lengths.IntN(2*most) })
		if err != nil || !bytes.Equal(got, msg) {
			s.Errorf("message %d: got %d bytes %.40q (%v), want %d bytes %.40q", i, len(got), got, err, len(msg), msg)
			break
		}
		if s.window > 0 {
			<-room
		}
	}
	close(calm)
	crowd.Wait()
	r.quiet()
}

// storm sends the players signals until it is calm.
func storm(calm chan struct{}, files ...*file) {
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for {
		select {
		case <-calm:
			return
		case <-tick.C:
			for _, f := range files {
				_ = f.player.signal()
			}
		}
	}
}

// push writes a message. Where a signal ends a write it tries again, or goes on with the rest.
func (f *file) push(msg []byte) error {
	for wire := f.stage.framing.encode(msg); len(wire) > 0; {
		answer, err := f.try("write", 0, wire)
		switch {
		case err != nil:
			return err
		case answer.Errno != "" && answer.Errno != "EINTR":
			return fmt.Errorf("write: %s", answer.Errno)
		case f.stage.framing.whole && answer.Errno == "" && answer.N < len(wire):
			return fmt.Errorf("write: %d of %d bytes of a message", answer.N, len(wire))
		}
		wire = wire[answer.N:]
	}
	return nil
}

// pull reads a message of n bytes with reads of some sizes. Where one write is one message, each read
// gives as much as it asked for, or all that is left of the message.
func (f *file) pull(n int, size func() int) ([]byte, error) {
	if !f.stage.framing.whole {
		return f.next(size)
	}
	var got []byte
	for n += len(f.stage.framing.tail); len(got) < n; {
		most := size()
		answer, err := f.try("read", most, nil)
		got = append(got, answer.Data...)
		switch {
		case err != nil:
			return got, err
		case answer.Errno == "EINTR":
			continue
		case answer.Errno != "":
			return got, fmt.Errorf("read: %s", answer.Errno)
		case len(answer.Data) != most && len(got) != n:
			return got, fmt.Errorf("a read of %d bytes gave %d", most, len(answer.Data))
		}
	}
	return f.stage.framing.text(got)
}
