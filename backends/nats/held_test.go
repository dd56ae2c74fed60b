package nats

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/tests/natsd"
	"golang.org/x/sys/unix"
)

// linked is a link to servers, with more options of --attach, once there is a connection.
func linked(t *testing.T, servers *natsd.Servers, options string) *Link {
	t.Helper()
	_, config, err := ParseAttach("prod=" + servers.URL() + options)
	if err != nil {
		t.Fatal(err)
	}
	poll, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	l := Open("prod", config, poll, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { l.Close() })
	if !l.Await(20 * time.Second) {
		t.Fatal("no connection")
	}
	return l
}

// bounded is a link to a server of its own, whose users may hold so many bytes of messages.
func bounded(t *testing.T, bytes int64) *Link {
	l := linked(t, natsd.For(t, 1, ""), "")
	l.Heap = backends.NewBudget(backends.Terms{Name: "memory", Err: unix.ENOBUFS},
		func(int64) backends.Bounds { return backends.EachMay(bytes) })
	return l
}

// port is what is read here: an end of a queue, or a member of a group.
type port interface {
	backends.Endpoint
	TryLend(int) ([]byte, backends.Meta, error)
}

// lend reads a message, as soon as it is known whether there is one.
func lend(t *testing.T, p port) ([]byte, error) {
	t.Helper()
	for limit := time.After(20 * time.Second); ; {
		data, _, err := p.TryLend(1)
		if !errors.Is(err, backends.ErrUnsettled) {
			return bytes.Clone(data), err
		}
		woken := make(chan struct{}, 1)
		p.Arm(backends.In, func() { woken <- struct{}{} })
		select {
		case <-woken:
		case <-limit:
			t.Fatal("no answer")
		}
	}
}

// soon is lend where there is a message, which may be on its way to somebody who gives it back.
func soon(t *testing.T, p port) ([]byte, error) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); ; {
		data, err := lend(t, p)
		if !errors.Is(err, backends.ErrWouldBlock) || time.Now().After(limit) {
			return data, err
		}
	}
}

// await waits until a condition holds, with Link.mu held.
func await(t *testing.T, l *Link, what string, holds func() bool) {
	t.Helper()
	for begun := time.Now(); ; <-time.After(time.Millisecond) {
		l.mu.Lock()
		ok := holds()
		l.mu.Unlock()
		if ok {
			return
		}
		if time.Since(begun) > 20*time.Second {
			t.Fatal(what)
		}
	}
}

