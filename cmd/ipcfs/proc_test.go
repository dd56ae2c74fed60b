package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestWithoutChildren: a keeper stands for its workers, and for no daemon of somebody else's.
func TestWithoutChildren(t *testing.T) {
	const keeper, worker, next, other, daemon = 10, 11, 12, 20, 30
	parents := map[int]int{keeper: 1, worker: keeper, next: keeper, other: 7, daemon: 1}
	var all, want []served
	for _, pid := range []int{keeper, worker, next, other, daemon} {
		all = append(all, served{pid: pid})
	}
	for _, pid := range []int{keeper, other, daemon} {
		want = append(want, served{pid: pid})
	}
	list := withoutChildren(all, func(pid int) int { return parents[pid] })
	if !slices.Equal(list, want) {
		t.Error(list)
	}
	if got := parentOf(os.Getpid()); got != os.Getppid() {
		t.Errorf("the parent is %d, not %d", got, os.Getppid())
	}
}

// TestKeeperAt: a keeper is known whatever the name of its program's file, and nobody is taken for one who is
// not named so, or whose child is no worker of that mount point.
func TestKeeperAt(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	const parent, child = `[ -z "$1" ] || printf "$1" >/proc/$$/comm; (exec -a "$2" bash "$3" /mnt) & wait`,
		`printf "$COMM" >/proc/$$/comm; echo $PPID $$; read x <&3`
	for _, c := range []struct {
		what, parent, comm, title, role, at string
		found                               bool
	}{
		{"a keeper", "ipcfs", "ipcfs", "ipcfs", "worker", "/mnt", true},
		{"of another tree", "ipcfs", "ipcfs", "ipcfs", "worker", "/other", false},
		{"a stranger with a worker", "", "ipcfs", "ipcfs", "worker", "/mnt", false},
		{"no worker", "ipcfs", "ipcfs", "ipcfs", "helper", "/mnt", false},
		{"another title", "ipcfs", "ipcfs", "bash", "worker", "/mnt", false},
		{"another name", "ipcfs", "bash", "ipcfs", "worker", "/mnt", false},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/"+c.role, []byte(child), 0600); err != nil {
			t.Fatal(err)
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(bash, "-c", parent, "bash", c.parent, c.title, c.role)
		cmd.Dir, cmd.Env, cmd.ExtraFiles = dir, append(os.Environ(), "COMM="+c.comm), []*os.File{r}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		var keeper, worker int
		_, scanned := fmt.Fscan(out, &keeper, &worker)
		fd, err := keeperAt(keeper, worker, c.at)
		if (err == nil) != c.found || scanned != nil || keeper != cmd.Process.Pid {
			t.Errorf("%s: %v, %v, pid %d", c.what, err, scanned, keeper)
		}
		if err == nil {
			_ = os.NewFile(uintptr(fd), "keeper").Close()
		}
		pids := []int{worker + 1<<30, worker} // the first has left when it is looked for
		_, fd, err = keeperBy("/mnt", func() (facts, error) {
			pid := pids[0]
			pids = pids[min(1, len(pids)-1):]
			return factsOf(fmt.Appendf(nil, `{"keeper_pid": %d, "pid": %d, "mountpoint": %q}`, keeper, pid, c.at))
		})
		if (err == nil) != c.found {
			t.Errorf("%s, with a worker that has left: %v", c.what, err)
		}
		if err == nil {
			_ = os.NewFile(uintptr(fd), "keeper").Close()
		}
		if fd, err := keeperAt(os.Getpid(), worker, c.at); err == nil {
			_ = os.NewFile(uintptr(fd), "keeper").Close()
			t.Errorf("%s: its keeper is one that is not its parent", c.what)
		}
		r.Close()
		w.Close()
		_ = cmd.Wait()
	}
}

// TestScanBounds: of a user whose processes hold too much not all is looked at, which is told, and all is
// where there is no bound.
func TestScanBounds(t *testing.T) {
	const files, most = 300, 100
	for range files {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	n := 0
	count := func(h holder) {
		if h.Pid == os.Getpid() && h.How == "open" && h.path == os.DevNull {
			n++
		}
	}
	if hasty := scan(0, count); n < files || len(hasty) > 0 {
		t.Errorf("%d of %d files, %v", n, files, hasty)
	}
	n = 0
	if left := scanOne(os.Getpid(), most, count); n < most/2 || n > most || left >= 0 {
		t.Errorf("%d files of %d at most, %d are left", n, most, left)
	}
	if hasty := scan(most, count); !slices.Contains(hasty, uint32(os.Getuid())) {
		t.Errorf("%v hold too much", hasty)
	}
}

// TestPrintUsers: the first of many who have inherited what is open are named, and those whom the daemon
// tells of.
func TestPrintUsers(t *testing.T) {
	var o object
	for pid := range 11 {
		o.users = append(o.users, use{Pid: pid + 1, Command: "cat", How: "open"})
	}
	o.users = append(o.users, use{Pid: 12, Command: "cat", Side: "reader", How: "tree"})
	var out strings.Builder
	o.printUsers(&out)
	if lines := strings.Split(out.String(), "\n"); len(lines) != 11 || lines[8] != "    reader 12 cat" ||
		lines[9] != "    and 3 more" {
		t.Errorf("%q", lines)
	}
}
