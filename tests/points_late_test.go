package tests

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// closesFull writes a line whose end does not come to a queue that is full, and closes the file: the line is
// sent when another program has made room. It returns all that comes.
func (w *walk) closesFull(begin func()) []string {
	for _, text := range []string{"one\n", "two\n"} {
		check(w.t, os.WriteFile(w.tr.mnt+"/queues/f", []byte(text), 0))
	}
	fd := w.open("ctl/queues/f/lines", unix.O_WRONLY)
	w.put(fd, "end")
	check(w.t, unix.Close(fd))
	check(w.t, w.tr.parked(1))
	begin()
	native, err := w.tr.command("ipctool", "mq-recv", "f", "2").Output()
	check(w.t, err)
	text := w.only("queues/f")
	more, err := os.ReadFile(w.tr.mnt + "/ctl/queues/f/drain")
	check(w.t, err)
	return slices.Concat(strings.Fields(string(native)), text, strings.Fields(string(more)))
}

// TestKilledAtLateClose: what a closed file has left is sent once, also by a worker that is killed over it
// when close(2) was answered long ago.
func TestKilledAtLateClose(t *testing.T) {
	needsResend(t)
	t.Parallel()
	w := killable(t)
	check(t, os.WriteFile(w.tr.mnt+"/ctl/new", []byte("queues/f maxmsg=2 msgsize=128\n"), 0))
	kills := map[string]int{}
	w.through("late close", []string{"noted sent", "saved", "closing"}, 1, kills,
		[]string{"0", "one", "0", "two", "end"}, w.closesFull)
	t.Log(kills)
	for _, point := range []string{"noted sent", "closing"} {
		if kills[point] == 0 && !t.Failed() {
			t.Errorf("it was never killed at %q", point)
		}
	}
}

// twins has two files take messages of the same bytes on lease, and give both back, until both go to the queue dead. It
// returns how often one was handed out, and what is dead.
func (w *walk) twins(begin func()) []string {
	for range 2 {
		check(w.t, os.WriteFile(w.tr.mnt+"/queues/e", []byte("job\n"), 0))
	}
	var fds [2]int
	for i := range fds {
		fds[i] = w.open("ctl/queues/e/lease", unix.O_RDWR|unix.O_NONBLOCK)
		defer unix.Close(fds[i])
	}
	begin()
	took, before := 0, -1
	for took > before {
		before = took
		var out []int
		for _, fd := range fds {
			if w.get(fd) == "job" {
				out = append(out, fd)
			}
		}
		for _, fd := range out {
			took++
			w.put(fd, "nack\n")
		}
	}
	dead, err := os.ReadFile(w.tr.mnt + "/ctl/queues/dead/drain")
	check(w.t, err)
	return append(strings.Fields(string(dead)), strconv.Itoa(took))
}

// TestKilledAtTwins: of messages that cannot be told from each other each is handed out as often as it may
// be, and no tries are lost or counted for another one, wherever the worker is killed.
func TestKilledAtTwins(t *testing.T) {
	needsResend(t)
	t.Parallel()
	w := killable(t)
	check(t, os.WriteFile(w.tr.mnt+"/ctl/new",
		[]byte("queues/e maxmsg=3 msgsize=128\nqueues/dead maxmsg=3 msgsize=128 mode=0600\n"), 0))
	check(t, os.WriteFile(w.tr.mnt+"/ctl/queues/e/ctl", []byte("lease max_tries=2\n"), 0))
	kills := map[string]int{}
	places := slices.Concat(triesPoints, []string{"recorded"})
	w.through("twins", places, 1, kills, []string{"job", "job", "4"}, w.twins)
	t.Log(kills)
	for _, point := range places {
		if kills[point] == 0 && !t.Failed() {
			t.Errorf("it was never killed at %q", point)
		}
	}
}
