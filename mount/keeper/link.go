package keeper

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Link is what a keeper and its worker talk over: a socket of messages (unix(7), SOCK_SEQPACKET), each with a
// word, a number, a text, and a descriptor or none. It is safe for concurrent use.
type Link struct {
	f     *os.File
	fails func() error // in tests: how the next try to send fails
	mu    sync.Mutex

	reads  sync.Mutex
	b, oob []byte // what is read, by turns

	order sync.Mutex
	queue []message // that wait to be sent, in order; a goroutine does that while there are any
}

type message struct {
	word   string // at most 8 letters
	number uint64
	text   string
	fd     int   // -1: none
	more   []int // descriptors behind it
}

// maxText is how long a text is at most, in bytes.
const maxText = 512

// maxRights is how many descriptors a message has at most.
const maxRights = maxText / 8

// linkVersion changes with what is said over links, and with Inheritance.
const linkVersion = 3

// newLink makes a socket pair.
func newLink() (ours *Link, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	// Ours waits in Go's poller, and takes no thread.
	if err := unix.SetNonblock(pair[0], true); err != nil {
		return nil, nil, errors.Join(err, unix.Close(pair[0]), unix.Close(pair[1]))
	}
	return &Link{f: os.NewFile(uintptr(pair[0]), "worker")}, os.NewFile(uintptr(pair[1]), "keeper"), nil
}

// newBox makes a socket pair as a link is one, of which the keeper's end wakes nobody: a keeper looks into it
// when it is called, and when the worker has ended.
func newBox() (ours *Link, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return boxAt(pair[0]), os.NewFile(uintptr(pair[1]), "box"), nil
}

// boxAt is one end of a box. It blocks, so that Go's poller leaves it alone.
func boxAt(fd int) *Link { return &Link{f: os.NewFile(uintptr(fd), "box")} }

// Close ends the link.
func (l *Link) Close() { l.f.Close() }

// descriptor is the socket.
func (l *Link) descriptor() (int, error) {
	raw, err := l.f.SyscallConn()
	if err != nil {
		return -1, err
	}
	var n int
	err = raw.Control(func(fd uintptr) { n = int(fd) })
	return n, err
}

func (l *Link) send(m message) error { return l.write(m, true) }

// trySend is send that answers EAGAIN if there is no room for the message now.
func (l *Link) trySend(m message) error { return l.write(m, false) }

// post sends a message behind all that were posted before, and keeps nobody waiting: while there is no room
// for it a goroutine waits. Its descriptors stay open until then. That it does not come is no matter: then
// the other end has ended.
func (l *Link) post(list ...message) {
	l.order.Lock()
	defer l.order.Unlock()
	for len(l.queue) == 0 && len(list) > 0 && !noRoom(l.trySend(list[0])) {
		list = list[1:]
	}
	if len(l.queue) == 0 && len(list) > 0 {
		go l.sendPosted()
	}
	l.queue = append(l.queue, list...)
}

// noRoom reports whether a message could be sent later. Of descriptors there are only so many on their way,
// for a user without CAP_SYS_RESOURCE: ETOOMANYREFS (unix(7)).
func noRoom(err error) bool {
	return err == unix.EAGAIN || err == unix.ETOOMANYREFS || err == unix.ENOBUFS || err == unix.ENOMEM
}

// sendPosted sends what waits.
func (l *Link) sendPosted() {
	l.order.Lock()
	defer l.order.Unlock()
	for len(l.queue) > 0 {
		m := l.queue[0]
		l.order.Unlock()
		for noRoom(l.send(m)) {
			time.Sleep(sendPause)
		}
		l.order.Lock()
		l.queue = l.queue[1:]
	}
	l.queue = nil
}

func (l *Link) write(m message, waits bool) error {
	b := make([]byte, 16, 16+maxText)
	copy(b, m.word)
	binary.LittleEndian.PutUint64(b[8:], m.number)
	b = append(b, m.text[:min(len(m.text), maxText)]...)
	var rights []byte
	if m.fd >= 0 {
		rights = unix.UnixRights(append([]int{m.fd}, m.more...)...)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	raw, err := l.f.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		if l.fails != nil {
			if sent = l.fails(); sent != nil {
				return true
			}
		}
		_, sent = unix.SendmsgN(int(fd), b, rights, nil, unix.MSG_NOSIGNAL|now(waits))
		return sent != unix.EAGAIN || !waits
	})
	if err == nil {
		return sent
	}
	return err
}

// now is the flag of a call that is not to wait.
func now(waits bool) int {
	if waits {
		return 0
	}
	return unix.MSG_DONTWAIT
}

func (l *Link) receive() (message, error) { return l.read(true) }

// tryReceive is receive that answers EAGAIN if there is no message now.
func (l *Link) tryReceive() (message, error) { return l.read(false) }

func (l *Link) read(waits bool) (m message, err error) {
	raw, err := l.f.SyscallConn()
	if err != nil {
		return m, err
	}
	l.reads.Lock()
	defer l.reads.Unlock()
	if l.b == nil {
		l.b, l.oob = make([]byte, 16+maxText), make([]byte, unix.CmsgSpace(4*maxRights))
	}
	b, oob := l.b, l.oob
	var n, rights int
	var got error
	err = raw.Read(func(fd uintptr) bool {
		// ECONNRESET comes before what the other end sent last, if it ended before it had heard all.
		for got = unix.EINTR; got == unix.EINTR || got == unix.ECONNRESET; {
			n, rights, _, _, got = unix.Recvmsg(int(fd), b, oob, unix.MSG_CMSG_CLOEXEC|now(waits))
		}
		return got != unix.EAGAIN || !waits
	})
	switch {
	case err != nil:
		return m, err
	case got != nil:
		return m, got
	case n < 16:
		return m, io.EOF
	}
	m.fd = -1
	if list, err := unix.ParseSocketControlMessage(oob[:rights]); err == nil && len(list) > 0 {
		if fds, err := unix.ParseUnixRights(&list[0]); err == nil && len(fds) > 0 {
			m.fd, m.more = fds[0], fds[1:]
		}
	}
	m.word, m.number = unix.ByteSliceToString(b[:8]), binary.LittleEndian.Uint64(b[8:])
	m.text = string(b[16:n])
	return m, nil
}
