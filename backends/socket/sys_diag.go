package socket

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// diagRequest asks for one socket (sock_diag(7), struct inet_diag_req_v2).
type diagRequest struct {
	unix.NlMsghdr
	family, protocol, ext, _ uint8
	states                   uint32
	sourcePort, port         [2]byte // of a packet that would come in
	source, addr             [16]byte
	device                   uint32
	cookie                   [2]uint32
}

const (
	sockDiagByFamily = 20          // SOCK_DIAG_BY_FAMILY, <linux/sock_diag.h>
	anyCookie        = ^uint32(0)  // INET_DIAG_NOCOOKIE
	loopbackDevice   = uint32(0x1) // of lo in every network namespace (net/core/dev.c, LOOPBACK_IFINDEX)
)

// hears reports whether a UDP socket of this network namespace would take what is sent to a loopback address;
// also true where the kernel cannot tell.
func hears(at netip.AddrPort) bool {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	family, _ := sockaddr(at)
	ip := at.Addr().Unmap().AsSlice()
	ask := diagRequest{family: uint8(family), protocol: unix.IPPROTO_UDP, states: ^uint32(0),
		device: loopbackDevice,
		cookie: [2]uint32{anyCookie, anyCookie}}
	ask.NlMsghdr = unix.NlMsghdr{
		Len: uint32(unsafe.Sizeof(ask)), Type: sockDiagByFamily, Flags: unix.NLM_F_REQUEST,
	}
	binary.BigEndian.PutUint16(ask.port[:], at.Port())
	copy(ask.source[:], ip)
	copy(ask.addr[:], ip)
	// The kernel answers in the call.
	if _, err := unix.Write(fd, unsafe.Slice((*byte)(unsafe.Pointer(&ask)), unsafe.Sizeof(ask))); err != nil {
		return true
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, unix.MSG_DONTWAIT)
	if err != nil || n < unix.SizeofNlMsgerr {
		return true
	}
	h := (*unix.NlMsgerr)(unsafe.Pointer(&answer[unix.SizeofNlMsghdr]))
	return binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR || unix.Errno(-h.Error) != unix.ENOENT
}

// heardFirst sorts the addresses of a host for UDP, of which connect(2) always succeeds: loopback addresses
// where nobody listens come last. Else what is sent to localhost would go to ::1 where the server is on
// 127.0.0.1, and be lost (sock_localhost.txtar).
func heardFirst(addrs []netip.Addr, port uint16) []netip.Addr {
	deaf := func(a netip.Addr) int {
		if a.Unmap().IsLoopback() && !hears(netip.AddrPortFrom(a, port)) {
			return 1
		}
		return 0
	}
	if len(addrs) > 1 {
		slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return deaf(a) - deaf(b) })
	}
	return addrs
}
