package tests

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var soakFor = flag.Duration("soak", 15*time.Minute, "how long TestSoak lasts")

// soakUsers are whose programs TestSoak runs.
var soakUsers = []string{"0", "1000", "1001"}

// soakLoad is what each of them does all the time. What is full, a disk or a queue, may refuse all but the
// messages that are counted.
const soakLoad = `
u=$1 n=0
while ! test -e stop; do
	n=$((n + 1))
	echo "$u $n" >mnt/queues/counted || exit 1
	{
		echo "$u $n" >mnt/topics/news
		echo "$u $n" >mnt/sysv/queues/0x00005ac0; cat mnt/ctl/sysv/queues/0x00005ac0/drain
		echo "$u $n" | dd of=mnt/shm/board conv=notrunc; cat mnt/shm/board
		echo $n >mnt/queues/of$u; cat mnt/ctl/queues/of$u/drain; rm mnt/queues/of$u
		touch mnt/topics/of$u; rm mnt/topics/of$u
		mkfifo mnt/fifos/of$u; rm mnt/fifos/of$u
		touch mnt/sockets/of$u; rm mnt/sockets/of$u
		(exec 3<>mnt/ctl/sockets/echo/dial; echo "$u $n" >&3; read -r line <&3)
		cat mnt/ctl/queues/counted/status mnt/ctl/status mnt/ctl/limits; ls -l mnt/queues mnt/shm
		printf %99s >mnt/queues/counted # too long
	} >/dev/null 2>&1
done
echo $n >sent.$u
`

// soakPrey are programs that are killed and started again: they wait for what does not come, read what others
// get too, or have a message on lease.
var soakPrey = []string{
	`exec cat mnt/queues/idle`, `exec cat mnt/topics/news >/dev/null`,
	`exec 3<>mnt/ctl/queues/leased/lease; read -r line <&3; read -r never <hang`,
	`exec 3<>mnt/ctl/sockets/echo/dial; read -r never <&3`,
}

// TestSoak has three users use objects of each kind for fifteen minutes, while their programs are killed and
// stopped, and the disk of the state and /dev/shm are full now and then. Afterwards nothing is lost or has
// come twice, and the daemon has not grown.
func TestSoak(t *testing.T) {
	soak(t)
	if !haveUsers() {
		t.Skip("needs root and more users")
	}
	w := soakTree(t)
	tr := w.tr
	tr.dog.allow(*soakFor + lifetime)
	begin := func(uid, script string, args ...string) *exec.Cmd {
		cmd := tr.command("ipctool", append([]string{"as", uid, "sh", "-c", script, "sh"}, args...)...)
		cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
		check(t, cmd.Start())
		return cmd
	}
	reader := begin("0", `exec cat mnt/queues/counted >got`)
	server := begin("0", `while :; do
		exec 3<>mnt/ctl/sockets/echo/accept
		(read -r line <&3 && echo "$line" >&3) &
		exec 3>&-
	done`)
	var load, prey []*exec.Cmd
	for _, uid := range soakUsers {
		load = append(load, begin(uid, soakLoad, uid))
		for _, script := range soakPrey {
			prey = append(prey, begin(uid, script))
		}
	}
	var looks []soakLook
	faults := 0
	for end, next := time.Now().Add(*soakFor), time.Now(); time.Now().Before(end); faults++ {
		i := rand.IntN(len(prey))
		_ = unix.Kill(-prey[i].Process.Pid, unix.SIGKILL)
		_ = prey[i].Wait()
		prey[i] = begin(soakUsers[i/len(soakPrey)], soakPrey[i%len(soakPrey)])
		switch rand.IntN(8) {
		case 0: // the queue becomes full
			check(t, unix.Kill(reader.Process.Pid, unix.SIGSTOP))
			<-time.After(time.Second)
			check(t, unix.Kill(reader.Process.Pid, unix.SIGCONT))
		case 1:
			for _, dir := range []string{tr.state, tr.mnt + "/shm"} {
				_ = tr.command("sh", "-c", `cat /dev/zero >"$1/zeros"; sleep 0.3; rm "$1/zeros"`, "sh", dir).Run()
			}
		}
		<-time.After(200 * time.Millisecond)
		if time.Now().After(next) {
			looks = append(looks, w.soakLook())
			t.Logf("%v, %d faults", looks[len(looks)-1], faults)
			next = next.Add(*soakFor / 15)
		}
	}
	check(t, os.WriteFile(tr.work+"/stop", nil, 0644))
	for _, cmd := range load {
		check(t, cmd.Wait())
	}
	for _, cmd := range append(prey, server) {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_ = cmd.Wait()
	}
	if !eventually(patience, func() bool { n, err := tr.status("objects_queues"); return err == nil && n == "3" }) {
		t.Error("queues are left")
	}
	soakCounts(t, tr)
	check(t, reader.Process.Kill())
	_ = reader.Wait()
	if !eventually(patience, func() bool {
		text, err := os.ReadFile(tr.mnt + "/ctl/queues/leased/status")
		return err == nil && bytes.Contains(text, []byte("messages=3\n"))
	}) {
		t.Error("a message that was on lease is lost")
	}
	var last soakLook
	if !eventually(patience, func() bool { last = w.soakLook(); return last.open == 0 && last.parked == 0 }) {
		t.Error("files are open, or calls wait")
	}
	t.Logf("%v, at rest", last)
	if first := looks[len(looks)/3]; last.rss > first.rss*5/4+2<<20 || last.fds > first.fds ||
		last.goroutines > first.goroutines+5 || last.nodes > first.nodes {
		t.Errorf("the daemon has grown: %v, then %v", first, last)
	}
}