// TestLeftCounts: what members of a group got, and left without reading it, counts for the user who left, and
// is never more than they may hold. What does not fit goes back to the servers; all is read in the end, once.
func TestLeftCounts(t *testing.T) {
	const (
		leaves, reads = 1000, 1001
		size, fit     = 1000, 5
		members       = 20
		most          = fit*(size+heldAside) + leastReceipts*receiptSize
	)
	l := bounded(t, most)
	topics := l.Topics(nil)
	name := backends.Name{Base: "t"}
	a, err := topics.Create(name, backends.Owner{Mode: 0600}, TopicRules{Depth: 100})
	if err != nil {
		t.Fatal(err)
	}
	one, err := topics.Open(backends.Ref{Path: "t", Was: a}, false)
	if err != nil {
		t.Fatal(err)
	}
	join := func(uid uint32) *MemberEnd {
		m, err := one.Group("g", false, uid)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	var list []*MemberEnd
	for range members {
		m := join(leaves)
		if _, err := lend(t, m); !errors.Is(err, backends.ErrWouldBlock) {
			t.Fatal("a message that nobody published:", err)
		}
		m.Arm(backends.In, func() {})
		list = append(list, m)
	}
	q, s := list[0].in.q, list[0].g.share
	for i := range members {
		message := fmt.Append(nil, i, " ", string(make([]byte, size-3)))
		if _, err := l.request(topicSubject(topicSubjects, "t"), message); err != nil {
			t.Fatal(err)
		}
	}
	await(t, l, "the messages did not come", func() bool {
		sure := 0
		for _, m := range list {
			if t := m.in.in; t != nil && t.sure {
				sure++
			}
		}
		return sure == members || q.lacks > 0 && sure >= fit
	})
	for _, m := range list {
		m.Close()
	}
	await(t, l, "some are still being acknowledged", func() bool {
		return !slices.ContainsFunc(list, func(m *MemberEnd) bool { return m.in.in != nil && len(m.in.in.list) > 0 })
	})
	l.mu.Lock()
	bytes := 0
	for _, d := range s.left {
		bytes += len(d.data)
	}
	t.Logf("%d messages are left, %d bytes", len(s.left), bytes)
	l.mu.Unlock()
	if bytes == 0 || bytes > fit*size {
		t.Errorf("%d bytes are left, of a user who may hold %d", bytes, fit*size)
	}
	if used := l.Heap.Used(leaves); used < int64(bytes) || used > most {
		t.Errorf("%d bytes are left and %d counted", bytes, used)
	}

	m := join(reads)
	seen := map[string]bool{}
	for len(seen) < members {
		data, err := soon(t, m)
		if err != nil {
			t.Fatalf("after %d messages: %v", len(seen), err)
		}
		n, _, _ := strings.Cut(string(data), " ")
		if seen[n] {
			t.Errorf("message %s comes twice", n)
		}
		seen[n] = true
	}
	m.Close()
	if used := l.Heap.Used(reads); used != 0 {
		t.Errorf("all is read, and %d bytes are counted", used)
	}
	l.mu.Lock()
	l.unshare(q.at(), s, s.ends)
	l.mu.Unlock()
	if used := l.Heap.Held(); used != 0 {
		t.Errorf("the group is forgotten, and %d bytes are counted", used)
	}
}

// TestReceiptsCount: what a machine remembers of the messages of a group counts for who came first, and is
// less if they may hold no more: nobody waits for that.
func TestReceiptsCount(t *testing.T) {
	const uid, room = 1000, 4 * leastReceipts
	memory := backends.NewBudget(backends.Terms{Name: "memory", Err: unix.ENOBUFS},
		func(int64) backends.Bounds { return backends.EachMay((room + leastReceipts) * receiptSize) })
	l := &Link{shares: map[string]*share{}, Groups: NewGroups(), Heap: memory, began: time.Now()}
	s, err := l.sharing("s.g_w", uid)
	if err != nil {
		t.Fatal(err)
	}
	newest := func(n uint64) {
		t.Helper()
		for i := range n {
			s.took(l, &delivery{seq: i, key: i})
		}
		if len(s.taken) == 0 || s.taken[len(s.taken)-1].seq != n-1 {
			t.Error("the newest is not remembered")
		}
	}
	newest(10 * room)
	if used := memory.Used(uid); used != room*receiptSize || cap(s.taken) != room {
		t.Errorf("%d receipts have room, %d bytes are counted", cap(s.taken), used)
	}
	l.leaves("s.g_w", s)
	if l.unshare("s.g_w", s, s.ends); memory.Used(uid) != 0 {
		t.Errorf("it is forgotten, and %d bytes are counted", memory.Used(uid))
	}

	memory.Add(uid, (room+leastReceipts)*receiptSize) // by something else
	if s, err = l.sharing("s.g_w", uid); err != nil {
		t.Fatal(err)
	}
	if s.took(l, &delivery{}); len(s.taken) != 0 {
		t.Error("there is a receipt that nobody pays for")
	}
	memory.Give(uid, (room+leastReceipts)*receiptSize)
	if newest(10 * maxReceipts / 8); cap(s.taken) != room {
		t.Errorf("%d receipts have room", cap(s.taken))
	}
}

// TestHeldCounts: a message that a user may not hold stays with the servers, for others. Who reads is told
// so, poll says that a read does not wait, and who waits already waits on.
func TestHeldCounts(t *testing.T) {
	const full, other, most = 1000, 1001, 4096
	l := bounded(t, most)
	writer, a, err := l.Queues().Create("q", backends.Owner{Mode: 0600}, QueueRules{}, unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	open := func(uid uint32) *End {
		e, err := (&Queues{l: l}).Open(backends.Ref{Path: "q", Was: a}, unix.O_RDONLY, false)
		if err != nil {
			t.Fatal(err)
		}
		e.PaidBy(uid)
		t.Cleanup(func() { e.Close() })
		return e
	}
	waits := open(full)
	if _, err := lend(t, waits); !errors.Is(err, backends.ErrWouldBlock) {
		t.Fatal("a message that nobody sent:", err)
	}
	got := make(chan struct{}, 1)
	waits.Arm(backends.In, func() { got <- struct{}{} })
	l.Heap.Add(full, most)

	send := func(what string) {
		t.Helper()
		if _, err := l.request(writer.q.subject(0), []byte(what)); err != nil {
			t.Fatal(err)
		}
	}
	send("one")
	await(t, l, "the message did not come", func() bool { return waits.q.lacks > 0 })
	l.mu.Lock()
	for range 10 { // as it does each moment
		waits.q.pulls = nil
		waits.q.wanted()
	}
	if len(waits.q.pulls) > 0 {
		t.Error("the servers are asked for what nobody may hold, and each time is a try")
	}
	l.mu.Unlock()
	reads := open(full)
	refused := new(backends.Refusal)
	if _, err := soon(t, reads); !errors.As(err, &refused) || refused.Err != unix.ENOBUFS || refused.Uid != full {
		t.Error("a user who may hold no more gets a message:", err)
	}
	probe := func(e *End) backends.Ready {
		for {
			r, err := e.Probe()
			if err == nil {
				return r
			}
			woken := make(chan struct{}, 1)
			e.Arm(backends.In, func() { woken <- struct{}{} })
			<-woken
		}
	}
	polls := open(full)
	for limit := time.Now().Add(20 * time.Second); probe(polls)&backends.In == 0; {
		if time.Now().After(limit) {
			t.Fatal("poll does not say that a read would not wait")
		}
	}
	if data, err := soon(t, open(other)); string(data) != "one" {
		t.Errorf("another user got %q, %v", data, err)
	}
	if used := l.Heap.Used(other); used != 0 {
		t.Errorf("it is read, and %d bytes are counted", used)
	}
	select {
	case <-got:
		t.Error("who waits is woken for nothing")
	default:
	}
	l.Heap.Give(full, most)
	send("two")
	<-got
	if data, err := soon(t, waits); string(data) != "two" {
		t.Errorf("who waited got %q, %v", data, err)
	}
	if used := l.Heap.Held(); used != 0 {
		t.Errorf("all is read, and %d bytes are counted", used)
	}
}
