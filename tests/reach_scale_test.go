package tests

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestReachSleepers: 10,000 readers that wait on 100 queues elsewhere cost the daemon few threads and little
// memory, and each gets a message.
func TestReachSleepers(t *testing.T) {
	if !*long {
		t.Skip("it takes a minute: -long")
	}
	tr := mountTree(t, "--attach", "prod="+natsServers(t, 1, "").URL())
	if !eventually(patience, func() bool { return isUp(tr.mnt) }) {
		t.Fatal("there is no connection")
	}
	files := make([]string, 100)
	for i := range files {
		files[i] = fmt.Sprintf("%s/prod/queues/q%03d", tr.mnt, i)
		line := fmt.Sprintf("prod/queues/q%03d maxmsg=200 msgsize=16\n", i)
		check(t, os.WriteFile(tr.mnt+"/ctl/new", []byte(line), 0))
	}
	before := resident(t, tr)
	tr.dog.allow(4 * time.Minute)
	s := putToSleep(t, tr, 1000, files)
	fewThreads(t, tr)
	// Half of it is what the same readers cost on queues that are here (TestSleepers): nodes, open files and
	// requests.
	cost := resident(t, tr) - before
	if limit := 120; cost > limit && raceFlag != "-race" {
		t.Errorf("%d MiB more resident, at most %d wanted", cost, limit)
	}
	t.Logf("%d MiB more resident", cost)
	s.expect(t, func(file string, msgs []string) {
		lines := strings.Replace(file, tr.mnt, tr.mnt+"/ctl", 1) + "/lines"
		check(t, os.WriteFile(lines, []byte(strings.Join(msgs, "\n")+"\n"), 0))
	})
}
