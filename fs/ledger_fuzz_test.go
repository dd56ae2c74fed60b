package fs

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// leftSafe has descriptors that an earlier process left.
type leftSafe map[uint64]int

// Keep is backends.Safe.Keep.
func (leftSafe) Keep(uint64, int) {}

// Drop is backends.Safe.Drop.
func (leftSafe) Drop(uint64, backends.Closing) {}

// Left is backends.Safe.Left.
func (s leftSafe) Left() map[uint64]int { return s }

// leftSockets are sockets that an earlier process may have left: one that listens, and both ends of a
// connection.
func leftSockets(t testing.TB) leftSafe {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	listens, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(listens, &unix.SockaddrUnix{})
	}
	if err == nil {
		err = unix.Listen(listens, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	return leftSafe{1: listens, 2: pair[0], 3: pair[1]}
}

// records puts records into a ledger: for each a kind, a number, the length of its bytes, and those.
func records(l *backends.Ledger, b []byte) {
	for len(b) >= 11 {
		kind, number, n := uint32(b[0]), binary.LittleEndian.Uint64(b[1:]), int(binary.LittleEndian.Uint16(b[9:]))
		b = b[11:]
		n = min(n, len(b))
		l.Put(new(backends.Record), kind, number, b[:n])
		b = b[n:]
	}
}

// record is one as records reads it.
func record(kind uint32, number uint64, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64([]byte{byte(kind)}, number)
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(data))), data...)
}

// sampled are records in which each field has a value.
func sampled() (b []byte) {
	ts := sample()
	put := func(kind uint32, number uint64, code func(*nodes.Coder)) {
		b = append(b, record(kind, number, nodes.Encode(code))...)
	}
	put(backends.TreeRecord, 0, ts.codeTree)
	for i := range ts.Nodes {
		ts.Nodes[i].Parent, ts.Nodes[i].Class = fuse.FUSE_ROOT_ID, []string{"shm", "sockets"}[i]
		put(backends.NodeRecord, ts.Nodes[i].ID, ts.Nodes[i].code)
	}
	for i := range ts.Handles {
		h := &ts.Handles[i]
		h.Node, h.Kept.Conn.Number = ts.Nodes[i].ID, uint64(2+i)
		put(backends.HandleRecord, h.Num, h.code)
		put(backends.KeptRecord, h.Num, h.Kept.Code)
		put(backends.ListRecord, h.Num, h.codeNames)
	}
	for i := range ts.Classes {
		put(backends.ClassRecord, uint64(i), ts.Classes[i].code)
	}
	for _, one := range []struct {
		kind   uint32
		number uint64
		text   string
	}{
		{backends.ListenRecord, 1, `{"Key":"sockets/fuzzed","Name":"fuzzed","Numbers":[1]}`},
		{backends.ConnRecord, 2, `{"Request":8,"Made":true,"Owned":true,"Peer":{"Pid":1},"Since":5}`},
		{backends.ConnRecord, 3, `{"Listener":1,"Made":true}`},
		{backends.CallRecord, 4, `{"Listener":1,"Daemon":1,"Peer":{"Pid":1}}`},
		{backends.HandRecord, 6, "a message"},
	} {
		b = append(b, record(one.kind, one.number, []byte(one.text))...)
	}
	return b
}

// FuzzLedgerRecords: whatever records an earlier process left, of all kinds, a tree goes on from them, or
// refuses them.
func FuzzLedgerRecords(f *testing.F) {
	if os.Geteuid() != 0 {
		f.Skip("it takes root")
	}
	begin := func(t testing.TB, fd int, safe leftSafe) (*Tree, error) {
		l, err := backends.OpenLedger(fd)
		if err != nil {
			t.Skip("no ledger here:", err)
		}
		return New(Config{StateDir: t.TempDir(), ShmDir: t.TempDir(), Ledger: l, Safe: safe})
	}
	ledger := func(t testing.TB) int {
		fd, err := backends.NewLedger()
		if err != nil {
			t.Skip("no ledger here:", err)
		}
		return fd
	}
	f.Add(lived(f, begin, ledger(f)))
	f.Add(sampled())
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		defer unmap(t)
		fd := ledger(t)
		defer unix.Close(fd)
		l, err := backends.OpenLedger(fd)
		if err != nil {
			t.Fatal(err)
		}
		l.Each(nil)
		records(l, b)
		safe := leftSockets(t)
		defer closeLeft(safe)
		tree, err := begin(t, fd, safe)
		if err != nil {
			return
		}
		_, closed := tree.Unfinished()
		for _, h := range closed {
			tree.Release(nil, &fuse.ReleaseIn{Fh: h.Num})
		}
		tree.Settled()
		tree.Commit()
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
}

// lived are the records of a tree in which something of each kind is made, and open.
func lived(f *testing.F, begin func(testing.TB, int, leftSafe) (*Tree, error), fd int) []byte {
	defer unix.Close(fd)
	tree, err := begin(f, fd, leftSafe{})
	if err != nil {
		f.Skip("no tree here:", err)
	}
	header := func(node, unique uint64) fuse.InHeader {
		return fuse.InHeader{NodeId: node, Unique: unique, Caller: fuse.Caller{Pid: uint32(os.Getpid())}}
	}
	for n, dir := range []string{"shm", "topics", "fifos", "sockets"} {
		var at fuse.EntryOut
		root := header(fuse.FUSE_ROOT_ID, 0)
		if s := tree.Lookup(nil, &root, dir, &at); !s.Ok() {
			f.Fatal(s)
		}
		in := fuse.CreateIn{InHeader: header(at.NodeId, uint64(8+2*n)), Flags: syscall.O_RDWR | syscall.O_CREAT,
			Mode: syscall.S_IFREG | 0600}
		var out fuse.CreateOut
		if s := tree.Create(nil, &in, "fuzzed", &out); s.Ok() && dir == "topics" {
			if _, err := tree.File(out.Fh).Write([]byte("a message")); err != nil {
				f.Log(err)
			}
		}
		list := fuse.OpenIn{InHeader: header(at.NodeId, 0)}
		_ = tree.OpenDir(nil, &list, new(fuse.OpenOut))
	}
	tree.Commit()
	l, err := backends.OpenLedger(fd)
	if err != nil {
		f.Fatal(err)
	}
	var b []byte
	l.Each(func(kind uint32, number uint64, data []byte, _ backends.Record) {
		b = append(b, record(kind, number, data)...)
	})
	_ = tree.Close()
	return b
}

// closeLeft closes those that no tree has closed.
func closeLeft(s leftSafe) {
	for _, fd := range s {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK {
			unix.Close(fd)
		}
	}
}

// unmap takes the addresses of all ledgers back.
func unmap(t *testing.T) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if !strings.Contains(line, "/memfd:ipcfs-ledger") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
			t.Fatal(err)
		}
		if _, _, errno := unix.Syscall(unix.SYS_MUNMAP, from, to-from, 0); errno != 0 {
			t.Fatal(errno)
		}
	}
}
