package tests

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// filePoints are the places around the file of a message on lease.
var filePoints = []string{"recording", "recorded", "erasing", "erased"}

// triesPoints are those around what is remembered of a message that goes back from a lease, and forgotten.
var triesPoints = []string{"returned", "remembering", "remembered", "told tries"}

// through does the same again and again, and has the worker killed at each of these places, at every so many
// passes. It notes how often that was.
func (w *walk) through(name string, at []string, step int, kills map[string]int, want []string,
	do func(begin func()) []string) {
	w.t.Helper()
	began, all := time.Now(), 0
	defer func() { w.t.Logf("%s: killed %d times in %v", name, all, time.Since(began).Round(time.Millisecond)) }()
	for i, point := range at {
		for passes := i % step; !w.t.Failed(); passes += step {
			got := do(func() { w.ask(point, passes) })
			if !w.hit() {
				break
			}
			kills[point]++
			all++
			if !slices.Equal(got, want) {
				w.t.Errorf("%s, killed at %q after %d passes: %q, want %q", name, point, passes, got, want)
			}
		}
	}
}

// returns takes a message on lease, gives it back, takes it once more and is done with it.
func (w *walk) returns(begin func()) (got []string) {
	r := w.open("ctl/queues/e/lease", unix.O_RDWR)
	defer unix.Close(r)
	begin()
	check(w.t, os.WriteFile(w.tr.mnt+"/queues/e", []byte("job\n"), 0))
	for _, done := range []string{"nack\n", "ack\n"} {
		got = append(got, w.get(r))
		w.put(r, done)
	}
	text, err := os.ReadFile(w.tr.mnt + "/ctl/queues/e/drain")
	check(w.t, err)
	left, err := os.ReadDir(w.tr.state + "/leases")
	check(w.t, err)
	return append(got, fmt.Sprintf("%s%d", text, len(left)))
}

// leaves takes a message on lease and closes the file, which puts it back.
func (w *walk) leaves(begin func()) []string {
	check(w.t, os.WriteFile(w.tr.mnt+"/queues/e", []byte("job\n"), 0))
	r := w.open("ctl/queues/e/lease", unix.O_RDWR)
	begin()
	got := []string{w.get(r)}
	unix.Close(r)
	return append(got, w.only("queues/e")...)
}

// closes writes a line whose end does not come, and closes the file, which sends it.
func (w *walk) closes(begin func()) []string {
	fd := w.open("ctl/queues/e/lines", unix.O_WRONLY)
	begin()
	w.put(fd, "one\ntw")
	w.put(fd, "o")
	unix.Close(fd)
	return append(w.only("queues/e"), w.only("queues/e")...)
}

// whole writes one message in two pieces, which is sent when the file is closed.
func (w *walk) whole(begin func()) []string {
	fd := w.open("ctl/queues/e/whole", unix.O_WRONLY)
	begin()
	w.put(fd, "one")
	w.put(fd, "two")
	unix.Close(fd)
	return w.only("queues/e")
}

// only waits for one message, and gives what is there then.
func (w *walk) only(from string) []string {
	r := w.open(from, unix.O_RDONLY)
	defer unix.Close(r)
	return []string{w.get(r)}
}

