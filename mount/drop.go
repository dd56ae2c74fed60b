package mount

import (
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// drop is a name that the kernel is to forget.
type drop struct {
	parent uint64
	name   string
}

// maxDrops are how many wait; of more, the oldest of their users' nodes come again with the next lookup.
const maxDrops = 1024

// Drop has the kernel forget a name in a directory, soon, if nobody uses it (FUSE_NOTIFY_INVAL_ENTRY). The
// kernel locks the directory for that, and may hold the lock while it waits for an answer of ours: so it is
// said by a goroutine of its own, and never in the lead.
func (s *Session) Drop(parent uint64, name string) {
	select {
	case s.drops <- drop{parent, name}:
	default:
	}
}

// dropAll says what is to be forgotten until the session ends.
func (s *Session) dropAll() {
	defer s.workers.Done()
	for {
		select {
		case <-s.ended:
			return
		case d := <-s.drops:
			s.sayDrop(d)
		}
	}
}

func (s *Session) sayDrop(d drop) {
	const fixed = int(unsafe.Sizeof(fuse.NotifyInvalEntryOut{}))
	msg := make([]byte, headerSize+fixed+len(d.name)+1)
	*(*fuse.OutHeader)(unsafe.Pointer(&msg[0])) = fuse.OutHeader{
		Length: uint32(len(msg)), Status: notifyInvalEntry,
	}
	*(*fuse.NotifyInvalEntryOut)(unsafe.Pointer(&msg[headerSize])) = fuse.NotifyInvalEntryOut{
		Parent: d.parent, NameLen: uint32(len(d.name)),
	}
	copy(msg[headerSize+fixed:], d.name)
	_ = s.dev.tell(msg) // ENOENT: it has forgotten it already
}
