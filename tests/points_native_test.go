package tests

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKilledWithNativeReader: a message is there once that a native program takes, which waits for it, as it is sent,
// and the worker is killed over that.
func TestKilledWithNativeReader(t *testing.T) {
	needsResend(t)
	t.Parallel()
	w := killable(t)
	check(t, os.WriteFile(w.tr.mnt+"/queues/n", nil, 0600))
	for _, point := range []string{"sending", "sent", "noted sent"} {
		native := w.tr.command("ipctool", "mq-recv", "n", "1")
		var took bytes.Buffer
		native.Stdout = &took
		check(t, native.Start())
		if !eventually(patience, func() bool { return inCall(native.Process.Pid, unix.SYS_MQ_TIMEDRECEIVE) }) {
			t.Fatal("it does not wait")
		}
		q := w.open("queues/n", unix.O_WRONLY)
		w.ask(point, 0)
		if w.put(q, "new\n"); !w.hit() {
			t.Errorf("%q: it was not killed", point)
		}
		check(t, unix.Close(q))
		check(t, native.Wait())
		more, err := os.ReadFile(w.tr.mnt + "/ctl/queues/n/drain")
		if check(t, err); strings.TrimSpace(took.String()) != "0 new" || len(more) > 0 {
			t.Errorf("%q: it took %q, and there was more: %q", point, took.String(), more)
		}
	}
}

// inCall reports whether a thread of a process is in a system call of this number.
func inCall(pid int, number uintptr) bool {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	return slices.ContainsFunc(names, func(name string) bool {
		text, _ := os.ReadFile(name)
		return strings.HasPrefix(string(text), fmt.Sprint(number)+" ")
	})
}

// TestKilledAfterNative: a message that is about to be sent, or was, when the worker is killed is there once, also
// where native programs have used the queue before: by a write, and as one on lease goes back.
func TestKilledAfterNative(t *testing.T) {
	needsResend(t)
	t.Parallel()
	w := killable(t)
	check(t, os.WriteFile(w.tr.mnt+"/queues/n", nil, 0600))
	native := func(args ...string) []string {
		out, err := w.tr.command("ipctool", args...).Output()
		check(t, err)
		return strings.Fields(string(out))
	}
	for _, used := range []struct{ received, sent int }{{0, 0}, {1, 0}, {3, 0}, {0, 1}, {0, 3}, {0, 9}} {
		for _, point := range []string{"sending", "sent"} {
			for _, nack := range []bool{false, true} {
				what := fmt.Sprintf("%q, %+v, nack %v", point, used, nack)
				q := w.open("queues/n", unix.O_RDWR|unix.O_NONBLOCK)
				for range used.received {
					w.put(q, "old\n")
				}
				if used.received > 0 {
					native("mq-recv", "n", fmt.Sprint(used.received))
				}
				want := []string{"new"}
				lease := -1
				if nack {
					w.put(q, "new\n")
					lease = w.open("ctl/queues/n/lease", unix.O_RDWR)
					w.get(lease)
				}
				for range used.sent {
					native("mq-send", "n", "0", "native\n")
					want = append(want, "native")
				}
				w.ask(point, 0)
				if nack {
					w.put(lease, "nack")
					check(t, unix.Close(lease))
				} else {
					w.put(q, "new\n")
				}
				if !w.hit() {
					t.Errorf("%s: it was not killed", what)
				}
				check(t, unix.Close(q))
				text, err := os.ReadFile(w.tr.mnt + "/ctl/queues/n/drain")
				check(t, err)
				got := strings.Fields(string(text))
				slices.Sort(got)
				if slices.Sort(want); !slices.Equal(got, want) {
					t.Errorf("%s: %q, want %q", what, got, want)
				}
			}
		}
	}
}
