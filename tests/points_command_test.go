package tests

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// drained has a queue of three messages drained by its ctl while the worker is killed, and a program send one
// more before the next one goes on. It returns what is there then.
func (w *walk) drained(s *stormy, queue, point string, passes int, send ...string) []string {
	for _, text := range []string{"1\n", "2\n", "3\n"} {
		check(w.t, os.WriteFile(w.tr.mnt+"/"+queue, []byte(text), 0))
	}
	check(w.t, unix.Kill(s.keeper, unix.SIGSTOP))
	w.ask(point, passes)
	done := make(chan struct{})
	go func() { // by no os.File, which Go's runtime would poll while nobody answers
		defer close(done)
		check(w.t, w.tr.join())
		fd := w.open("ctl/"+queue+"/ctl", unix.O_WRONLY)
		defer unix.Close(fd)
		w.put(fd, "drain\n")
	}()
	if !eventually(patience, func() bool { return w.peek() == 0 }) {
		w.t.Fatalf("%s: it was never killed at %q", queue, point)
	}
	out, err := w.tr.command("ipctool", send...).CombinedOutput()
	if err != nil {
		w.t.Errorf("%v: %s", err, out)
	}
	check(w.t, unix.Kill(s.keeper, unix.SIGCONT))
	<-done
	w.hit()
	text, err := os.ReadFile(w.tr.mnt + "/ctl/" + queue + "/drain")
	check(w.t, err)
	return strings.Fields(string(text))
}

// TestKilledAtCommands: a command that is written to ctl is done once, by a worker that is killed over it and
// the next one: drain takes no message that came later, and readers see one end.
func TestKilledAtCommands(t *testing.T) {
	needsResend(t)
	t.Parallel()
	w := killable(t)
	s := keptBy(t, w.tr)
	kills := map[string]int{}
	for queue, send := range map[string][]string{
		"queues/d": {"mq-send", "d", "0", "later"}, "sysv/queues/0x0000420d": {"sysv-send", "0x420d", "1", "later"},
	} {
		check(t, os.WriteFile(w.tr.mnt+"/"+queue, nil, 0600))
		for _, at := range []struct {
			point  string
			passes int
		}{{"drained", 0}, {"drained", 2}, {"acted", 0}, {"noted act", 0}} {
			if got := w.drained(s, queue, at.point, at.passes, send...); !slices.Equal(got, []string{"later"}) {
				t.Errorf("%s, killed at %q after %d passes: %q is left", queue, at.point, at.passes, got)
			}
		}
		w.through("eof of "+queue, []string{"acted", "noted act"}, 1, kills,
			[]string{"", "", "message", unix.EAGAIN.Error()},
			func(begin func()) []string { return w.ends(begin, queue) })
	}
	t.Log(kills)
	if kills["acted"] == 0 && !t.Failed() {
		t.Error("it was never killed behind a command")
	}
}
