package socket

import (
	"encoding/binary"
	"unsafe"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// unixDiagRequest asks for one Unix socket (sock_diag(7), struct unix_diag_req).
type unixDiagRequest struct {
	unix.NlMsghdr
	family uint8
	_      [3]uint8
	states uint32
	inode  uint32
	show   uint32
	cookie [2]uint32
}

// unixDiagAnswer is the answer up to its attributes (struct unix_diag_msg).
type unixDiagAnswer struct {
	unix.NlMsghdr
	_ [4]uint32
}

const (
	showQueue  = 0x10 // UDIAG_SHOW_RQLEN
	queueAttr  = 4    // UNIX_DIAG_RQLEN: struct unix_diag_rqlen
	queueAttrs = unix.SizeofRtAttr + 8
)

// calling is how many calls wait at a listening socket until they are accepted; known is false where the
// kernel does not tell.
func calling(fd int) (n int, known bool) {
	if backends.PollNow(fd, backends.In) == 0 {
		return 0, true
	}
	if family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || family != unix.AF_UNIX {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return 0, false
		}
		return int(info.Unacked), true // of a socket that listens (net/ipv4/tcp.c, tcp_get_info)
	}
	a, err := backends.Fstat(fd)
	if err != nil {
		return 0, false
	}
	ask := unixDiagRequest{family: unix.AF_UNIX, states: ^uint32(0), inode: uint32(a.Ino), show: showQueue,
		cookie: [2]uint32{anyCookie, anyCookie}}
	answer, err := diagnose(&ask.NlMsghdr, unsafe.Sizeof(ask))
	if err != nil {
		return 0, false
	}
	for at := int(unsafe.Sizeof(unixDiagAnswer{})); at+queueAttrs <= len(answer); {
		size, kind := binary.NativeEndian.Uint16(answer[at:]), binary.NativeEndian.Uint16(answer[at+2:])
		if kind == queueAttr && size >= queueAttrs {
			return int(binary.NativeEndian.Uint32(answer[at+unix.SizeofRtAttr:])), true
		}
		at += max(int(size+3)&^3, unix.SizeofRtAttr)
	}
	return 0, false
}
