package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
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
	processes, each, queues := 10, 1000, 100
	tr := mountTree(t, "--attach", "prod="+natsServers(t, 1, "").URL())
	if !eventually(patience, func() bool { return isUp(tr.mnt) }) {
		t.Fatal("there is no connection")
	}
	files := make([]string, queues)
	for i := range files {
		files[i] = fmt.Sprintf("%s/prod/queues/q%03d", tr.mnt, i)
		line := fmt.Sprintf("prod/queues/q%03d maxmsg=200 msgsize=16\n", i)
		check(t, os.WriteFile(tr.mnt+"/ctl/new", []byte(line), 0))
	}
	before := resident(t, tr)
	var cmds []*exec.Cmd
	var outs []*bytes.Buffer
	for range processes {
		cmd, out := tr.command("ipctool", append([]string{"sleepers", strconv.Itoa(each)}, files...)...),
			&bytes.Buffer{}
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		check(t, cmd.Start())
		cmds, outs = append(cmds, cmd), append(outs, out)
	}
	tr.dog.allow(4 * time.Minute)
	began, parked := time.Now(), ""
	if !eventually(3*time.Minute, func() bool {
		parked, _ = tr.status("parked")
		return parked == strconv.Itoa(processes*each)
	}) {
		t.Fatalf("parked=%s, want %d", parked, processes*each)
	}
	t.Logf("asleep after %v", time.Since(began))
	threads, err := tr.status("threads")
	check(t, err)
	if n, _ := strconv.Atoi(threads); n > 32 {
		t.Errorf("%d threads, at most 32 wanted", n)
	}
	// Half of it is what the same readers cost on queues that are here (TestSleepers): nodes, open files and
	// requests.
	cost := resident(t, tr) - before
	if limit := 120; cost > limit && raceFlag != "-race" {
		t.Errorf("%d MiB more resident, at most %d wanted", cost, limit)
	}
	t.Logf("%s threads, %d MiB more resident", threads, cost)
	for i, file := range files {
		var lines bytes.Buffer
		for j := range processes * each / queues {
			fmt.Fprintln(&lines, fmt.Sprint(i, ".", j))
		}
		_, name, _ := strings.Cut(file, "/prod/queues/")
		check(t, os.WriteFile(tr.mnt+"/ctl/prod/queues/"+name+"/lines", lines.Bytes(), 0))
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
