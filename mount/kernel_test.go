package mount

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

const largeFile = 0x8000 // O_LARGEFILE, which the open(2) of every program has

// kernel plays the kernel to a session: it makes requests and takes the answers from the other end of the
// device, which is a socket that keeps them apart, as /dev/fuse does.
type kernel struct {
	t        testing.TB
	s        *Session
	dev      int
	state    string // the tree's state directory
	unique   uint64
	woken    int // notifications
	out, got []byte
}

func newKernel(t testing.TB, attached ...func(*nodes.Env) nodes.Kind) *kernel {
	t.Helper()
	return kernelFor(t, nil, attached...)
}

// kernelFor plays the kernel to a session that has a ledger, unless that is nil.
func kernelFor(t testing.TB, l *backends.Ledger, attached ...func(*nodes.Env) nodes.Kind) *kernel {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(pair[1], true); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	tree, err := fs.New(fs.Config{
		StateDir: state, ShmDir: t.TempDir(), MaxMsg: 10, MsgSize: 128, Ledger: l,
		Attach: func(env *nodes.Env) (list []nodes.Kind, err error) {
			for _, kind := range attached {
				list = append(list, kind(env))
			}
			return list, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(tree, Options{Mountpoint: t.TempDir(), Device: pair[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
		unix.Close(pair[0])
		unix.Close(pair[1])
	})
	k := &kernel{
		t: t, s: s, dev: pair[1], state: state, out: make([]byte, bufferSize),
		got: make([]byte, bufferSize),
	}
	init := fuse.InitIn{Major: 7, Minor: 41}
	k.ask(request(&init.InHeader, opInit, 0, unsafe.Slice((*byte)(unsafe.Pointer(&init)), unsafe.Sizeof(init))))
	return k
}

// request makes a request whose header is h, the beginning of body.
func request(h *fuse.InHeader, op uint32, node uint64, body []byte, more ...byte) []byte {
	h.Opcode, h.NodeId, h.Length = op, node, uint32(len(body)+len(more))
	h.Uid, h.Gid, h.Pid = uint32(os.Geteuid()), uint32(os.Getegid()), uint32(os.Getpid())
	return append(body[:len(body):len(body)], more...)
}

// ask has the session handle a request and returns its answer's errno and body.
func (k *kernel) ask(req []byte) (syscall.Errno, []byte) {
	return k.answer(k.send(req))
}

// send has the session handle a request, which it may park, and returns the request's number.
func (k *kernel) send(req []byte) uint64 {
	k.unique += 2
	as[fuse.InHeader](req).Unique = k.unique
	k.s.handle(req, k.out)
	return k.unique
}

// answer takes the next answer, which must be that to a request.
func (k *kernel) answer(unique uint64) (syscall.Errno, []byte) {
	n, h := k.take()
	for h.Unique == 0 { // a notification, or the answer to a request without a number, which no kernel makes
		if h.Status == notifyPoll {
			k.woken++
		}
		k.await()
		n, h = k.take()
	}
	if h.Unique != unique || int(h.Length) != n {
		k.t.Fatalf("answer %+v of %d bytes to request %d", h, n, unique)
	}
	return syscall.Errno(-h.Status), k.got[headerSize:n]
}

// take takes what the session wrote. What needs no event from outside is
// answered by the time its request was handled.
func (k *kernel) take() (int, *fuse.OutHeader) {
	n, err := unix.Read(k.dev, k.got)
	if err != nil {
		k.t.Fatalf("no answer: %v", err)
	}
	return n, as[fuse.OutHeader](k.got)
}

func (k *kernel) lookup(dir uint64, name string) uint64 {
	var h fuse.InHeader
	errno, answer := k.ask(request(&h, opLookup, dir, bytesOf(&h), append([]byte(name), 0)...))
	if errno != 0 {
		k.t.Fatalf("lookup %s: %v", name, errno)
	}
	return as[fuse.EntryOut](answer).NodeId
}

// opUnlink is UNLINK, which only go-fuse answers.
const opUnlink = 10

// queueName is of this process alone: the queues are those of the system.
func queueName() string { return fmt.Sprintf("ipcfs-test-%d", os.Getpid()) }

// queue makes a queue and returns its node. It is removed when the test ends.
func (k *kernel) queue() uint64 {
	node, dir := k.lastingQueue()
	k.t.Cleanup(func() {
		var h fuse.InHeader
		req := request(&h, opUnlink, dir, bytesOf(&h), append([]byte(queueName()), 0)...)
		if errno, _ := k.ask(req); errno != 0 {
			k.t.Errorf("unlink: %v", errno)
		}
	})
	return node
}

// lastingQueue makes a queue and returns its node and its directory's.
func (k *kernel) lastingQueue() (node, dir uint64) {
	name := queueName()
	dir = k.lookup(fuse.FUSE_ROOT_ID, "queues")
	create := fuse.MknodIn{Mode: syscall.S_IFREG | 0600}
	req := request(&create.InHeader, opMknod, dir, bytesOf(&create), append([]byte(name), 0)...)
	if errno, _ := k.ask(req); errno != 0 {
		k.t.Fatalf("mknod: %v", errno)
	}
	return k.lookup(dir, name), dir
}

// open opens a queue and returns requests to write a message to it, to read one, and to poll it.
func (k *kernel) open(node uint64, flags uint32) (write, read, poll []byte) {
	open := fuse.OpenIn{Flags: flags | largeFile}
	errno, answer := k.ask(request(&open.InHeader, opOpen, node, bytesOf(&open)))
	if errno != 0 {
		k.t.Fatalf("open: %v", errno)
	}
	fh := as[fuse.OpenOut](answer).Fh
	message := []byte("a message")
	w := fuse.WriteIn{Fh: fh, Size: uint32(len(message))}
	r := fuse.ReadIn{Fh: fh, Size: 4096, ReadFlags: fuse.READ_LOCKOWNER}
	p := pollIn{Fh: fh, Kh: fh, Flags: pollScheduleNotify, Events: unix.POLLIN}
	return request(&w.InHeader, opWrite, node, bytesOf(&w), message...),
		request(&r.InHeader, opRead, node, bytesOf(&r)),
		request(&p.InHeader, opPoll, node, bytesOf(&p))
}

func (k *kernel) must(req []byte) {
	if errno, _ := k.ask(req); errno != 0 {
		k.t.Fatalf("%+v: %v", as[fuse.InHeader](req), errno)
	}
}
