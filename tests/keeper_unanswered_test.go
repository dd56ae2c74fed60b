package tests

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNobodyHeard: a worker is killed when it has opened a file and has not told so, and whoever wanted that
// is killed before the next worker asks for what has no answer. Nobody has the file then: it is closed, and
// the other end of its connection sees that. One who was told just before has it, and it goes on.
func TestNobodyHeard(t *testing.T) {
	needsResend(t)
	t.Parallel()
	w := killable(t)
	s := keptBy(t, w.tr)
	check(t, os.WriteFile(w.tr.mnt+"/sockets/s", nil, 0600))
	sock, err := os.Readlink(w.tr.mnt + "/ctl/sockets/s/sock")
	check(t, err)
	// The keeper has all that is to be kept when a worker has ended.
	first := s.worker()
	check(t, unix.Kill(first, unix.SIGKILL))
	if !eventually(patience, func() bool {
		pid, err := w.tr.status("pid")
		return err == nil && pid != strconv.Itoa(first)
	}) {
		t.Fatal("no other worker serves")
	}
	before := s.kept()
	for _, point := range []string{"answered", "told"} {
		client := w.tr.command("sh", "-c", `exec 3<>$MNT/ctl/sockets/s/accept
			echo hello >&3; read x <&3; echo got $x >&3; read x <&3`)
		check(t, client.Start())
		check(t, w.tr.parked(1))
		check(t, unix.Kill(s.keeper, unix.SIGSTOP))
		_ = inode(w.tr.mnt + "/queues/none") // whatever was closed before has its answer then
		w.ask(point, 0)
		conn, err := net.Dial("unix", sock)
		check(t, err)
		if !eventually(patience, func() bool { return w.peek() == 0 }) {
			t.Fatalf("it was never killed when it had %s", point)
		}
		if point == "answered" {
			s.resend()
			check(t, client.Process.Kill())
			_ = client.Wait()
		}
		check(t, unix.Kill(s.keeper, unix.SIGCONT))
		check(t, conn.SetReadDeadline(time.Now().Add(patience)))
		b := make([]byte, 16)
		if n, err := conn.Read(b); point == "told" && string(b[:n]) != "hello\n" || point == "answered" && err != io.EOF {
			t.Errorf("%s: %q, %v\n%s", point, b[:n], err, w.tr.logs())
		}
		if point == "told" {
			_, err := w.tr.status("pid")
			check(t, err)
			_, err = conn.Write([]byte("more\n"))
			check(t, err)
			if n, err := conn.Read(b); string(b[:n]) != "got more\n" {
				t.Errorf("one who was told: %q, %v", b[:n], err)
			}
		}
		check(t, conn.Close())
		if point == "told" {
			_ = client.Wait() // read has met the end
		}
	}
	if now := 0; !eventually(patience, func() bool { now = s.kept(); return now <= before }) {
		t.Errorf("the keeper has %d descriptors, before it was %d\n%s", now, before, w.tr.logs())
	}
}

// peek is the first letter of the point that is asked for; 0: none is.
func (w *walk) peek() byte {
	b := make([]byte, 1)
	_, err := w.point.ReadAt(b, 8)
	check(w.t, err)
	return b[0]
}

// resend has the kernel bring what has no answer once more, to whoever reads next (FUSE_NOTIFY_RESEND).
func (s *stormy) resend() {
	s.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd/", s.keeper)
	list, err := os.ReadDir(dir)
	check(s.t, err)
	for _, one := range list {
		if to, _ := os.Readlink(dir + one.Name()); to != "/dev/fuse" {
			continue
		}
		pid, err := unix.PidfdOpen(s.keeper, 0)
		check(s.t, err)
		defer unix.Close(pid)
		n, _ := strconv.Atoi(one.Name())
		fd, err := unix.PidfdGetfd(pid, n, 0)
		check(s.t, err)
		defer unix.Close(fd)
		msg := binary.NativeEndian.AppendUint32(nil, 16)
		msg = binary.NativeEndian.AppendUint32(msg, 7)
		_, err = unix.Write(fd, binary.NativeEndian.AppendUint64(msg, 0))
		check(s.t, err)
		return
	}
	s.t.Fatal("the keeper has no device")
}
