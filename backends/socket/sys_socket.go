package socket

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// newSocket is socket(2), without blocking and for this process alone.
func newSocket(family, typ int) (int, error) {
	return backends.ToStay(unix.Socket(family, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0))
}

// nextLength is the length of the next message of a socket, if it is more than most; else anything up to
// most. What is in the queue in all bounds it (SIOCINQ, unix(7)), and asking for that, unlike recv(2), does
// not take an error that waits to be told.
func nextLength(fd, most int) int {
	if all, err := unix.IoctlGetInt(fd, unix.SIOCINQ); err != nil || all <= most {
		return 0
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), 0, 0,
		unix.MSG_PEEK|unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// peerOf is who is connected to a socket.
func peerOf(fd int) (p Peer) {
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err == nil && family == unix.AF_UNIX {
		if cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			p.Pid, p.Uid, p.Gid = int(cred.Pid), cred.Uid, cred.Gid
		}
		return p
	}
	if sa, err := unix.Getpeername(fd); err == nil {
		p.Addr = sockaddrString(sa)
	}
	return p
}

// localOf is the address a socket is bound to, HOST:PORT; empty for a Unix socket.
func localOf(fd int) string {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return ""
	}
	return sockaddrString(sa)
}

// portOf is the port a socket is bound to; 0: none.
func portOf(fd int) uint16 {
	at, _ := netip.ParseAddrPort(localOf(fd))
	return at.Port()
}

// sockaddr is addr as socket calls take it, and its family.
func sockaddr(addr netip.AddrPort) (int, unix.Sockaddr) {
	ip := addr.Addr().Unmap()
	if ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: ip.As4()}
	}
	sa := &unix.SockaddrInet6{Port: int(addr.Port()), Addr: ip.As16()}
	if zone := ip.Zone(); zone != "" {
		// A zone that is no interface leaves 0, for which connect(2) answers EINVAL.
		if i, err := net.InterfaceByName(zone); err == nil {
			sa.ZoneId = uint32(i.Index)
		}
	}
	return unix.AF_INET6, sa
}

// sockaddrString is HOST:PORT; empty for what is no address of the internet.
func sockaddrString(sa unix.Sockaddr) string {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)).String()
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 {
			if i, err := net.InterfaceByIndex(int(sa.ZoneId)); err == nil {
				ip = ip.WithZone(i.Name)
			}
		}
		return netip.AddrPortFrom(ip, uint16(sa.Port)).String()
	}
	return ""
}

// parseSockaddr reads HOST:PORT with a literal host, for the family that fd is of. EDESTADDRREQ: it is none.
func parseSockaddr(s string, fd int) (unix.Sockaddr, error) {
	addr, err := netip.ParseAddrPort(s)
	if err != nil {
		return nil, unix.EDESTADDRREQ
	}
	family, sa := sockaddr(addr)
	ours, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if v4, ok := sa.(*unix.SockaddrInet4); ok && err == nil && ours == unix.AF_INET6 && family == unix.AF_INET {
		// ::ffff:a.b.c.d (ipv6(7))
		sa = &unix.SockaddrInet6{Port: v4.Port, Addr: netip.AddrFrom4(v4.Addr).As16()}
	}
	return sa, err
}

// fromRaw is HOST:PORT of an address as the kernel has it (ip(7), ipv6(7)); empty for what is none of the
// internet.
func fromRaw(raw []byte) string {
	if len(raw) < unix.SizeofSockaddrInet6 {
		return ""
	}
	port := int(binary.BigEndian.Uint16(raw[2:]))
	switch binary.NativeEndian.Uint16(raw) {
	case unix.AF_INET:
		return sockaddrString(&unix.SockaddrInet4{Port: port, Addr: [4]byte(raw[4:])})
	case unix.AF_INET6:
		zone := binary.NativeEndian.Uint32(raw[24:])
		return sockaddrString(&unix.SockaddrInet6{Port: port, Addr: [16]byte(raw[8:]), ZoneId: zone})
	}
	return ""
}

// rawOf is an address as the kernel has it; nil: none.
func rawOf(sa unix.Sockaddr) []byte {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		raw := binary.NativeEndian.AppendUint16(nil, unix.AF_INET)
		raw = binary.BigEndian.AppendUint16(raw, uint16(sa.Port))
		return append(append(raw, sa.Addr[:]...), make([]byte, 8)...)
	case *unix.SockaddrInet6:
		raw := binary.NativeEndian.AppendUint16(nil, unix.AF_INET6)
		raw = binary.BigEndian.AppendUint16(raw, uint16(sa.Port))
		raw = append(append(raw, 0, 0, 0, 0), sa.Addr[:]...)
		return binary.NativeEndian.AppendUint32(raw, sa.ZoneId)
	}
	return nil
}
