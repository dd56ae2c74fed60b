package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// An Address says where a socket listens or is dialled: the path of a Unix socket (unix(7)), or a host and
// a port (ip(7)).
type Address struct {
	Type int    // SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM
	Path string // of a Unix socket; empty for the others
	Host string // a name or a literal; to listen: "" on the loopback addresses of both families, "*" on all
	Port uint16
}

// ParseAddress reads HOST:PORT, with an IPv6 literal in brackets, or :PORT and *:PORT, which are to listen.
// Ports are numbers.
func ParseAddress(typ int, s string) (Address, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Address{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != port {
		return Address{}, fmt.Errorf("port %q is not a number up to 65535", port)
	}
	a := Address{Type: typ, Host: host, Port: uint16(n)}
	bracketed := strings.HasPrefix(s, "[")
	switch _, err := netip.ParseAddr(host); {
	case bracketed && (err != nil || !strings.Contains(host, ":")):
		return Address{}, fmt.Errorf("%q is no IPv6 address", host)
	case err == nil || a.Listens():
	case strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != "" ||
		host[0] == '-':
		return Address{}, fmt.Errorf("%q is no host name", host)
	}
	if n == 0 && !a.Listens() {
		return Address{}, errors.New("port 0 cannot be dialled")
	}
	return a, nil
}

// Listens reports whether the address is one to listen at.
func (a Address) Listens() bool { return a.Path == "" && (a.Host == "" || a.Host == "*") }

// own are the addresses to bind for an address that listens: the first that is there of all, where one
// socket of IPv6 takes calls of IPv4 as well (ipv6(7)), or both loopback addresses, as whoever calls
// localhost may mean either.
func (a Address) own() []netip.AddrPort {
	if a.Host == "*" {
		return []netip.AddrPort{
			netip.AddrPortFrom(netip.IPv6Unspecified(), a.Port),
			netip.AddrPortFrom(netip.IPv4Unspecified(), a.Port),
		}
	}
	return []netip.AddrPort{
		netip.AddrPortFrom(loopback4, a.Port), netip.AddrPortFrom(netip.IPv6Loopback(), a.Port),
	}
}

// loopback4 is 127.0.0.1.
var loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// String is what ParseAddress reads, or the path.
func (a Address) String() string {
	if a.Path != "" {
		return a.Path
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
}

// Reach says how much of the network the daemon lends to those who open its files.
type Reach int

const (
	ReachLoopback Reach = iota // this machine's loopback addresses, by literals and by the names in /etc/hosts
	ReachAny                   // every address, and the name service
	ReachNone
)

// String is what ParseReach reads.
func (r Reach) String() string {
	switch r {
	case ReachNone:
		return "off"
	case ReachAny:
		return "any"
	}
	return "loopback"
}

// ParseReach reads off, loopback or any.
func ParseReach(s string) (Reach, error) {
	switch s {
	case "off":
		return ReachNone, nil
	case "loopback":
		return ReachLoopback, nil
	case "any":
		return ReachAny, nil
	}
	return ReachNone, fmt.Errorf("%q is neither off, loopback nor any", s)
}

// ErrReach is the answer for an address that the daemon does not lend.
var ErrReach = errors.New("outside of the network that is lent")

// ErrNoHost is the answer for a host name that has no address.
var ErrNoHost = errors.New("no such host")

// refusal is ErrReach with what is lent.
func (r Reach) refusal() error {
	if r == ReachNone {
		return &backends.Refusal{Err: ErrReach, Why: backends.NetOff}
	}
	return &backends.Refusal{Err: ErrReach, Why: backends.NetLoopback}
}

// may reports whether addr is lent.
func (r Reach) may(addr netip.Addr) bool {
	return r == ReachAny || r == ReachLoopback && addr.Unmap().IsLoopback()
}

// literal is the address of a host that needs no looking up; false if it does.
func (r Reach) literal(host string) (netip.Addr, bool, error) {
	addr, err := netip.ParseAddr(host)
	switch {
	case r == ReachNone:
		return addr, true, r.refusal()
	case err != nil:
		return addr, false, nil
	case !r.may(addr):
		return addr, true, r.refusal()
	}
	return addr, true, nil
}

// lookup finds the addresses of a host name. It blocks until the name service has answered or ctx ends. A
// mount that is lent only the loopback addresses is not lent the name service either: its queries would
// carry anything out.
func (r Reach) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	resolver := &net.Resolver{PreferGo: true} // Go's own can be ended and holds no thread
	if r != ReachAny {
		resolver.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, ErrReach }
	}
	host = strings.TrimSuffix(host, ".")
	found, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil && strings.EqualFold(host, "localhost") {
		found, err = []netip.Addr{netip.IPv6Loopback(), loopback4}, nil // RFC 6761, 6.3
	}
	var dns *net.DNSError
	switch {
	case err == nil:
	case r != ReachAny:
		return nil, fmt.Errorf("%s is not in /etc/hosts: %w", host, r.refusal())
	case errors.As(err, &dns) && dns.IsTimeout:
		return nil, fmt.Errorf("%s: %w: the name service did not answer", host, unix.ETIMEDOUT)
	default:
		return nil, fmt.Errorf("%s: %w", host, ErrNoHost)
	}
	lent := found[:0]
	for _, addr := range found {
		if r.may(addr) {
			lent = append(lent, addr)
		}
	}
	if len(lent) == 0 {
		return nil, fmt.Errorf("%s: %w", host, r.refusal())
	}
	return lent, nil
}
