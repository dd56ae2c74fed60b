package tests

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"golang.org/x/sys/unix"
)

var stormCount = flag.Int("storm", 0,
	"how many messages TestStorm moves through each of nine objects; 0: a few, or with -long a million through all")

// stormSize is how many messages a storm moves through each object, how many kills there are at the most, and
// how long it may take. A long one needs a -timeout to go test, too.
func stormSize() (count, kills int, limit time.Duration) {
	count, kills, limit = often(500, 112_000), often(15, 1<<30), 10*lifetime
	if *stormCount > 0 {
		count, kills = *stormCount, 1<<30
	}
	if kills == 1<<30 {
		limit = 12 * time.Hour
	}
	return count, kills, limit
}

// Stormy is programs that move numbers through a tree whose worker is killed again and again.
type stormy struct {
	t        *testing.T
	tr       *tree
	keeper   int
	kills    int
	upgrades int
	writers  []*exec.Cmd
	readers  []*stormReader
	files    int
}

// stormReader is a program that receives, and is killed sometimes, too.
type stormReader struct {
	cmd         *exec.Cmd
	kind, where string
	killable    bool
	slots       int
	files       []string // what it has got, and those before it
}

func (s *stormy) write(kind, where string, from, count int) {
	s.t.Helper()
	cmd := s.tr.command("ipctool", "storm-send", kind, s.path(kind, where), strconv.Itoa(from), strconv.Itoa(count))
	cmd.Stderr = os.Stderr
	check(s.t, cmd.Start())
	s.writers = append(s.writers, cmd)
}

func (s *stormy) path(kind, where string) string {
	if kind == "mq" || kind == "msg" {
		return where
	}
	return s.tr.mnt + "/" + where
}

func (s *stormy) read(kind, where string, slots int, killable bool) {
	s.t.Helper()
	r := &stormReader{kind: kind, where: where, killable: killable, slots: slots}
	s.readers = append(s.readers, r)
	s.begin(r)
}

// begin starts the program of a reader, with a file of its own, and waits until it has the object open.
func (s *stormy) begin(r *stormReader) {
	s.t.Helper()
	s.files++
	name := fmt.Sprintf("%s/got%d", s.tr.work, s.files)
	check(s.t, os.WriteFile(name, nil, 0600))
	check(s.t, os.Truncate(name, int64(r.slots)*ipctool.StormSlot))
	r.files = append(r.files, name)
	r.cmd = s.tr.command("ipctool", "storm-receive", r.kind, s.path(r.kind, r.where), name)
	r.cmd.Stderr = os.Stderr
	out, err := r.cmd.StdoutPipe()
	check(s.t, err)
	check(s.t, r.cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		s.t.Fatalf("%s: %q, %v", r.where, line, err)
	}
}

// worker is the worker's process id, 0 if there is none just now.
func (s *stormy) worker() int {
	list, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.keeper))
	for _, name := range list {
		text, _ := os.ReadFile(name)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return pid
		}
	}
	return 0
}

// rage kills the worker, and now and then a reader, and upgrades the program, until the writers are done.
func (s *stormy) rage(most int, limit time.Duration, pause func() time.Duration) {
	s.t.Helper()
	done := make(chan error)
	for _, w := range s.writers {
		go func() { done <- w.Wait() }()
	}
	left := len(s.writers)
	late := time.After(limit)
	for left > 0 {
		select {
		case <-late:
			s.t.Errorf("%d writers are not done", left)
			for _, w := range s.writers {
				_ = w.Process.Kill()
			}
			late = nil
		case err := <-done:
			if left--; err != nil {
				s.t.Errorf("a writer failed: %v", err)
			}
		case <-time.After(pause()):
			if s.kills < most && s.kills%7 == 6 && s.upgrades <= s.kills/7 {
				s.upgrades++
				if out, err := s.tr.command("ipcfs", "upgrade", s.tr.mnt).CombinedOutput(); err != nil {
					s.t.Errorf("an upgrade failed: %v\n%s", err, out)
				}
			} else if s.kills < most {
				if pid := s.worker(); pid != 0 && unix.Kill(pid, unix.SIGKILL) == nil {
					s.kills++
				}
				if s.kills%5 != 0 { // else the next one is killed while it starts
					_, err := os.ReadFile(s.tr.mnt + "/ctl/pid")
					check(s.t, err)
				}
			}
			if r := s.someReader(); r != nil && r.killable && s.kills%3 == 0 && s.kills < most {
				check(s.t, r.cmd.Process.Kill())
				_ = r.cmd.Wait()
				s.begin(r)
			}
		}
	}
}

func (s *stormy) someReader() *stormReader {
	if len(s.readers) == 0 {
		return nil
	}
	return s.readers[rand.IntN(len(s.readers))]
}

// end has the readers of what is at path end, by a message for each.
func (s *stormy) end(where string, ends int) {
	s.t.Helper()
	f, err := os.OpenFile(s.tr.mnt+"/"+where, os.O_WRONLY, 0)
	check(s.t, err)
	defer f.Close()
	for range ends {
		if s.t.Failed() {
			break
		}
		_, err := ipctool.Retry(func() (int, error) { return unix.Write(int(f.Fd()), []byte(ipctool.StormEnd)) })
		check(s.t, err)
	}
	for _, r := range s.readers {
		if s.t.Failed() {
			_ = r.cmd.Process.Kill()
		}
		if r.where == where || filepath.Base(where) == r.where || strings.HasPrefix(r.where, "ctl/"+where+"/") {
			if err := r.cmd.Wait(); err != nil {
				s.t.Errorf("%s: a reader failed: %v", r.where, err)
			}
		}
	}
}

