package socket

import (
	"net"
	"net/netip"
	"testing"
)

// TestHears: whether somebody listens is known with udp_diag and without, at one address and at all.
func TestHears(t *testing.T) {
	for bind, network := range map[string]string{"127.0.0.1:0": "udp4", "0.0.0.0:0": "udp4", "[::1]:0": "udp6"} {
		c, err := net.ListenPacket(network, bind)
		if err != nil {
			t.Logf("%s: %v", bind, err) // a machine without IPv6
			continue
		}
		port := c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		for _, addr := range []string{"127.0.0.1", "::1"} {
			at := netip.AddrPortFrom(netip.MustParseAddr(addr), port)
			want := at.Addr().Is6() == (bind == "[::1]:0")
			if got := heardOf(at); got != want {
				t.Errorf("bound to %s, listed at %v: %v", bind, at, got)
			}
			if got := hears(at); got != want {
				t.Errorf("bound to %s, heard at %v: %v", bind, at, got)
			}
		}
		c.Close()
	}
}
