package socket

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseAddress(t *testing.T) {
	for s, want := range map[string]Address{
		"localhost:80":     {Host: "localhost", Port: 80},
		"my_host-1.a.:1":   {Host: "my_host-1.a.", Port: 1},
		"127.0.0.1:65535":  {Host: "127.0.0.1", Port: 65535},
		"[::1]:80":         {Host: "::1", Port: 80},
		"[fe80::1%eth0]:9": {Host: "fe80::1%eth0", Port: 9},
		":0":               {Port: 0},
		":8080":            {Port: 8080},
		"*:8080":           {Host: "*", Port: 8080},
	} {
		want.Type = unix.SOCK_STREAM
		got, err := ParseAddress(unix.SOCK_STREAM, s)
		if err != nil || got != want || got.String() != s {
			t.Errorf("%s: %+v, %v, %s", s, got, err, got)
		}
	}
	for _, s := range []string{"", ":", "host", "host:", "host:x", "host:0", "host:65536", "host:-1",
		"host:080", "host:+1", "::1:80", "[::1:80",
		"[host]:80", "[127.0.0.1]:80", "a b:80", "-a:80", "größe:80", "*:", "**:1", "[*]:1", "[]:1", "a/b:80"} {
		if got, err := ParseAddress(unix.SOCK_STREAM, s); err == nil {
			t.Errorf("%q: %+v", s, got)
		}
	}
}

func TestReach(t *testing.T) {
	for _, c := range []struct {
		reach Reach
		addr  string
		want  bool
	}{
		{ReachLoopback, "127.0.0.1", true}, {ReachLoopback, "127.9.9.9", true}, {ReachLoopback, "::1", true},
		{ReachLoopback, "::ffff:127.0.0.1", true}, {ReachLoopback, "::ffff:192.0.2.1", false},
		{ReachLoopback, "192.0.2.1", false},
		{ReachLoopback, "0.0.0.0", false}, {ReachLoopback, "::", false}, {ReachLoopback, "fe80::1", false},
		{ReachAny, "192.0.2.1", true}, {ReachAny, "::1", true}, {ReachNone, "127.0.0.1", false},
		{ReachNone, "::1", false},
	} {
		if got := c.reach.may(netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("%d %s: %v", c.reach, c.addr, got)
		}
	}
	// What is not in /etc/hosts is not asked for.
	if addrs, err := ReachLoopback.lookup(t.Context(), "no-such-host.invalid"); !errors.Is(err, ErrReach) {
		t.Errorf("%v, %v", addrs, err)
	}
	if addrs, err := ReachLoopback.lookup(t.Context(), "LocalHost."); err != nil || len(addrs) == 0 {
		t.Errorf("%v, %v", addrs, err)
	}
}

// FuzzParseAddress holds that String writes an address as ParseAddress has read it, and that what listens
// names no host.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"localhost:80", "[::1]:80", "[fe80::1%eth0]:9", ":0", "*:8080",
		"127.0.0.1:65535", "host:080", "[]:1", "a b:80",
		"::1:80", "[127.0.0.1]:80", "-a:80", "my_host-1.a.:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, typ := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
			a, err := ParseAddress(typ, s)
			if err != nil {
				continue
			}
			again, err := ParseAddress(typ, a.String())
			if err != nil || again != a || a.String() != s {
				t.Fatalf("%q became %+v, %q, and then %+v, %v", s, a, a, again, err)
			}
			if a.Listens() && len(a.own()) == 0 || !a.Listens() && a.Port == 0 {
				t.Fatalf("%q is %+v", s, a)
			}
		}
	})
}

// FuzzParseReach: what is lent is one of three words, and each is read as String writes it.
func FuzzParseReach(f *testing.F) {
	for _, s := range []string{"off", "loopback", "any", "", "Any", "any ", "2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReach(s)
		if err == nil && r.String() != s || err != nil && r != ReachNone {
			t.Errorf("%q is %v, %v", s, r, err)
		}
	})
}
