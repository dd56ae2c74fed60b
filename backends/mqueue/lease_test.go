package mqueue

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// leasing is a set of leases and a queue in an ipc namespace of the test's own.
func leasing(t *testing.T) (*Leases, *Queues, *Queue, string) {
	t.Helper()
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	at := t.TempDir()
	dir, err := backends.OpenDir(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	q := NewQueues(p, 2, 64)
	t.Cleanup(func() { q.Close() })
	name := fmt.Sprintf("ipcfs-lease \n%d", os.Getpid())
	one, err := q.Create(name, backends.Owner{
		Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600,
	}, 2, 64)
	if errors.Is(err, ErrBytes) || errors.Is(err, unix.ENOSPC) {
		t.Skip("no room for a queue: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Remove(name, backends.Cred{}) })
	t.Cleanup(func() { one.Close() })
	return OpenLeases(dir, nil), q, one, at
}

// A message whose queue is full when the daemon starts comes back as soon as there is room, once.
func TestLeaseComesBackWhenThereIsRoom(t *testing.T) {
	l, q, one, at := leasing(t)
	send := func(s string) {
		t.Helper()
		if _, err := one.TryWrite([]byte(s), backends.Meta{Prio: 3}); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 64)
	for _, s := range []string{"a", "b"} {
		send(s)
		lease, err := l.Take(one, 1000, buf)
		if err != nil || lease.Record() != nil {
			t.Fatal(err)
		}
	}
	if l.Bytes.Used(1000) != 2*(1+leaseOverhead) {
		t.Errorf("two leases count %d", l.Bytes.Used(1000))
	}
	send("c")
	send("d")
	next, err := backends.OpenDir(at)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	l = OpenLeases(next, nil)
	back := make(chan string, 9)
	l.Recover(q, func(queue string, n int, err error) { back <- fmt.Sprint(n, err) })
	if l.Out(one.name) != 2 || l.Bytes.Used(1000) != 2*(1+leaseOverhead) {
		t.Errorf("after the start: out %d, %d bytes", l.Out(one.name), l.Bytes.Used(1000))
	}
	got := ""
	read := func() {
		t.Helper()
		n, m, err := one.TryRead(buf)
		if err != nil || m.Prio != 3 {
			t.Fatal(n, m, err)
		}
		got += string(buf[:n])
	}
	read() // one message makes room for one
	if s := <-back; s != "1<nil>" && s != "1 <nil>" {
		t.Error(s)
	}
	read()
	if s := <-back; s != "1<nil>" && s != "1 <nil>" {
		t.Error(s)
	}
	read()
	read()
	if got != "cdab" || l.Out(one.name) != 0 || l.Bytes.Used(1000) != 0 {
		t.Errorf("got %s, still out %d, %d bytes", got, l.Out(one.name), l.Bytes.Used(1000))
	}
	if left, _ := os.ReadDir(at); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	// They were tried once.
	send("a")
	if lease, err := l.Take(one, 1000, buf); err != nil || lease.Tries != 2 || lease.Done() != nil {
		t.Error(lease, err)
	}
}

// Nothing that lies in the directory keeps the daemon from starting: what is no lease is told of and stays.
func TestLeasesThatAreNone(t *testing.T) {
	l, q, one, at := leasing(t)
	good := fmt.Sprintf(recordFormat, 1, 1, 2, one.ino, os.Geteuid(), 1000, one.name)
	foreign := fmt.Sprintf(recordFormat, 1, 1, 2, one.ino+1, 77777, 1000, one.name)
	if err := errors.Join(unix.Mkfifo(at+"/1", 0600), os.Symlink("/dev/zero", at+"/2"),
		os.WriteFile(at+"/3", []byte("what is this"), 0600),
		os.WriteFile(at+"/4", []byte(good+"h"), 0600), os.WriteFile(at+"/5", []byte(foreign+"no"), 0600),
		os.WriteFile(at+"/6", nil, 0600),
		os.WriteFile(at+"/x", []byte(good+"hi"), 0600), os.Truncate(at+"/6", maxRecord+1),
		os.WriteFile(at+"/7", []byte(good+"hi"), 0600),
		os.Mkdir(at+"/"+one.name, 0700),
		os.WriteFile(at+"/"+one.name+"/9", []byte("prio=2 tries=4\nold"), 0600),
		unix.Mkfifo(at+"/"+one.name+"/8", 0600),
		os.Mkdir(at+"/empty", 0700)); err != nil {
		t.Fatal(err)
	}
	var told []string
	n := 0
	l.Recover(q, func(queue string, back int, err error) {
		n += back
		if err != nil {
			told = append(told, queue+": "+err.Error())
		}
	})
	list := strings.Join(told, "\n")
	if len(told) != 8 || n != 2 || !strings.Contains(list, "user 77777's queue does not go to user") {
		t.Errorf("%d came back, told of %d:\n%s", n, len(told), list)
	}
	buf := make([]byte, 64)
	for _, want := range []string{"old", "hi"} {
		if n, _, err := one.TryRead(buf); string(buf[:n]) != want || err != nil {
			t.Errorf("came back: %q, %v", buf[:n], err)
		}
	}
	left, _ := os.ReadDir(at)
	if len(left) != 8 {
		t.Errorf("left: %v", left)
	}
}

// One user's leases and tries are bounded, and nobody else's for it.
func TestLeasesAreBounded(t *testing.T) {
	l, _, one, at := leasing(t)
	l.Bytes.Add(1000, maxLeased-600)
	buf := make([]byte, 64)
	send := func() {
		if _, err := one.TryWrite([]byte("x"), backends.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	send()
	first, err := l.Take(one, 1000, buf)
	if err != nil {
		t.Fatal(err)
	}
	send()
	if _, err := l.Take(one, 1000, buf); !errors.Is(err, unix.EDQUOT) {
		t.Errorf("one too many: %v", err)
	}
	other, err := l.Take(one, 1001, buf)
	if err != nil {
		t.Fatal("another user: ", err)
	}
	l.Tries.Add(1000, maxTries)
	for _, x := range []struct {
		lease *Lease
		tries int
	}{{first, 1}, {other, 2}} {
		if err := errors.Join(x.lease.Record(), x.lease.Return(one)); err != nil {
			t.Fatal(err)
		}
		again, err := l.Take(one, 1001, buf)
		if err != nil || again.Tries != x.tries || again.Done() != nil {
			t.Errorf("%+v, %v; want %d tries", again, err, x.tries)
		}
	}
	// What is remembered of a queue goes with it.
	send()
	if one, err := l.Take(one, 1001, buf); err != nil || one.Record() != nil {
		t.Fatal(err)
	}
	for _, lease := range []*Lease{only(l.out[one.name])} {
		if err := lease.Return(one); err != nil {
			t.Fatal(err)
		}
	}
	if l.Forget(one.name); l.Tries.Used(1001) != 0 || len(l.failed) != 0 {
		t.Errorf("the queue is gone, remembered: %d", l.Tries.Used(1001))
	}
	if left, _ := os.ReadDir(at); len(left) != 0 || l.Bytes.Used(1001) != 0 {
		t.Errorf("left: %v, %d bytes", left, l.Bytes.Used(1001))
	}
}

func only(m map[*Lease]struct{}) *Lease {
	for one := range m {
		return one
	}
	return nil
}

// TestLeaseGoesWithItsQueue: a message that waits to come back to a queue which is removed is gone, and
// nobody is told that it came back.
func TestLeaseGoesWithItsQueue(t *testing.T) {
	l, q, one, at := leasing(t)
	send := func() {
		t.Helper()
		if _, err := one.TryWrite([]byte("x"), backends.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	send()
	lease, err := l.Take(one, 1000, make([]byte, 64))
	if err == nil {
		err = lease.Record()
	}
	if err != nil {
		t.Fatal(err)
	}
	send()
	send() // it is full
	next, err := backends.OpenDir(at)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	l = OpenLeases(next, nil)
	var told []string
	l.Recover(q, func(queue string, n int, err error) { told = append(told, fmt.Sprint(queue, n, err)) })
	if n := l.Out(one.name); n != 1 {
		t.Fatalf("%d wait to come back", n)
	}
	if err := mqUnlink(one.name); err != nil {
		t.Fatal(err)
	}
	l.Forget(one.name)
	if len(told) > 0 {
		t.Errorf("told of %q", told)
	}
	if left, _ := os.ReadDir(at); len(left) > 0 || l.Out(one.name) > 0 || l.Bytes.Used(1000) > 0 {
		t.Errorf("left: %v, out %d, %d bytes", left, l.Out(one.name), l.Bytes.Used(1000))
	}
}
