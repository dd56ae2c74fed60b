package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestReachTwoOfThree: with two of three servers dead, what needs the servers ends with ETIMEDOUT and may be
// done all the same, a read that waits goes on waiting, and when they are back all goes on: nothing is lost,
// and what is written once more on the same open file is not stored twice.
func TestReachTwoOfThree(t *testing.T) {
	if !*long {
		t.Skip("it takes minutes: -long")
	}
	const limit = 5 * time.Second
	servers := natsServers(t, 3, "")
	tr := mountTree(t, "--attach", "prod="+servers.URL()+",replicas=3,timeout="+limit.String())
	up := func() bool { return isUp(tr.mnt) }
	if !eventually(patience, up) {
		t.Fatal("there is no connection")
	}
	jobs, empty := tr.mnt+"/prod/queues/jobs", tr.mnt+"/prod/queues/empty"
	check(t, os.WriteFile(empty, nil, 0644))
	fd, err := unix.Open(jobs, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0644)
	check(t, err)
	defer unix.Close(fd)
	send := func(what string) error { _, err := unix.Write(fd, []byte(what)); return err }
	check(t, send("before"))
	waiting := tr.command("head", "-n1", empty)
	var got strings.Builder
	waiting.Stdout, waiting.Stderr = &got, &got
	check(t, waiting.Start())
	check(t, tr.parked(1))

	check(t, servers.Kill(1))
	check(t, servers.Kill(2))
	if !eventually(patience, up) {
		t.Fatal("the third server is not connected to")
	}
	ends := func(what string, most time.Duration, do func() error) {
		t.Helper()
		began := time.Now()
		err := do()
		took := time.Since(began)
		t.Logf("%s: %v after %v", what, err, took.Round(time.Millisecond))
		if !errors.Is(err, unix.ETIMEDOUT) {
			t.Errorf("%s: %v, want ETIMEDOUT", what, err)
		}
		if took > most+limit {
			t.Errorf("%s took %v", what, took)
		}
	}
	ends("write", limit, func() error { return send("during") })
	why, err := os.ReadFile(tr.mnt + "/ctl/err") // that of the queue itself needs the servers
	if err != nil || !strings.Contains(string(why), "may be stored") {
		t.Errorf("err says %q, %v", why, err)
	}
	ends("echo >", 3*limit, func() error { return os.WriteFile(jobs, []byte("shell"), 0) })
	ends("touch", 3*limit, func() error { return os.WriteFile(tr.mnt+"/prod/queues/new", nil, 0644) })
	ends("rm", 3*limit, func() error { return os.Remove(empty) })
	check(t, tr.parked(1)) // it still waits

	check(t, servers.Restart(1))
	check(t, servers.Restart(2))
	if !eventually(patience, func() bool { return send("during") == nil }) {
		t.Fatal("nothing can be written when the servers are back")
	}
	if !eventually(patience, func() bool { return os.WriteFile(empty, []byte("at last\n"), 0) == nil }) {
		t.Fatal("the reader's queue cannot be written")
	}
	if check(t, waiting.Wait()); got.String() != "at last\n" {
		t.Errorf("the reader that waited got %q", got.String())
	}
	in, err := unix.Open(jobs, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	check(t, err)
	defer unix.Close(in)
	count := map[string]int{}
	for buf := make([]byte, 64); ; {
		n, err := unix.Read(in, buf)
		if err == unix.EAGAIN {
			break
		}
		check(t, err)
		count[string(buf[:n])]++
	}
	if count["before"] != 1 || count["during"] != 1 || count["shell"] > 1 {
		t.Errorf("received %v", count)
	}
}

// TestReachRemovedSlowly: an rm for which the servers take long removes, and says so, though they answer that
// there is nothing when they are asked again meanwhile.
func TestReachRemovedSlowly(t *testing.T) {
	t.Parallel()
	servers := natsServers(t, 3, "")
	leader := servers.Leader()
	if leader == 0 {
		t.Fatal("the cluster has no leader")
	}
	tr := mountTree(t, "--attach", "prod=nats://"+servers.Addr(leader)+",replicas=3,timeout=20s")
	if !eventually(patience, func() bool { return isUp(tr.mnt) }) {
		t.Fatal("there is no connection")
	}
	_, js := natsClient(t, servers.Addr(leader))
	made := func(dir, stream string) string { // one that the leader of the cluster leads too
		for i := range 30 {
			path := fmt.Sprintf("%s/prod/%s/n%d", tr.mnt, dir, i)
			if !eventually(patience, func() bool { return os.WriteFile(path, nil, 0644) == nil }) {
				why, _ := os.ReadFile(tr.mnt + "/ctl/err")
				t.Fatalf("it cannot be made: %s", why)
			}
			one, err := js.Stream(t.Context(), fmt.Sprintf("ipcfs_%s_n%d", stream, i))
			check(t, err)
			if one.CachedInfo().Cluster.Leader == fmt.Sprintf("n%d", leader) {
				return path
			}
		}
		t.Fatal("the leader of the cluster leads none of 30")
		return ""
	}
	list := []string{made("queues", "q"), made("topics", "t")}
	others := func(do func(int) error) {
		for i := 1; i <= 3; i++ {
			if i != leader {
				check(t, do(i))
			}
		}
	}
	others(servers.Stop)
	rm := make([]*exec.Cmd, len(list))
	said := make([]strings.Builder, len(list))
	for i, path := range list {
		rm[i] = tr.command("rm", "--", path)
		rm[i].Stderr = &said[i]
		check(t, rm[i].Start())
	}
	<-time.After(3 * time.Second) // longer than a question waits until it is asked again
	others(servers.Continue)
	for i := range rm {
		if err := rm[i].Wait(); err != nil {
			t.Errorf("rm: %v: %s", err, &said[i])
		}
	}
	for _, path := range list {
		if err := unix.Access(path, unix.F_OK); err != unix.ENOENT {
			t.Errorf("it is removed: %v", err)
		}
	}
}
