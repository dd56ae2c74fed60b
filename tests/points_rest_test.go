package tests

import (
	"os"
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"golang.org/x/sys/unix"
)

// restPoints are the places that a worker comes to when it answers with what is in hand.
var restPoints = []string{"taken up", "answering", "saving", "saved", "committing", "answered", "told"}

// piece is what a read of so many bytes gives.
func (w *walk) piece(fd, size int) string {
	b := make([]byte, size)
	n, err := ipctool.Retry(func() (int, error) { return unix.Read(fd, b) })
	if err != nil {
		return err.Error()
	}
	return string(b[:n])
}

// A rest is how something is read in pieces while others wait for more.
type rest struct {
	name, to, from string
	sizes          []int    // of the reads
	want           []string // what they give, and the other reader, who gets what comes last
	done           string   // what is written when all was read
}

// reads takes the first piece, has another reader wait, and takes the others.
func (w *walk) reads(begin func(), one rest) (got []string) {
	r := w.open(one.from, unix.O_RDWR)
	defer unix.Close(r)
	in := w.open(one.to, unix.O_WRONLY)
	defer unix.Close(in)
	w.put(in, "first\n")
	w.put(in, "second message\n")
	got = append(got, w.piece(r, one.sizes[0]))
	other := w.open(one.from, unix.O_RDWR)
	defer unix.Close(other)
	if one.want[1] == "second message\n" {
		got = append(got, w.piece(other, 128))
	}
	last := make(chan string, 1)
	go func() { last <- w.piece(other, 128) }()
	check(w.t, w.tr.parked(1))
	begin()
	for _, size := range one.sizes[1:] {
		got = append(got, w.piece(r, size))
	}
	w.put(in, "last\n")
	got = append(got, <-last)
	if one.done != "" {
		w.put(r, one.done)
		w.put(other, one.done)
	}
	return got
}

// TestKilledAtRest: the rest of a message that was read in part, and a message that is held, come once,
// though others wait for the next one and the worker is killed at each step. Who has the message on lease can
// be done with it.
func TestKilledAtRest(t *testing.T) {
	needsResend(t)
	t.Parallel()
	w := killable(t)
	const sysv = "sysv/queues/0x00004209"
	for _, name := range []string{"queues/q", sysv} {
		check(t, os.WriteFile(w.tr.mnt+"/"+name, nil, 0600))
	}
	pieces := []string{"fi", "second message\n", "r", "s", "t\n", "last\n"}
	kills := map[string]int{}
	for _, one := range []rest{
		{"lease", "queues/q", "ctl/queues/q/lease", []int{2, 1, 1, 9}, pieces, "ack\n"},
		{"queue", "queues/q", "queues/q", []int{2, 1, 1, 9}, pieces, ""},
		{"sysv", sysv, sysv, []int{2, 1, 1, 9}, pieces, ""},
		{"held", "queues/q", "ctl/queues/q/lines", []int{8, 7, 99},
			[]string{"first\n", "second ", "message\n", "last\n"}, ""},
	} {
		w.through(one.name, restPoints, 2, kills, one.want, func(begin func()) []string { return w.reads(begin, one) })
	}
	t.Log(kills)
	for _, point := range restPoints {
		if kills[point] == 0 && !t.Failed() {
			t.Errorf("it was never killed at %q", point)
		}
	}
	if text, err := os.ReadFile(w.tr.mnt + "/ctl/queues/q/drain"); err != nil || len(text) > 0 {
		t.Errorf("%q is left, %v", text, err)
	}
}

// TestKilledWithReader: a message on lease is done when its reader reads on, though others wait before it,
// and the worker and that reader are killed next.
func TestKilledWithReader(t *testing.T) {
	needsResend(t)
	t.Parallel()
	tr := bareTree(t)
	tr.mounted(t, "--keeper=on")
	w, s := &walk{t: t, tr: tr}, keptBy(t, tr)
	check(t, os.WriteFile(tr.mnt+"/queues/q", []byte("job\n"), 0600))
	one := tr.command("sh", "-c", "exec 3<>$MNT/ctl/queues/q/lease; read -r job <&3; read -r go; read -r job <&3")
	in, err := one.StdinPipe()
	check(t, err)
	check(t, one.Start())
	leases := func() string { text, _ := os.ReadFile(tr.mnt + "/ctl/queues/q/status"); return string(text) }
	if !eventually(patience, func() bool { return strings.Contains(leases(), "leases=1\n") }) {
		t.Fatal("no message is out:", leases())
	}
	other := w.open("ctl/queues/q/lease", unix.O_RDWR)
	defer unix.Close(other)
	got := make(chan string, 1)
	go func() { got <- w.get(other) }()
	check(t, tr.parked(1))
	_, err = in.Write([]byte("go\n"))
	check(t, err)
	check(t, tr.parked(2))
	pid, err := tr.pid()
	check(t, err)
	check(t, unix.Kill(s.keeper, unix.SIGSTOP))
	check(t, unix.Kill(pid, unix.SIGKILL))
	s.resend()
	check(t, one.Process.Kill())
	_ = one.Wait()
	check(t, unix.Kill(s.keeper, unix.SIGCONT))
	check(t, tr.parked(1))
	check(t, os.WriteFile(tr.mnt+"/queues/q", []byte("last\n"), 0600))
	if text := <-got; text != "last" {
		t.Errorf("%q came once more\n%s", text, tr.logs())
	}
}

// TestKilledBeforeTry: a worker is killed when it has taken a message for a lease, and nobody has it yet. Nor
// was it tried then.
func TestKilledBeforeTry(t *testing.T) {
	needsResend(t)
	t.Parallel()
	w := killable(t)
	check(t, os.WriteFile(w.tr.mnt+"/queues/q", nil, 0600))
	check(t, os.WriteFile(w.tr.mnt+"/ctl/queues/q/ctl", []byte("lease max_tries=1\n"), 0))
	for _, point := range []string{"received", "noted received", "recording", "recorded", "answering", "saving", "saved"} {
		r := w.open("ctl/queues/q/lease", unix.O_RDWR)
		check(t, os.WriteFile(w.tr.mnt+"/queues/q", []byte("job\n"), 0600))
		check(t, unix.SetNonblock(r, true))
		w.ask(point, 0)
		if got := w.get(r); got != "job" {
			dead, _ := os.ReadFile(w.tr.mnt + "/ctl/queues/dead/drain")
			t.Errorf("killed at %q: %q, and dead is %q\n%s", point, got, dead, w.tr.logs())
		}
		if !w.hit() {
			t.Errorf("it was never killed at %q", point)
		}
		w.put(r, "ack\n")
		unix.Close(r)
	}
}
