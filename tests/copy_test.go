package tests

import (
	"io"
	"net"
	"os"
	"testing"
)

// TestCopyToConnection: io.Copy from a queue to TCP, for which Go tries sendfile(2), brings the message.
func TestCopyToConnection(t *testing.T) {
	t.Parallel()
	tr := mountTree(t)
	check(t, os.WriteFile(tr.mnt+"/queues/q", []byte("a message"), 0600))
	from, err := os.Open(tr.mnt + "/ctl/queues/q/next")
	check(t, err)
	defer from.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	to, err := net.Dial("tcp", l.Addr().String())
	check(t, err)
	conn, err := l.Accept()
	check(t, err)
	defer conn.Close()
	n, err := io.Copy(to, from)
	check(t, to.Close())
	got, readErr := io.ReadAll(conn)
	if err != nil || n != 9 || string(got) != "a message" {
		t.Errorf("copied %d bytes (%v), came %q (%v)", n, err, got, readErr)
	}
}
