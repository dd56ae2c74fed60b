package mount

import (
	"os"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// The requests the session answers itself, or must know (include/uapi/linux/fuse.h).
const (
	opLookup      = 1
	opForget      = 2
	opGetattr     = 3
	opSetattr     = 4
	opSymlink     = 6
	opMknod       = 8
	opMkdir       = 9
	opLink        = 13
	opOpen        = 14
	opRead        = 15
	opWrite       = 16
	opRelease     = 18
	opInit        = 26
	opOpendir     = 27
	opReaddir     = 28
	opReleasedir  = 29
	opSetlkw      = 33
	opCreate      = 35
	opInterrupt   = 36
	opPoll        = 40
	opNotifyReply = 41
	opBatchForget = 42
	opStatx       = 52

	pollScheduleNotify = 1 << 0 // FUSE_POLL_SCHEDULE_NOTIFY: the kernel wants to be told of a change
	notifyPoll         = 1      // FUSE_NOTIFY_POLL
	notifyInvalInode   = 2      // FUSE_NOTIFY_INVAL_INODE
	notifyInvalEntry   = 3      // FUSE_NOTIFY_INVAL_ENTRY
	notifyRetrieve     = 5      // FUSE_NOTIFY_RETRIEVE
	notifyResend       = 7      // FUSE_NOTIFY_RESEND, Linux 6.9

	maxWrite   = 1 << 20 // the largest READ or WRITE
	headerSize = int(unsafe.Sizeof(fuse.OutHeader{}))
	bufferSize = maxWrite + 4096 // a request or an answer with its headers

	inHeaderSize = int(unsafe.Sizeof(fuse.InHeader{}))
)

// opNames are what the requests are called that may have to wait.
var opNames = map[uint32]string{
	opOpen: "open", opRead: "read", opWrite: "write", opRelease: "close", opSetlkw: "lock",
}

// maxWhole is the largest READ or WRITE that is surely no piece of a longer one. The kernel cuts a read(2) or
// write(2) where a request has maxWrite bytes or touches the pages they fill, which is up to a page sooner if
// the memory does not begin with a page (fuse_get_user_pages, fs/fuse/file.c). TestConformance/…/longest
// holds it.
var maxWhole = maxWrite - os.Getpagesize()

type pollIn struct {
	fuse.InHeader
	Fh, Kh        uint64
	Flags, Events uint32
}

// as shows a request read from the kernel as what it is.
func as[T any](b []byte) *T {
	var t T
	if len(b) < int(unsafe.Sizeof(t)) {
		return nil
	}
	return (*T)(unsafe.Pointer(&b[0]))
}

// bytesOf is as the other way round.
func bytesOf[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }

// putHeader begins an answer of size bytes in all.
func putHeader(b []byte, unique uint64, errno int32, size int) {
	*(*fuse.OutHeader)(unsafe.Pointer(&b[0])) = fuse.OutHeader{
		Length: uint32(size), Status: -errno, Unique: unique,
	}
}
