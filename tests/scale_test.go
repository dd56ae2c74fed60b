package tests

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sleepers are programs with many threads, each of which waits for a message of one of files, in turn.
type sleepers struct {
	files []string
	each  int // of each file
	cmds  []*exec.Cmd
	outs  []*bytes.Buffer
}

// putToSleep starts 10 programs of so many threads, and waits until all are asleep.
func putToSleep(t *testing.T, tr *tree, threads int, files []string) *sleepers {
	t.Helper()
	const processes = 10
	if threads%len(files) != 0 {
		t.Fatalf("%d threads cannot wait for %d files alike", threads, len(files))
	}
	s := &sleepers{files: files, each: processes * threads / len(files)}
	began, before := time.Now(), awaited(t, tr)
	for range processes {
		cmd, out := tr.command("ipctool", append([]string{"sleepers", strconv.Itoa(threads)}, files...)...),
			&bytes.Buffer{}
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		check(t, cmd.Start())
		s.cmds, s.outs = append(s.cmds, cmd), append(s.outs, out)
	}
	if parked := ""; !eventually(3*time.Minute, func() bool {
		parked, _ = tr.status("parked")
		return parked == strconv.Itoa(processes*threads)
	}) {
		t.Fatalf("parked=%s, want %d", parked, processes*threads)
	}
	t.Logf("asleep after %v, %.1f requests each", time.Since(began),
		float64(awaited(t, tr)-before)/float64(processes*threads))
	return s
}

// expect wakes them with a message each, which send sends to a file, and checks that each got one.
func (s *sleepers) expect(t *testing.T, send func(file string, msgs []string)) {
	t.Helper()
	want := map[string]int{}
	for i, file := range s.files {
		msgs := make([]string, s.each)
		for j := range msgs {
			msgs[j] = fmt.Sprint(i, ".", j)
			want[msgs[j]] = 1
		}
		send(file, msgs)
	}
	got := map[string]int{}
	for i, cmd := range s.cmds {
		check(t, cmd.Wait())
		for line := range strings.Lines(s.outs[i].String()) {
			line = strings.TrimSpace(line)
			got[line[strings.LastIndexByte(line, ' ')+1:]]++
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("%d messages came, of %d", len(got), len(want))
		for msg := range want {
			if got[msg] != 1 {
				t.Fatalf("message %s came %d times", msg, got[msg])
			}
		}
	}
}

// fewThreads holds that the daemon does not take a thread for each reader.
func fewThreads(t *testing.T, tr *tree) {
	t.Helper()
	threads, err := tr.status("threads")
	check(t, err)
	if n, _ := strconv.Atoi(threads); n > 32 {
		t.Errorf("%d threads, at most 32 wanted", n)
	}
	t.Logf("%s threads", threads)
}

// TestSleepers: 2000 readers blocked on 100 queues, or 10,000, cost the daemon few threads and little memory,
// and each gets a message.
func TestSleepers(t *testing.T) {
	tr := mountTree(t, "--maxmsg", "10", "--msgsize", "16")
	threads := often(200, 1000)
	files := make([]string, min(100, threads))
	for i := range files {
		files[i] = fmt.Sprintf("%s/queues/q%03d", tr.mnt, i)
		check(t, os.WriteFile(files[i], nil, 0644))
	}
	s := putToSleep(t, tr, threads, files)
	fewThreads(t, tr)
	mib := resident(t, tr)
	if limit := 40; mib > limit && raceFlag != "-race" {
		t.Errorf("%d MiB resident, at most %d wanted", mib, limit)
	}
	t.Logf("%d MiB resident", mib)
	s.expect(t, func(file string, msgs []string) { send(t, tr, filepath.Base(file), msgs...) })
}

// TestLineOfReaders: readers that wait for one queue are served in the order they came.
func TestLineOfReaders(t *testing.T) {
	t.Parallel()
	const readers = 20
	tr := mountTree(t)
	check(t, os.WriteFile(tr.mnt+"/queues/q", nil, 0644))
	var cmds []*exec.Cmd
	var outs []*bytes.Buffer
	for i := range readers {
		cmd, out := tr.command("head", "-n1", tr.mnt+"/queues/q"), &bytes.Buffer{}
		cmd.Stdout = out
		check(t, cmd.Start())
		check(t, tr.parked(i+1))
		cmds, outs = append(cmds, cmd), append(outs, out)
	}
	for i := range readers {
		send(t, tr, "q", fmt.Sprintln(i))
	}
	for i, cmd := range cmds {
		check(t, cmd.Wait())
		if got, want := outs[i].String(), fmt.Sprintln(i); got != want {
			t.Errorf("reader %d got %q, want %q", i, got, want)
		}
	}
}

// TestMixOfNativeAndMount: senders and receivers, half of them native and half through the mount, all
// disturbed by signals, move many messages. None is lost, none comes twice, and those of one sender
// come to any one receiver in their order.
func TestMixOfNativeAndMount(t *testing.T) { mixOfNativeAndMount(t, 4_000) }

// TestSoakMixOfNativeAndMount: the same with a million messages.
func TestSoakMixOfNativeAndMount(t *testing.T) {
	soak(t)
	mixOfNativeAndMount(t, 1_000_000)
}

func mixOfNativeAndMount(t *testing.T, total int) {
	const ends = 8
	tr := mountTree(t, "--maxmsg", "10", "--msgsize", "16")
	// 20 s on an idle machine, 70 s beside three busy processes on two processors
	tr.dog.allow(4 * lifetime)
	check(t, os.WriteFile(tr.mnt+"/queues/mix", nil, 0644))
	where := map[bool][]string{true: {"native", "mix"}, false: {"mount", tr.mnt + "/queues/mix"}}
	var receivers, senders []*exec.Cmd
	var outs []*bytes.Buffer
	for i := range ends {
		out := &bytes.Buffer{}
		r := tr.command("ipctool", append([]string{"mix-recv"}, where[i%2 == 0]...)...)
		r.Stdout, r.Stderr = out, os.Stderr
		check(t, r.Start())
		s := tr.command("ipctool", append(append([]string{"mix-send"}, where[i%2 == 0]...),
			strconv.Itoa(i), strconv.Itoa(total/ends))...)
		s.Stderr = os.Stderr
		check(t, s.Start())
		receivers, senders, outs = append(receivers, r), append(senders, s), append(outs, out)
	}
	for _, s := range senders {
		check(t, s.Wait())
	}
	for range receivers {
		send(t, tr, "mix", "!")
	}
	for _, r := range receivers {
		check(t, r.Wait())
	}
	for id, counts := range mixed(t, outs, ends, total/ends) {
		for n, c := range counts {
			if c != 1 {
				t.Fatalf("message %d of sender %d came %d times", n, id, c)
			}
		}
	}
}

// mixed counts how often each message of each sender came, by what `ipctool mix-recv` printed, and checks
// that each receiver got those of one sender in their order.
func mixed(t *testing.T, outs []*bytes.Buffer, senders, each int) [][]byte {
	t.Helper()
	counts := make([][]byte, senders)
	for i := range counts {
		counts[i] = make([]byte, each)
	}
	for i, out := range outs {
		next := make([]uint32, senders)
		for b := out.Bytes(); len(b) >= 8; b = b[8:] {
			id, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
			if n < next[id] {
				t.Fatalf("receiver %d: message %d of sender %d came after %d", i, n, id, next[id]-1)
			}
			next[id] = n + 1
			counts[id][n]++
		}
	}
	return counts
}
