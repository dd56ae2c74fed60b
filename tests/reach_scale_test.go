package tests

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

// TestReachSleepers: 10,000 readers that wait on 100 queues elsewhere cost the daemon few threads, and at
// most 24 MiB: less than half of the stacks of as many goroutines would. Those that wait on queues of this
// machine share what they wait at. Each gets a message.
func TestReachSleepers(t *testing.T) {
	if !*long {
		t.Skip("it takes minutes: -long")
	}
	here := waitFor(t, "queues")
	there := waitFor(t, "prod/queues", "--attach", "prod="+natsServers(t, 1, "").URL())
	t.Logf("%.1f MiB for those that wait here, %.1f MiB for those that wait for messages from elsewhere", here, there)
	if raceFlag != "-race" && (here > 17 || there > 24) {
		t.Error("at most 17 and 24 MiB wanted")
	}
}

// waitFor has readers wait on queues of a kind, and is what the daemon takes more while they do, in MiB.
func waitFor(t *testing.T, kind string, flags ...string) float64 {
	tr := mountTree(t, append(flags, "--maxmsg", "10", "--msgsize", "16")...)
	if len(flags) > 0 && !eventually(patience, func() bool { return isUp(tr.mnt) }) {
		t.Fatal("there is no connection")
	}
	files := make([]string, 100)
	for i := range files {
		files[i] = fmt.Sprintf("%s/%s/q%03d", tr.mnt, kind, i)
		check(t, os.WriteFile(files[i], nil, 0644))
	}
	before := settled(t, tr)
	tr.dog.allow(4 * time.Minute)
	s := putToSleep(t, tr, 1000, files)
	fewThreads(t, tr)
	cost := settled(t, tr) - before
	s.expect(t, func(file string, msgs []string) {
		lines := strings.Replace(file, tr.mnt, tr.mnt+"/ctl", 1) + "/lines"
		check(t, os.WriteFile(lines, []byte(strings.Join(msgs, "\n")+"\n"), 0))
	})
	return cost
}

// settled is the least memory that a daemon takes in a while, in MiB: it gives back some of what a burst
// took.
func settled(t *testing.T, tr *tree) float64 {
	t.Helper()
	pid, err := tr.pid()
	check(t, err)
	least := math.Inf(1)
	for begun := time.Now(); time.Since(begun) < 3*time.Second; <-time.After(100 * time.Millisecond) {
		least = min(least, residentMiB(pid))
	}
	return least
}
