package tests

import (
	"bytes"
	"fmt"
	"sync"
)

// messageInHand: what a short read has left belongs to the open file. Each
// descriptor of it reads on there, in every process.
func messageInHand(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	for _, other := range []*file{r.dup(), r.fork()} {
		msg := []byte("0123456789")
		w.send(msg)
		got := r.must("read", 3, nil).Data
		got = append(got, other.must("read", 4, nil).Data...)
		r.has(append(got, r.must("read", wide, nil).Data...), msg)
	}
	r.quiet()
}

// forkShares: parent and child have one open file. Each message goes to one of them, whatever either
// sends arrives, and when the child closes it, the parent goes on.
func forkShares(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	w2, r2 := w.fork(), r.fork()
	for i := range 3 {
		one, two := fmt.Appendf(nil, "parent %d", i), fmt.Appendf(nil, "child %d", i)
		w.send(one)
		r2.expect(one)
		w2.send(two)
		r.expect(two)
	}
	r2.quiet()
	r2.close()
	w2.close()
	w.send([]byte("alone"))
	r.expect([]byte("alone"))
	r.quiet()
}

// forkWaits: parent and child wait side by side on one open file, each
// for one message, and each can be interrupted.
func forkWaits(s *stage) {
	w, r := s.meet(s, s.shared)
	r2 := r.fork()
	for _, msg := range [][]byte{[]byte("first"), []byte("second")} {
		r.start("read", wide, nil)
		s.wait(r)
		r2.start("read", wide, nil)
		s.wait(r, r2)
		check(s, r.player.signal())
		r.ends("EINTR", 0)
		r.start("read", wide, nil)
		s.wait(r, r2)
		w.send(msg)
		r2.completes(msg)
		w.send([]byte("other"))
		r.completes([]byte("other"))
	}
	r.quiet()
}

// dupShares: a duplicate is the same open file, with the same flags.
func dupShares(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	w2, r2 := w.dup(), r.dup()
	w2.send([]byte("to"))
	r.expect([]byte("to"))
	w.send([]byte("fro"))
	r2.expect([]byte("fro"))
	r.must("nonblock", 0, nil)
	r2.fails(s.dry, "read", wide, nil)
	r2.must("block", 0, nil)
	r.close()
	w.close()
	w2.send([]byte("still"))
	r2.expect([]byte("still"))
	r2.quiet()
}

// lastCloseEnds: an open file ends with the last close, whichever process does that.
func lastCloseEnds(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	w2, child := w.dup(), w.fork()
	w.send([]byte("last"))
	w.close()
	w2.close()
	r.expect([]byte("last"))
	r.quiet()
	r.start("read", wide, nil)
	s.wait(r)
	child.close()
	r.ends("", 0)
}

// twoReaders: two readers open the object and wait. Each gets a
// message, in the order they came; or both get all.
func twoReaders(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	r2 := s.open(s.reader, s.reader.flags).opened()
	one, two := []byte("one"), []byte("two")
	for range 2 {
		r.start("read", wide, nil)
		s.wait(r)
		r2.start("read", wide, nil)
		s.wait(r, r2)
		w.send(one)
		r.completes(one)
		if s.copies {
			r2.completes(one)
			w.send(two)
			r.expect(two)
			r2.expect(two)
			continue
		}
		w.send(two)
		r2.completes(two)
	}
	r.quiet()
	r2.quiet()
}

// restIsMine: what a short read has left is for that open file; another
// gets the next message, or all of this one.
func restIsMine(s *stage) {
	w, r := s.meet(s, s.reader.flags)
	r2 := s.open(s.reader, s.reader.flags).opened()
	one, two := []byte("one"), []byte("two")
	w.send(one)
	got := r.must("read", 1, nil).Data
	w.send(two)
	if s.copies {
		r2.expect(one)
	}
	r2.expect(two)
	got = append(got, r.must("read", len(one)-1+len(s.framing.tail), nil).Data...)
	if !s.framing.whole {
		got = append(got, r.must("read", wide, nil).Data...)
	}
	r.has(got, one)
	if s.copies {
		r.expect(two)
	}
	r.quiet()
	r2.quiet()
}

// exactlyOnce: several write and several read, all disturbed by signals. Each message is received
// once, or once by each reader; those of one writer in their order.
func exactlyOnce(s *stage) {
	const writers, readers = 2, 3
	each := often(30, 100)
	w, r := s.meet(s, s.reader.flags)
	from, to := []*file{w}, []*file{r}
	for len(to) < readers {
		to = append(to, s.open(s.reader, s.reader.flags).opened())
	}
	for len(from) < writers {
		from = append(from, s.open(s.writer, s.writer.flags).opened())
	}
	end := []byte("the end")
	got, ended := make([][][]byte, readers), make(chan error, readers)
	var crowd, senders sync.WaitGroup
	calm := make(chan struct{})
	crowd.Go(func() { storm(calm, append(from, to...)...) })
	for i, f := range to {
		crowd.Go(func() {
			for {
				// Room for one message: a reader that takes several may take the last one of another.
				msg, err := f.next(always(s.small))
				if err != nil || bytes.Equal(msg, end) {
					ended <- err
					return
				}
				got[i] = append(got[i], msg)
			}
		})
	}
	for i, f := range from {
		senders.Go(func() {
			for n := range each {
				if err := f.push(fmt.Appendf(nil, "%d from %d", n, i)); err != nil {
					s.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
	for i := range readers {
		if i == 0 || !s.copies {
			check(s, w.push(end))
		}
		check(s, <-ended)
	}
	close(calm)
	crowd.Wait()
	count := map[string]int{}
	for _, list := range got {
		var next [writers]int
		for _, msg := range list {
			count[string(msg)]++
			var n, i int
			if _, err := fmt.Sscanf(string(msg), "%d from %d", &n, &i); err != nil || n < next[i] {
				s.Fatalf("%q came after %d (%v)", msg, next[i]-1, err)
			}
			next[i] = n + 1
		}
	}
	want := map[bool]int{false: 1, true: readers}[s.copies]
	if len(count) != writers*each {
		s.Errorf("%d messages came, want %d", len(count), writers*each)
	}
	for msg, n := range count {
		if n != want {
			s.Errorf("%q came %d times, want %d", msg, n, want)
		}
	}
}
