package mount

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// slow is a class whose objects are kept elsewhere: each call says that it was asked, and lasts until the
// test lets it end.
type slow struct {
	asked chan string
	end   chan error
	quick atomic.Bool // calls end by themselves, and say nothing
}

func newSlow() *slow { return &slow{asked: make(chan string, 100), end: make(chan error)} }

func (s *slow) kind(env *nodes.Env) nodes.Kind {
	return nodes.Kind{Name: "slow", Class: s, Elsewhere: env.Elsewhere()}
}

func (s *slow) wait(call string) error {
	if s.quick.Load() {
		return nil
	}
	s.asked <- call
	return <-s.end
}

func (s *slow) At(seen nodes.Seen) nodes.Object {
	if seen.Path == "" {
		return slowDir{slowFile{s, seen}}
	}
	return slowFile{s, seen}
}

type slowFile struct {
	*slow
	nodes.Seen
}

type slowDir struct{ slowFile }

var (
	slowDirAttr = nodes.Attr{ID: backends.ID{Ino: 1}, Mode: syscall.S_IFDIR | 0777, Nlink: 2}
	slowSeen    = nodes.Seen{Message: true, Ref: nodes.Ref{
		Path: "a", Was: nodes.Attr{ID: backends.ID{Ino: 2}, Mode: syscall.S_IFREG | 0666, Nlink: 1},
	}}
)

func (f slowFile) Stat(bool) (nodes.Attr, error) { return slowSeen.Was, f.wait("stat") }
func (d slowDir) Stat(bool) (nodes.Attr, error)  { return slowDirAttr, d.wait("stat") }

func (f slowFile) Open(int, nodes.Caller) (nodes.Open, error) {
	return nodes.NewFile(&nodes.Plain{}, &far{closed: f.asked}, nodes.InOrder), f.wait("open")
}

func (f slowFile) Change(nodes.Change) error { return f.wait("change") }

func (d slowDir) Find(string) (nodes.Seen, error) { return slowSeen, d.wait("find") }

func (d slowDir) List() ([]nodes.Entry, error) {
	return []nodes.Entry{{Name: "a", Type: syscall.S_IFREG}}, d.wait("list")
}

func (d slowDir) Create(string, nodes.Owner, int, nodes.Caller) (nodes.Seen, nodes.Open, error) {
	open, err := d.Open(0, nodes.Caller{})
	return slowSeen, open, err
}

func (d slowDir) Mknod(string, uint32, nodes.Owner) (nodes.Seen, error) {
	return slowSeen, d.wait("mknod")
}

func (d slowDir) Remove(string, nodes.Caller) error { return d.wait("remove") }

// slowRequests are a request of each kind about a node of the class, or a name in its directory.
func slowRequests(dir, node uint64, fh uint64) map[string][]byte {
	name := []byte("a\x00")
	header := func(op uint32, id uint64, more ...byte) []byte {
		var h fuse.InHeader
		return request(&h, op, id, bytesOf(&h), more...)
	}
	mknod := fuse.MknodIn{Mode: syscall.S_IFREG | 0600}
	create := fuse.CreateIn{Flags: syscall.O_CREAT | syscall.O_RDWR | largeFile, Mode: syscall.S_IFREG | 0600}
	var stat fuse.GetAttrIn
	set := fuse.SetAttrIn{}
	set.Valid, set.Mode = fuse.FATTR_MODE, 0600
	list := fuse.ReadIn{Fh: fh, Size: 4096}
	open := fuse.OpenIn{Flags: syscall.O_RDWR | largeFile}
	return map[string][]byte{
		"LOOKUP":  header(opLookup, dir, name...),
		"GETATTR": request(&stat.InHeader, opGetattr, node, bytesOf(&stat)),
		"SETATTR": request(&set.InHeader, opSetattr, node, bytesOf(&set)),
		"READDIR": request(&list.InHeader, opReaddir, dir, bytesOf(&list)),
		"OPEN":    request(&open.InHeader, opOpen, node, bytesOf(&open)),
		"CREATE":  request(&create.InHeader, opCreate, dir, bytesOf(&create), name...),
		"MKNOD":   request(&mknod.InHeader, opMknod, dir, bytesOf(&mknod), name...),
		"UNLINK":  header(opUnlink, dir, name...),
	}
}

// slowKernel has looked up what it asks about.
func slowKernel(t *testing.T) (k *kernel, s *slow, dir, node, fh uint64) {
	s = newSlow()
	k = newKernel(t, s.kind)
	ask := func(dir uint64, name string) uint64 {
		var h fuse.InHeader
		unique := k.send(request(&h, opLookup, dir, bytesOf(&h), append([]byte(name), 0)...))
		<-s.asked
		k.silent()
		s.end <- nil
		k.await()
		errno, answer := k.answer(unique)
		if errno != 0 {
			t.Fatal(errno)
		}
		return as[fuse.EntryOut](answer).NodeId
	}
	dir = ask(fuse.FUSE_ROOT_ID, "slow")
	node = ask(dir, "a")
	var open fuse.OpenIn
	unique := k.send(request(&open.InHeader, opOpendir, dir, bytesOf(&open)))
	k.await()
	errno, answer := k.answer(unique)
	if errno != 0 {
		t.Fatal(errno)
	}
	return k, s, dir, node, as[fuse.OpenOut](answer).Fh
}

