package tests

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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

// phase is who does something meanwhile.
type phase struct {
	name   string
	others []string
}

// BenchmarkAbuse: how long a program takes to write a message to a queue and to read it, with 1,000 topics
// and 1,000 objects of shared memory, while other users do nothing and while they go through the whole tree
// again and again: medians, what one in a hundred takes (p99), and the ratios of both. An operation is 2,000
// messages with nobody there, then with each of loops, then with all. "floor" are the same loops over a copy
// of the tree in memory, "spin" as many programs that only use up the processors: what they slow others by is
// not the daemon's.
func BenchmarkAbuse(b *testing.B) {
	if !haveUsers() {
		b.Skip("only root can become other users")
	}
	tr := mountTree(b)
	tr.dog.allow(10 * lifetime)
	for _, class := range []string{"topics", "shm"} {
		if err := (&manyNames{dir: tr.mnt + "/" + class}).grow(1000); err != nil {
			b.Fatal(err)
		}
	}
	queue, err := os.OpenFile(tr.mnt+"/queues/q", os.O_RDWR|os.O_CREATE, 0600)
	check(b, err)
	defer queue.Close()

	floor := tr.work + "/floor"
	if err := copyTree(tr.mnt, floor); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = syscall.Unmount(floor, syscall.MNT_DETACH) }()
	others := map[string]*exec.Cmd{}
	begin := func(name, dir, script string, uid uint32) {
		cmd := tr.command("sh", "-c", "kill -STOP $$; "+script)
		cmd.Dir = dir
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
	phases := []phase{{name: "quiet"}}
	var all, floors, spinners []string
	for name, script := range loops {
		uid := uint32(1000 + len(others))
		begin(name, tr.mnt, script, uid)
		begin("floor "+name, floor, script, uid)
		begin("spin "+name, "/", "while :; do :; done", uid)
		phases = append(phases, phase{name, []string{name}}, phase{"floor-" + name, []string{"floor " + name}})
		all, floors = append(all, name), append(floors, "floor "+name)
		spinners = append(spinners, "spin "+name)
	}
	phases = append(phases, phase{"all", all}, phase{"floor", floors}, phase{"spin", spinners})
	took := make([][]time.Duration, len(phases))
	for b.Loop() {
		for i, p := range phases {
			sendAll(b, others, p.others, syscall.SIGCONT)
			for range 2000 {
				took[i] = append(took[i], writeRead(b, queue))
			}
			sendAll(b, others, p.others, syscall.SIGSTOP)
		}
	}
	var quiet [2]float64
	for i, p := range phases {
		slices.Sort(took[i])
		for j, of := range []struct {
			name string
			at   int
		}{{"", 50}, {"-p99", 99}} {
			us := float64(took[i][len(took[i])*of.at/100].Nanoseconds()) / 1e3
			if i == 0 {
				quiet[j] = us
			} else {
				b.ReportMetric(us/quiet[j], p.name+of.name+"/quiet")
			}
			b.ReportMetric(us, p.name+of.name+"-µs")
		}
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

// copyTree makes a copy of a tree in memory, of names and of the texts that loops read.
func copyTree(from, to string) error {
	if err := os.Mkdir(to, 0755); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", to, "tmpfs", 0, "mode=0755"); err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == from {
			return err
		}
		copied := to + strings.TrimPrefix(path, from)
		if d.IsDir() {
			return os.Mkdir(copied, 0755)
		}
		var text []byte
		if d.Name() == "status" || d.Name() == "metrics" {
			if text, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		return os.WriteFile(copied, text, 0644)
	})
}
