package tests

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKeeper: when the worker of a tree with a keeper is killed, the next one goes on, and programs notice
// nothing: those who wait get what comes, what open files had in hand is still there, topics and leases go
// on. When the keeper is killed it is as when a daemon is.
func TestKeeper(t *testing.T) {
	needsResend(t)
	t.Parallel()
	tr := mountTree(t, "--keeper=on")
	sh := tr.command("bash", "-ec", `
		kills=0
		crash() { kill -9 $(cat $MNT/ctl/pid); kills=$((kills+1)); }
		gets() { read -r -u $1 x; [ "$x" = "$2" ] || { echo "got '$x', want '$2'"; exit 1; }; }
		cd $MNT
		: > queues/q; : > queues/w; : > queues/h; : > queues/l
		echo 'topics/t slow=block depth=4' > ctl/new
		exec 4<> queues/h 5< topics/t 6<> ctl/queues/h/lines
		(read -r x < queues/w; [ "$x" = wake ]) & sleeper=$!
		printf 'one\ntwo\n' > queues/q
		exec 7< queues/q
		gets 7 one
		printf 'half' >&6
		for i in 1 2 3; do echo $i > topics/t; echo job$i > queues/l; done
		gets 5 1
		exec 8<> ctl/queues/l/lease
		gets 8 job1
		crash
		gets 7 two
		gets 5 2
		echo ' a line' >&6
		gets 8 job2
		crash
		echo 4 > topics/t
		gets 5 3; gets 5 4
		echo wake > queues/w
		wait $sleeper
		gets 6 'half a line'
		crash
		gets 8 job3
		echo ack >&8
		[ -z "$(cat ctl/queues/l/drain)" ]
		eval "$(grep -E '^(pid|keeper_pid|restarts|last_crash)=' ctl/status)"
		[ $restarts = $kills ]
		case $last_crash in *killed*) ;; *) echo "last_crash=$last_crash"; exit 1;; esac
		grep -qx "ipcfs_daemon_restarts_total $kills" ctl/metrics
		grep -Eqx 'ipcfs_daemon_keeper_rss [1-9].*' ctl/metrics
		ipcfs doctor $MNT > $WORK/found || true
		crashed="the worker has crashed, restarts=$kills, the last one .*killed"
		log="the log says more: $WORK/state/ipcfs.log, "
		grep -A1 "$crashed" $WORK/found | grep -q "^ *$log"
		ipcfs status $MNT > $WORK/found # and exits 0: it is over
		grep -q "^! $crashed.*its keeper is pid $keeper_pid; $log" $WORK/found
		[ $(cat /proc/$pid/oom_score_adj) -gt $(cat /proc/$keeper_pid/oom_score_adj) ]
		[ "$(tr '\0' ' ' < /proc/$pid/cmdline | sed 's/ *$//')" = "ipcfs worker $MNT" ]
		[ "$(tr '\0' ' ' < /proc/$keeper_pid/cmdline | sed 's/ *$//')" = "ipcfs keeper $MNT" ]`)
	if out, err := sh.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s%s", err, out, tr.logs())
	}
	text, err := tr.status("keeper_pid")
	check(t, err)
	keeper, err := strconv.Atoi(text)
	check(t, err)
	worker, err := tr.pid()
	check(t, err)
	for _, q := range []string{"q", "w", "h", "l"} {
		check(t, os.Remove(tr.mnt+"/queues/"+q))
	}
	check(t, unix.Kill(keeper, unix.SIGKILL))
	if !gone(worker, patience) {
		t.Error("the worker goes on without its keeper")
	}
	if _, err := os.ReadDir(tr.mnt); err == nil || !strings.Contains(fmt.Sprint(err), "not connected") {
		t.Error(err)
	}
}

// TestKeeperEvents: a reader of ctl/events is told with a line that some may be missing when the worker is
// another one, and nothing comes twice.
func TestKeeperEvents(t *testing.T) {
	needsResend(t)
	t.Parallel()
	k := &keeper{t: t, tr: mountTree(t, "--keeper=on")}
	k.sh(`tells() { read -r x <&5; [ "$x" = "$1" ] || { echo "it tells '$x', want '$1'"; exit 1; }; }
		cd $MNT; exec 5< ctl/events
		: > shm/a; tells 'create shm/a'
		kill -9 $(cat ctl/pid); : > shm/b
		tells lost; tells 'create shm/b'
		rm shm/a shm/b; tells 'remove shm/a'; tells 'remove shm/b'`)
}