// TestElsewhere: nobody waits for a request about an object that is kept elsewhere but its own sender.
func TestElsewhere(t *testing.T) {
	k, s, dir, node, fh := slowKernel(t)
	write, read, _ := k.open(k.queue(), syscall.O_RDWR)
	for name, req := range slowRequests(dir, node, fh) {
		unique := k.send(append([]byte(nil), req...))
		for calls := 0; calls == 0 || !k.answered(); runtime.Gosched() {
			select {
			case <-s.asked: // it is under way, and others are answered meanwhile
				k.must(write)
				k.must(read)
				k.lookup(fuse.FUSE_ROOT_ID, "queues")
				calls++
				s.end <- nil
			default:
			}
		}
		if errno, _ := k.answer(unique); errno != 0 {
			t.Errorf("%s: %v", name, errno)
		}
	}
}

// TestElsewhereStat: who closes a file does not wait for a stat(2), chmod(2) or truncation of it that is
// asked elsewhere, and it stays open until that has its answer.
func TestElsewhereStat(t *testing.T) {
	for _, name := range []string{"GETATTR", "SETATTR"} {
		k, s, dir, node, fh := slowKernel(t)
		requests := slowRequests(dir, node, fh)
		opens := k.send(requests["OPEN"])
		<-s.asked
		s.end <- nil
		k.await()
		errno, answer := k.answer(opens)
		if errno != 0 {
			t.Fatal(errno)
		}
		stat := k.send(requests[name])
		<-s.asked
		release := fuse.ReleaseIn{Fh: as[fuse.OpenOut](answer).Fh}
		closes := k.send(request(&release.InHeader, opRelease, node, bytesOf(&release)))
		k.await()
		if errno, _ := k.answer(closes); errno != 0 {
			t.Fatal(errno)
		}
		if name == "GETATTR" && len(s.asked) > 0 {
			t.Error("closed while it was asked")
		}
		for done := false; !done; runtime.Gosched() {
			select {
			case s.end <- nil: // SETATTR asks twice
			default:
				done = k.answered()
			}
		}
		if errno, _ := k.answer(stat); errno != 0 {
			t.Errorf("%s: %v", name, errno)
		}
		for call := ""; call != "close"; {
			call = <-s.asked
		}
	}
}

// answered reports whether there is an answer.
func (k *kernel) answered() bool {
	fds := []unix.PollFd{{Fd: int32(k.dev), Events: unix.POLLIN}}
	n, _ := unix.Poll(fds, 0)
	return n == 1
}

// TestElsewhereInterrupted: a request about an object elsewhere can be given up, and what it brought about in
// the end is closed and forgotten. Before its turn has come it is not even begun.
func TestElsewhereInterrupted(t *testing.T) {
	for name := range slowRequests(0, 0, 0) {
		k, s, dir, node, fh := slowKernel(t)
		known := k.faces()
		unique := k.send(slowRequests(dir, node, fh)[name])
		<-s.asked
		k.s.waiting.get(unique).cancel(syscall.EINTR)
		if errno, _ := k.answer(unique); errno != syscall.EINTR {
			t.Errorf("%s: %v", name, errno)
		}
		s.quick.Store(true)
		s.end <- nil
		if name == "OPEN" || name == "CREATE" {
			if call := <-s.asked; call != "close" {
				t.Errorf("%s: %s", name, call)
			}
		}
		for k.faces() != known {
			runtime.Gosched() // until it is forgotten
		}
		k.silent()
	}

	k, s, dir, node, fh := slowKernel(t)
	lookup := slowRequests(dir, node, fh)["LOOKUP"]
	var last uint64
	for range 17 {
		last = k.send(append([]byte(nil), lookup...)) // one more than one user may have under way
	}
	for range 16 {
		<-s.asked
	}
	k.s.waiting.get(last).cancel(syscall.EINTR)
	if errno, _ := k.answer(last); errno != syscall.EINTR {
		t.Error(errno)
	}
	for range 16 {
		s.end <- nil
		k.await()
		if _, h := k.take(); h.Status != 0 {
			t.Error(h.Status)
		}
	}
	if len(s.asked) > 0 {
		t.Error("what was taken back has begun")
	}
}

// faces counts the nodes of message faces that the kernel knows.
func (k *kernel) faces() (n int) {
	for id := range uint64(1000) {
		if k.s.tree.Message(id) {
			n++
		}
	}
	return n
}
