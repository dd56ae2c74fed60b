package tests

import (
	"bufio"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// metrics are those that a daemon tells, once it does.
func (w *viewer) metrics() map[string]float64 {
	w.Helper()
	var all map[string]float64
	if !eventually(patience, func() bool { // the next worker is to listen first
		answer, err := w.client.Get("http://localhost/metrics")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		all = map[string]float64{}
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), " ")
			if n, err := strconv.ParseFloat(value, 64); err == nil && !strings.HasPrefix(name, "#") {
				all[name] = n
			}
		}
		return answer.StatusCode == http.StatusOK
	}) {
		w.Fatal("there are no metrics")
	}
	return all
}

// beginsAnew are the counters of docs/monitoring.md that begin anew with a worker.
var beginsAnew = []string{
	"ipcfs_messages_total", "ipcfs_refused_total", "ipcfs_attached_", "ipcfs_daemon_cpu_ms_total", "process_", "go_",
}

// TestKeeperCounts: the numbers that status, metrics and operations tell go on when the worker is killed: no
// counter goes back, and none counts anything twice.
func TestKeeperCounts(t *testing.T) {
	needsResend(t)
	t.Parallel()
	w := watchTree(t, "unix", "--keeper=on", "--metrics-names", "on")
	tr := w.tr
	sh := func(script string) {
		t.Helper()
		if out, err := tr.command("bash", "-ec", "cd $MNT\n"+script).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s%s", err, out, tr.logs())
		}
	}
	sh(`: > queues/q; : > sockets/s; : > topics/t
		echo lease max_tries=3 > ctl/queues/q/ctl
		for i in 1 2 3; do echo $i > queues/q; done
		read -r x < queues/q
		exec 5< topics/t 6<> ctl/sockets/s/dial 7<> ctl/sockets/s/accept
		echo 1 > topics/t; read -r x <&5; echo 2 > topics/t; exec 5<&-
		echo call >&6; read -r x <&7; echo back >&7; read -r x <&6
		exec 6>&- 7>&-
		! cat queues/none`)
	talk := tr.command("bash", "-ec", `cd $MNT
		exec 4< topics/t 6<> ctl/sockets/s/dial 7<> ctl/sockets/s/accept
		echo 3 > topics/t; read -r x <&4; echo call >&6; read -r x <&7; read -r x <&4`)
	check(t, talk.Start())
	defer func() { _ = talk.Wait(); sh("rm queues/q sockets/s topics/t") }()
	defer func() { _ = talk.Process.Kill() }()
	check(t, tr.parked(1))
	created := func() string {
		text, err := tr.run("sh", "-c", "grep ^created= $MNT/ctl/queues/q/status; grep max_tries $MNT/ctl/queues/q/ctl")
		check(t, err)
		return text
	}
	made := created()
	before := w.metrics()
	for range 3 {
		worker, err := tr.pid()
		check(t, err)
		sh(`kill -9 $(cat ctl/pid)`)
		if !gone(worker, patience) {
			t.Fatal("the worker was not killed")
		}
	}
	check(t, tr.parked(1))
	after := w.metrics()
	if now := created(); now != made {
		t.Errorf("the queue was %q, and is %q", made, now)
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if slices.ContainsFunc(beginsAnew, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		key, _, _ := strings.Cut(name, "{")
		counts := strings.HasSuffix(key, "_total") || strings.HasSuffix(key, "_count") || strings.HasSuffix(key, "_sum") ||
			strings.HasSuffix(key, "_bucket") || key == "ipcfs_longest_wait_seconds"
		if after[name] < before[name] && counts {
			t.Errorf("%s was %g, and is %g", name, before[name], after[name])
		}
		if _, there := after[name]; !there {
			t.Errorf("there is no %s", name)
		}
		if strings.HasPrefix(key, "ipcfs_") && after[name] != before[name] {
			t.Logf("%s was %g, and is %g", name, before[name], after[name])
		}
	}
	for _, name := range []string{
		`ipcfs_queues_sent_total{name="q"}`, `ipcfs_queues_received_total{name="q"}`,
		`ipcfs_topics_published_total{name="t"}`, `ipcfs_topics_received_total{name="t"}`,
		`ipcfs_topics_lost_total{name="t"}`, `ipcfs_sockets_accepted_total{name="s"}`,
		`ipcfs_sockets_dialled_total{name="s"}`, `ipcfs_operations_total{class="queues",op="read"}`,
		`ipcfs_operation_bytes_total{class="topics",op="write"}`,
	} {
		if was, there := before[name]; !there || after[name] != was {
			t.Errorf("%s was %g, %v, and is %g", name, was, there, after[name])
		}
	}
}
