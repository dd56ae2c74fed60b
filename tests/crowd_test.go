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

// TestCrowd: what an open or a stat of a name, or a listing of its directory, costs does not grow with the
// number of programs that do so at the same time. The test counts the requests that programs wait for.
// Without turns others add up to 100 to each (mount/turns.go). A turn ends unused when the machine is so busy
// that its thread does not run in time, so what is too much is measured again: the least counts.
func TestCrowd(t *testing.T) {
	if slow() {
		t.Skip("a turn lasts a millisecond, in which a processor that is emulated gets nothing done")
	}
	tr := mountTree(t)
	for _, name := range []string{"topics/t", "shm/m"} { // a topic takes any number of messages
		check(t, os.WriteFile(tr.mnt+"/"+name, nil, 0644))
	}
	const tries = 4
	for _, one := range []struct {
		path      string
		ways      []string
		crowds    []int
		mostAdded float64
	}{
		{"topics/t", []string{"open", "stat", "list", "write", "echo"}, []int{2, 16, 256}, 6},
		// What is looked up there may have to wait for locks of others': it is for workers.
		{"ctl/shm/m/status", []string{"open", "stat"}, []int{256}, 20},
		{"ctl/events", []string{"open", "stat"}, []int{256}, 20},
	} {
		path := tr.mnt + "/" + one.path
		for _, way := range one.ways {
			alone := crowded(t, tr, 1, way, path)
			for _, n := range one.crowds {
				least := crowded(t, tr, n, way, path)
				for try := 1; try < tries && least > alone+one.mostAdded; try++ {
					least = min(least, crowded(t, tr, n, way, path))
				}
				if least > alone+one.mostAdded {
					t.Errorf("%s %s by %d at a time: %.1f requests each, by one alone %.1f", way, one.path, n, least, alone)
				}
			}
		}
	}
}

// crowded is how many requests each of n programs makes that do the same to a path at the same time.
func crowded(t *testing.T, tr *tree, n int, way, path string) float64 {
	t.Helper()
	each := max(often(2, 4), often(256, 512)/n)
	before := awaited(t, tr)
	var out, errs bytes.Buffer
	cmd := tr.command("ipctool", "crowd", strconv.Itoa(n), strconv.Itoa(each), way, path)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(cmd.Env, undisturbed), &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s of %d: %v %s", way, n, err, errs.String())
	}
	requests := float64(awaited(t, tr)-before) / float64(n*each)
	ns, _ := strconv.Atoi(strings.TrimSpace(out.String()))
	t.Logf("%-5s by %3d: %5.1f requests, %v", way, n, requests, time.Duration(ns/(n*each)))
	return requests
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
