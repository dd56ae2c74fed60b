package tests

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestCrowd: what an open or a stat of a name costs does not grow with the number of programs that do so at
// the same time. The test counts the requests that programs wait for.
func TestCrowd(t *testing.T) {
	tr := mountTree(t)
	topic := tr.mnt + "/topics/t" // takes any number of messages
	check(t, os.WriteFile(topic, nil, 0644))
	for _, way := range []string{"open", "stat", "write", "echo"} {
		for _, n := range []int{1, 2, 16, 256} {
			each := max(often(2, 4), often(256, 512)/n)
			before := awaited(t, tr)
			var out, errs bytes.Buffer
			cmd := tr.command("ipctool", "crowd", strconv.Itoa(n), strconv.Itoa(each), way, topic)
			cmd.Env, cmd.Stdout, cmd.Stderr = append(cmd.Env, undisturbed), &out, &errs
			if err := cmd.Run(); err != nil {
				t.Fatalf("%s of %d: %v %s", way, n, err, errs.String())
			}
			requests := float64(awaited(t, tr)-before) / float64(n*each)
			ns, _ := strconv.Atoi(strings.TrimSpace(out.String()))
			t.Logf("%-5s by %3d: %5.1f requests, %v", way, n, requests, time.Duration(ns/(n*each)))
			if requests > 8 {
				t.Errorf("%s by %d at a time: %.1f requests each, at most 8 wanted", way, n, requests)
			}
		}
	}
}

// awaited is how many requests the daemon has had that somebody waited for.
func awaited(t *testing.T, tr *tree) int {
	t.Helper()
	var n [2]int
	for i, key := range []string{"requests", "requests_unawaited"} {
		s, err := tr.status(key)
		check(t, err)
		_, err = fmt.Sscan(s, &n[i])
		check(t, err)
	}
	return n[0] - n[1]
}

// TestScramble: programs that write to a full queue hang nobody who changes
// it, looks at it or removes it at the same time.
func TestScramble(t *testing.T) {
	tr := mountTree(t, "--maxmsg", "2", "--msgsize", "16")
	const rounds = 16
	out, err := tr.command("ipctool", "scramble", tr.mnt+"/queues/q", strconv.Itoa(rounds)).CombinedOutput()
	if want := fmt.Sprintln(10 * rounds); err != nil || string(out) != want {
		t.Errorf("%v: %s, want %s", err, out, want)
	}
}
