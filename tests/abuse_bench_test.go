package tests

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"
)

// loops are what three users do all the time beside a fourth.
var loops = map[string]string{
	"metrics": "while :; do cat ctl/metrics; done >/dev/null",
	"find":    "while :; do find .; done >/dev/null 2>&1",
	"status":  "while :; do cat ctl/*/*/status; done >/dev/null 2>&1",
}

// BenchmarkAbuse: how long a program takes to write a message to a queue and to read it, with 1,000 topics and 1,000
// objects of shared memory, while other users do nothing and while they go through the whole tree again and
// again: medians, and their ratio. An operation is 2,000 messages with nobody there, then with each of loops, then
// with all. "spin" is the same with as many programs that only use up the processors.
func BenchmarkAbuse(b *testing.B) {
	if !haveUsers() {
		b.Skip("only root can become other users")
	}
	tr, err := newTree(b.TempDir(), b.Log)
	if err != nil {
		b.Fatal(err)
	}
	tr.dog.allow(10 * lifetime)
	defer func() {
		for _, problem := range tr.leftovers() {
			b.Error(problem)
		}
	}()
	if out, err := tr.mount(); err != nil || out != "" {
		b.Fatal(err, out)
	}
	for _, class := range []string{"topics", "shm"} {
		if err := (&manyNames{dir: tr.mnt + "/" + class}).grow(1000); err != nil {
			b.Fatal(err)
		}
	}
	queue, err := os.OpenFile(tr.mnt+"/queues/q", os.O_RDWR|os.O_CREATE, 0600)
	if err != nil {
		b.Fatal(err)
	}
	defer os.Remove(tr.mnt + "/queues/q")
	defer queue.Close()

	others := map[string]*exec.Cmd{}
	begin := func(name, script string, uid uint32) {
		cmd := tr.command("sh", "-c", "kill -STOP $$; "+script)
		cmd.Dir = tr.mnt
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		others[name] = cmd
	}
	defer func() {
		for _, cmd := range others {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			_ = cmd.Wait() // it was killed
		}
	}()
	phases := [][]string{nil}
	var all, spinners []string
	for name, script := range loops {
		uid := uint32(1000 + len(others))
		begin(name, script, uid)
		begin("spin "+name, "while :; do :; done", uid)
		phases = append(phases, []string{name})
		all, spinners = append(all, name), append(spinners, "spin "+name)
	}
	phases = append(phases, all, spinners)
	took := make([][]time.Duration, len(phases))
	message := make([]byte, 128)
	for b.Loop() {
		for i, names := range phases {
			sendAll(b, others, names, syscall.SIGCONT)
			for range 2000 {
				begun := time.Now()
				_, err1 := queue.Write(message[:64])
				_, err2 := queue.Read(message)
				if err1 != nil || err2 != nil {
					b.Fatal(err1, err2)
				}
				took[i] = append(took[i], time.Since(begun))
			}
			sendAll(b, others, names, syscall.SIGSTOP)
		}
	}
	quiet := 0.0
	for i, names := range phases {
		slices.Sort(took[i])
		name, us := "quiet", float64(took[i][len(took[i])/2].Nanoseconds())/1e3
		switch {
		case len(names) == 1:
			name = names[0]
		case i == len(phases)-1:
			name = "spin"
		case len(names) > 1:
			name = "all"
		}
		if i == 0 {
			quiet = us
		} else {
			b.ReportMetric(us/quiet, name+"/quiet")
		}
		b.ReportMetric(us, name+"-µs")
		b.ReportMetric(float64(took[i][len(took[i])*99/100].Nanoseconds())/1e3, name+"-p99-µs")
	}
}

// sendAll signals the process groups of some of the others.
func sendAll(b *testing.B, others map[string]*exec.Cmd, names []string, sig syscall.Signal) {
	for _, name := range names {
		if err := syscall.Kill(-others[name].Process.Pid, sig); err != nil {
			b.Fatal(fmt.Errorf("%s: %w", name, err))
		}
	}
}