// soakTree mounts a tree with the objects, whose state is on a small disk, as is /dev/shm.
func soakTree(t *testing.T) *viewer {
	w := &viewer{T: t, tr: bareTree(t)}
	tr := w.tr
	check(t, os.Mkdir(tr.state, 0755))
	check(t, unix.Mount("tmpfs", tr.state, "tmpfs", 0, "size=2m,mode=755"))
	t.Cleanup(func() { _ = unix.Unmount(tr.state, unix.MNT_DETACH) })
	check(t, unix.Mount("tmpfs", "/dev/shm", "tmpfs", unix.MS_REMOUNT, "size=4m,mode=1777"))
	tr.mounted(t, "--maxmsg", "10", "--msgsize", "64", "--metrics-listen", "unix:metrics.sock")
	w.address = tr.work + "/metrics.sock"
	w.client.Transport = w.transport()
	t.Cleanup(w.client.CloseIdleConnections)
	out, err := tr.command("sh", "-ec", `
		for name in queues/counted queues/idle queues/leased topics/news sockets/echo shm/board; do
			touch mnt/$name; chmod 666 mnt/$name
		done
		echo 1 >mnt/queues/leased; echo 2 >mnt/queues/leased; echo 3 >mnt/queues/leased
		echo "sysv/queues/0x00005ac0 mode=0666" >mnt/ctl/new; mkfifo hang; chmod 666 hang
		for uid in 0 1000 1001; do touch sent.$uid; chmod 666 sent.$uid; done`).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return w
}

// soakLook is how the daemon is.
type soakLook struct {
	after                                time.Duration
	rss, fds, goroutines, threads        int
	nodes, open, parked, requests, moved int
}

func (l soakLook) String() string {
	return fmt.Sprintf("%3.0f min  %7d requests  %6d messages  rss %5.1f MiB  fds %3d  goroutines %3d  threads %2d  "+
		"nodes %4d  open %3d  parked %2d", l.after.Minutes(), l.requests, l.moved, float64(l.rss)/(1<<20), l.fds,
		l.goroutines, l.threads, l.nodes, l.open, l.parked)
}

var soakBegan = time.Now()

func (w *viewer) soakLook() soakLook {
	_, text := w.ask("GET", "localhost", "/metrics")
	number := func(name string) int {
		m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(text)
		if m == nil {
			w.Fatalf("no %s in\n%s", name, text)
		}
		n, err := strconv.ParseFloat(m[1], 64)
		check(w.T, err)
		return int(n)
	}
	return soakLook{
		after: time.Since(soakBegan), rss: number("process_resident_memory_bytes"), fds: number("process_open_fds"),
		goroutines: number("go_goroutines"), threads: number("ipcfs_daemon_threads"), nodes: number("ipcfs_daemon_nodes"),
		open: number("ipcfs_daemon_open"), parked: number("ipcfs_daemon_parked"),
		requests: number("ipcfs_daemon_requests_total"),
		moved:    number(`ipcfs_operations_total\{class="queues",op="write"\}`),
	}
}

// soakCounts checks that what each user has sent has come, once and in order.
func soakCounts(t *testing.T, tr *tree) {
	for _, uid := range soakUsers {
		text, err := os.ReadFile(tr.work + "/sent." + uid)
		check(t, err)
		sent, err := strconv.Atoi(strings.TrimSpace(string(text)))
		check(t, err)
		var got []string
		eventually(patience, func() bool {
			all, err := os.ReadFile(tr.work + "/got")
			check(t, err)
			got = got[:0]
			for lines := bufio.NewScanner(bytes.NewReader(all)); lines.Scan(); {
				if number, ok := strings.CutPrefix(lines.Text(), uid+" "); ok {
					got = append(got, number)
				}
			}
			return len(got) >= sent
		})
		want := make([]string, sent)
		for i := range want {
			want[i] = strconv.Itoa(i + 1)
		}
		if !slices.Equal(got, want) {
			t.Errorf("user %s sent %d messages, %d came, or in another order", uid, sent, len(got))
		}
		t.Logf("user %s: %d messages sent, %d came", uid, sent, len(got))
	}
}
