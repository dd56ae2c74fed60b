package socket

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// diagRequest asks for one socket (sock_diag(7), struct inet_diag_req_v2).
type diagRequest struct {
	unix.NlMsghdr
	family, protocol uint8
	_                [2]uint8
	states           uint32
	_, port          [2]byte // of a packet that would come in
	source, addr     [16]byte
	device           uint32
	cookie           [2]uint32
}

const (
	sockDiagByFamily = 20          // SOCK_DIAG_BY_FAMILY, <linux/sock_diag.h>
	anyCookie        = ^uint32(0)  // INET_DIAG_NOCOOKIE
	loopbackDevice   = uint32(0x1) // of lo in every network namespace (net/core/dev.c, LOOPBACK_IFINDEX)
)

// diagnose asks about a socket of this network namespace, by a request that begins at h. An error of the
// answer is its errno.
func diagnose(h *unix.NlMsghdr, size uintptr) (answer []byte, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	h.Len, h.Type, h.Flags = uint32(size), sockDiagByFamily, unix.NLM_F_REQUEST
	// The kernel answers in the call.
	if _, err := unix.Write(fd, unsafe.Slice((*byte)(unsafe.Pointer(h)), size)); err != nil {
		return nil, err
	}
	answer = make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, unix.MSG_DONTWAIT)
	if err != nil {
		return nil, err
	}
	if n >= unix.SizeofNlMsghdr+4 && binary.NativeEndian.Uint16(answer[4:]) == unix.NLMSG_ERROR {
		return nil, unix.Errno(-int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])))
	}
	return answer[:n], nil
}

// hears reports whether a UDP socket of this network namespace would take what is sent to a loopback address.
func hears(at netip.AddrPort) bool {
	family, _ := sockaddr(at)
	ip := at.Addr().Unmap().AsSlice()
	ask := diagRequest{family: uint8(family), protocol: unix.IPPROTO_UDP, states: ^uint32(0),
		device: loopbackDevice,
		cookie: [2]uint32{anyCookie, anyCookie}}
	binary.BigEndian.PutUint16(ask.port[:], at.Port())
	copy(ask.source[:], ip)
	copy(ask.addr[:], ip)
	if _, err := diagnose(&ask.NlMsghdr, unsafe.Sizeof(ask)); err == nil {
		return true
	}
	return heardOf(at) // the kernel may have no udp_diag, and load no module, or we may not ask
}

// heardOf is hears by the list of all UDP sockets (proc_net(5)). One of IPv6 that takes IPv4 too is in the
// list for IPv6 alone.
func heardOf(at netip.AddrPort) bool {
	list := "/proc/thread-self/net/udp"
	if !at.Addr().Unmap().Is4() {
		list += "6"
	}
	text, err := os.ReadFile(list)
	return err == nil && listed(string(text), at)
}

// listed reports whether a socket in a list of /proc/net is bound to an address, or to all. An address is
// words of 32 bits in the order of the machine, in hexadecimal digits.
func listed(text string, at netip.AddrPort) bool {
	ip := at.Addr().Unmap().AsSlice()
	var is, all strings.Builder
	for i := 0; i < len(ip); i += 4 {
		fmt.Fprintf(&is, "%08X", binary.NativeEndian.Uint32(ip[i:]))
		all.WriteString("00000000")
	}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 {
			addr, port, _ := strings.Cut(f[1], ":")
			if port == fmt.Sprintf("%04X", at.Port()) && (addr == is.String() || addr == all.String()) {
				return true
			}
		}
	}
	return false
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