// got counts what readers have got.
func (s *stormy) got(readers []*stormReader) map[string]int {
	s.t.Helper()
	all, where := map[string]int{}, map[string]string{}
	defer func() {
		for word, n := range all {
			if n > 1 {
				s.t.Logf("%s came to%s", word, where[word])
			}
		}
	}()
	for _, r := range readers {
		for _, name := range r.files {
			f, err := os.Open(name)
			check(s.t, err)
			for room := make([]byte, ipctool.StormSlot); ; {
				slot := room
				if _, err := io.ReadFull(f, slot); err != nil || slot[0] == 0 {
					break
				}
				if r.kind == "msg" {
					slot = slot[ipctool.StormType:]
				}
				text, _, _ := bytes.Cut(slot, []byte{0})
				for word := range strings.FieldsSeq(string(text)) {
					all[word]++
					where[word] += fmt.Sprintf(" %s/%s", r.kind, filepath.Base(name))
				}
			}
			f.Close()
		}
	}
	delete(all, ipctool.StormEnd)
	return all
}

// expect checks that readers have got each of count numbers once.
func (s *stormy) expect(what string, count int, readers ...*stormReader) {
	s.t.Helper()
	s.expectBut(0, what, count, readers...)
}

// expectBut is expect, but for so many numbers that are lost or come twice: a native program receives what
// the worker sends, so a worker cannot always tell whether the one before it has sent a message
// (docs/semantics.md).
func (s *stormy) expectBut(few int, what string, count int, readers ...*stormReader) {
	s.t.Helper()
	all := s.got(readers)
	lost, twice := []int{}, []int{}
	for i := range count {
		switch all[strconv.Itoa(i)] {
		case 0:
			lost = append(lost, i)
		case 1:
		default:
			twice = append(twice, i)
		}
	}
	if n := len(lost) + len(twice); few > 0 {
		s.t.Logf("%s: %d are lost, %d came twice", what, len(lost), len(twice))
		if n <= few {
			return
		}
	}
	if len(lost)+len(twice) > 0 || len(all) != count {
		s.t.Errorf("%s: of %d messages %d are lost %v, %d came twice %v, %d are there", what, count,
			len(lost), lost[:min(9, len(lost))], len(twice), twice[:min(9, len(twice))], len(all))
	}
}

// TestStorm: the worker is killed again and again while messages go through queues and topics, and no program
// notices: none is lost, none comes twice, no call fails, and the keeper holds in the end what it held.
func TestStorm(t *testing.T) {
	needsResend(t)
	t.Parallel()
	count, kills, limit := stormSize()
	pause := func() time.Duration { return time.Duration(50+rand.IntN(450)) * time.Millisecond }
	s := stormTree(t, limit)
	tr := s.tr
	const sysv, typed = "sysv/queues/0x00004202", "sysv/queues/0x00004206"
	for _, q := range []string{"queues/q", "queues/l", "queues/e", "queues/m", "queues/n", sysv, typed} {
		check(t, os.WriteFile(tr.mnt+"/"+q, nil, 0))
	}
	check(t, os.WriteFile(tr.mnt+"/ctl/new", []byte("topics/t slow=block depth=10\n"), 0))
	before := s.held()

	s.read("plain", "queues/q", count+8, true)
	s.read("plain", "queues/q", count+8, true)
	s.read("lines", "ctl/queues/l/lines", count+8, true)
	s.read("lease", "ctl/queues/e/lease", count+8, false)
	s.read("plain", "topics/t", count+8, false)
	s.read("plain", "topics/t", count+8, false)
	s.read("plain", "queues/m", count+8, true)
	s.read("plain", sysv, count+8, true)
	s.read("mq", "n", count+8, true)
	s.read("msg", filepath.Base(typed), count+8, true)
	s.read("plain", typed, count+8, true)
	s.write("plain", "queues/q", 0, count/2)
	s.write("plain", "queues/q", count/2, count/2)
	s.write("lines", "ctl/queues/l/lines", 0, count)
	s.write("plain", "queues/e", 0, count)
	s.write("plain", "topics/t", 0, count)
	began := time.Now()
	s.write("mq", "m", 0, count)
	s.write("plain", sysv, 0, count/2)
	s.write("msg", filepath.Base(sysv), count/2, count-count/2)
	s.write("plain", "queues/n", 0, count)
	s.write("msg", filepath.Base(typed), 0, count)
	s.rage(kills, limit, pause)
	s.end("queues/q", 2)
	s.end("queues/l", 1)
	s.end("queues/e", 1)
	s.end("topics/t", 1)
	s.end("queues/m", 1)
	s.end("queues/n", 1)
	s.end(sysv, 1)
	s.end(typed, 2)
	t.Logf("%d messages through each object, %d kills, %d upgrades, %v", count, s.kills, s.upgrades,
		time.Since(began).Round(time.Millisecond))
	s.expect("queue", count, s.readers[:2]...)
	s.expect("lines", count, s.readers[2])
	s.expect("lease", count, s.readers[3])
	s.expect("topic, first reader", count, s.readers[4])
	s.expect("topic, second reader", count, s.readers[5])
	s.expect("from native programs", count, s.readers[6])
	s.expectBut(s.kills, "System V queue, one of two writers native", count, s.readers[7])
	s.expectBut(s.kills, "to a native program", count, s.readers[8])
	s.expect("System V queue, one of two readers native", count, s.readers[9:]...)
	s.holdsNoMore(before)
}
