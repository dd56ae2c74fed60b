package tests

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

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
