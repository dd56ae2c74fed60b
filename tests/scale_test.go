package tests

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSleepers: 2000 readers blocked on 100 queues, or 10,000, cost the daemon few threads and little memory,
// and each gets a message.
func TestSleepers(t *testing.T) {
	processes, each, queues := 10, often(200, 1000), 100
	tr := mountTree(t, "--maxmsg", "10", "--msgsize", "16")
	files := make([]string, queues)
	for i := range files {
		files[i] = fmt.Sprintf("%s/queues/q%03d", tr.mnt, i)
		check(t, os.WriteFile(files[i], nil, 0644))
	}
	var cmds []*exec.Cmd
	var outs []*bytes.Buffer
	began, before := time.Now(), awaited(t, tr)
	for range processes {
		cmd, out := tr.command("ipctool", append([]string{"sleepers", strconv.Itoa(each)}, files...)...),
			&bytes.Buffer{}
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		check(t, cmd.Start())
		cmds, outs = append(cmds, cmd), append(outs, out)
	}
	check(t, tr.parked(processes*each))
	requests := float64(awaited(t, tr)-before) / float64(processes*each)
	t.Logf("asleep after %v, %.1f requests each", time.Since(began), requests)

	threads, err := tr.status("threads")
	check(t, err)
	if n, _ := strconv.Atoi(threads); n > 32 {
		t.Errorf("%d threads, at most 32 wanted", n)
	}
	pid, err := tr.status("pid")
	check(t, err)
	status, err := os.ReadFile("/proc/" + pid + "/status")
	check(t, err)
	_, line, _ := strings.Cut(string(status), "VmRSS:")
	var kib int
	fmt.Sscan(line, &kib)
	if limit := 200 << 10; kib == 0 || kib > limit && raceFlag != "-race" {
		t.Errorf("%d KiB resident, at most %d wanted", kib, limit)
	}
	t.Logf("%s threads, %d MiB resident", threads, kib>>10)

	for i, file := range files {
		msgs := make([]string, processes*each/queues)
		for j := range msgs {
			msgs[j] = fmt.Sprint(i, ".", j)
		}
		send(t, tr, file[strings.LastIndexByte(file, '/')+1:], msgs...)
	}
	count := map[string]int{}
	for i, cmd := range cmds {
		check(t, cmd.Wait())
		for _, line := range strings.Split(strings.TrimSpace(outs[i].String()), "\n") {
			count[line[strings.LastIndexByte(line, ' ')+1:]]++
		}
	}
	for i := range queues {
		for j := range processes * each / queues {
			if msg := fmt.Sprint(i, ".", j); count[msg] != 1 {
				t.Fatalf("message %s came %d times", msg, count[msg])
			}
		}
	}
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
	var count [ends][]byte
	for i := range count {
		count[i] = make([]byte, total/ends)
	}
	for i, r := range receivers {
		check(t, r.Wait())
		var next [ends]uint32
		for b := outs[i].Bytes(); len(b) >= 8; b = b[8:] {
			id, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
			if n < next[id] {
				t.Fatalf("receiver %d: message %d of sender %d came after %d", i, n, id, next[id]-1)
			}
			next[id] = n + 1
			count[id][n]++
		}
	}
	for id := range count {
		for n, c := range count[id] {
			if c != 1 {
				t.Fatalf("message %d of sender %d came %d times", n, id, c)
			}
		}
	}
}