// TestKilledAtFaces: as TestKilledAtPoints, with more faces, and with what is done when a file is closed. A
// message on lease is in its queue or with its holder, and in the end its file is gone.
func TestKilledAtFaces(t *testing.T) {
	needsResend(t)
	t.Parallel()
	soak(t)
	w := killable(t)
	tr := w.tr
	const sysv = "sysv/queues/0x00004207"
	for _, name := range []string{"queues/q", "queues/e", sysv} {
		check(t, os.WriteFile(tr.mnt+"/"+name, nil, 0600))
	}
	check(t, os.WriteFile(tr.mnt+"/ctl/new",
		[]byte("topics/t slow=block depth=10\nsockets/p type=seqpacket mode=0600\n"), 0))
	all, kills := []string{"1", "2", "end"}, map[string]int{}
	for _, face := range []struct {
		name, to, from string
		access         int
	}{
		{"prio", "ctl/queues/q/prio/3", "queues/q", unix.O_RDONLY},
		{"O_RDWR", "queues/q", "queues/q", unix.O_RDWR},
		{"type", "ctl/" + sysv + "/type/5", "ctl/" + sysv + "/type/5", unix.O_RDONLY},
		{"topic lines", "ctl/topics/t/lines", "ctl/topics/t/lines", unix.O_RDONLY},
		{"group", "topics/t", "ctl/topics/t/group/g", unix.O_RDONLY},
	} {
		w.through(face.name, points, 4, kills, all, func(begin func()) []string {
			return w.moves(begin, face.to, face.from, face.access, "")
		})
	}
	w.through("seqpacket", points, 4, kills, []string{"1", "2", "end", "answer"}, func(begin func()) []string {
		return w.talks(begin, "ctl/sockets/p/accept", "ctl/sockets/p/dial")
	})
	at := slices.Concat(points, filePoints, triesPoints)
	w.through("nack", at, 1, kills, []string{"job", "job", "0"}, w.returns)
	w.through("close", at, 1, kills, []string{"job", "job"}, w.leaves)
	w.through("line without end", points, 2, kills, []string{"one", "two"}, w.closes)
	w.through("whole", points, 2, kills, []string{"onetwo"}, w.whole)
	t.Log(kills)
	for _, point := range filePoints {
		if kills[point] == 0 && !t.Failed() {
			t.Errorf("it was never killed at %q", point)
		}
	}
	if text, err := os.ReadFile(tr.mnt + "/ctl/queues/e/drain"); err != nil || len(text) > 0 {
		t.Errorf("%q is left, %v", text, err)
	}
}

// TestKilledAtReturn: a worker is killed when it has received a message, and so is the reader whom that was
// for. The next worker returns the message to its queue. It, too, is killed over this, before and behind each
// step. The message is there, once.
func TestKilledAtReturn(t *testing.T) {
	needsResend(t)
	t.Parallel()
	w := killable(t)
	s := keptBy(t, w.tr)
	const sysv = "sysv/queues/0x00004208"
	kills := map[string]int{}
	seconds := []string{"", "taken back", "given back"}
	if *long {
		seconds = append(seconds, "sending", "sent", "noted sent")
	}
	for _, queue := range []string{"queues/r", sysv} {
		check(t, os.WriteFile(w.tr.mnt+"/"+queue, nil, 0600))
		for _, first := range []string{"received", "noted received", "answering"} {
			for _, second := range seconds {
				reader := w.tr.command("cat", w.tr.mnt+"/"+queue)
				check(t, reader.Start())
				check(t, w.tr.parked(1))
				check(t, unix.Kill(s.keeper, unix.SIGSTOP))
				w.ask(first, 0)
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					check(t, w.tr.join())
					fd := w.open(queue, unix.O_WRONLY)
					defer unix.Close(fd)
					w.put(fd, "message\n")
				}()
				if !eventually(patience, func() bool { return w.peek() == 0 }) {
					t.Fatalf("%s: it was never killed at %q", queue, first)
				}
				s.resend()
				check(t, reader.Process.Kill())
				_ = reader.Wait()
				w.ask(second, 0)
				check(t, unix.Kill(s.keeper, unix.SIGCONT))
				<-sent
				fd := w.open(queue, unix.O_RDONLY)
				got := w.get(fd)
				check(t, unix.SetNonblock(fd, true))
				if more := w.get(fd); got != "message" || more != unix.EAGAIN.Error() {
					t.Fatalf("%s, killed at %q, then at %q: %q, then %q\n%s", queue, first, second, got, more, w.tr.logs())
				}
				unix.Close(fd)
				if w.hit() && second != "" {
					kills[second]++
				}
			}
		}
		check(t, os.Remove(w.tr.mnt+"/"+queue))
	}
	t.Log(kills)
	for _, point := range []string{"taken back", "given back"} {
		if kills[point] == 0 {
			t.Errorf("it was never killed at %q", point)
		}
	}
}
