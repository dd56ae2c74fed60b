package tests

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manyNames makes names in a directory until there are as many as asked for.
type manyNames struct {
	dir  string
	fifo bool
	made int
}

func (m *manyNames) create(name string) error {
	if m.fifo {
		return syscall.Mkfifo(m.dir+"/"+name, 0600)
	}
	f, err := os.OpenFile(m.dir+"/"+name, os.O_WRONLY|os.O_CREATE|syscall.O_NONBLOCK, 0600)
	if err != nil {
		return err
	}
	return f.Close()
}

func (m *manyNames) grow(to int) (err error) {
	for ; m.made < to && err == nil; m.made++ {
		err = m.create(fmt.Sprint("o", m.made))
	}
	return err
}

func (m *manyNames) open(name string) error {
	fd, err := syscall.Open(m.dir+"/"+name, syscall.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return syscall.Close(fd)
}

// list is what ls -l does: it reads the names and looks at each.
func (m *manyNames) list() error {
	names, err := os.ReadDir(m.dir)
	for _, e := range names {
		if err == nil {
			_, err = os.Lstat(m.dir + "/" + e.Name())
		}
	}
	return err
}

// manyTree is a tree with its goroutine, which alone does what is to be done in it.
type manyTree struct {
	*tree
	calls chan func() error
	done  chan error
	all   map[string]*manyNames
}

// startMany mounts a tree whose state directory, like /dev/shm, is on tmpfs: ext4 takes long to find an inode
// where many were freed a moment ago (recently_deleted, fs/ext4/ialloc.c).
func startMany(b *testing.B) *manyTree {
	m := &manyTree{calls: make(chan func() error), done: make(chan error)}
	work := b.TempDir()
	go func() {
		for f := range m.calls {
			m.done <- f()
		}
		for _, problem := range m.leftovers() {
			b.Error(problem)
		}
		close(m.done)
	}()
	m.do(b, func() (err error) {
		if m.tree, err = newTree(work, b.Log); err != nil {
			return err
		}
		m.dog.allow(20 * lifetime)
		state := work + "/tmpfs"
		if err := os.Mkdir(state, 0755); err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", state, "tmpfs", 0, "mode=0755"); err != nil {
			return err
		}
		m.state = state + "/state"
		if out, err := m.mount(); err != nil || out != "" {
			return fmt.Errorf("%v %s", err, out)
		}
		m.all = map[string]*manyNames{"tmpfs": {dir: "/dev/shm/native"}}
		for _, class := range []string{"shm", "fifos", "topics"} {
			m.all[class] = &manyNames{dir: m.mnt + "/" + class, fifo: class == "fifos"}
		}
		return os.Mkdir("/dev/shm/native", 0700)
	})
	return m
}

// do has the tree's goroutine call f, and waits for that.
func (m *manyTree) do(b *testing.B, f func() error) {
	m.calls <- f
	if err := <-m.done; err != nil {
		b.Fatal(err)
	}
}

// empty removes all that was made.
func (m *manyTree) empty() error {
	for _, names := range m.all {
		for i := range names.made {
			if err := os.Remove(fmt.Sprint(names.dir, "/o", i)); err != nil {
				return err
			}
		}
	}
	return os.Remove("/dev/shm/native")
}

// BenchmarkMany: what it costs to make, open and remove one more object where there are 100 of its class and
// where there are 30,000, in turn (medians), and to list all of them. tmpfs is the kernel's own directory of
// files.
func BenchmarkMany(b *testing.B) {
	counts := []int{100, 30_000}
	var trees []*manyTree
	defer func() {
		for _, m := range trees {
			close(m.calls)
			<-m.done
		}
	}()
	for range counts {
		trees = append(trees, startMany(b))
	}
	for _, class := range []string{"tmpfs", "shm", "fifos", "topics"} {
		b.Run(class, func(b *testing.B) {
			for i, m := range trees {
				m.do(b, func() error { return m.all[class].grow(counts[i]) })
			}
			took := map[string]*[2][]time.Duration{}
			step := func(name string, f func(m *manyNames) error) {
				if took[name] == nil {
					took[name] = &[2][]time.Duration{}
				}
				for i, m := range trees {
					m.do(b, func() error {
						begun := time.Now()
						err := f(m.all[class])
						took[name][i] = append(took[name][i], time.Since(begun))
						return err
					})
				}
			}
			for b.Loop() {
				step("create", func(m *manyNames) error { return m.create("one") })
				step("open", func(m *manyNames) error { return m.open("one") })
				step("remove", func(m *manyNames) error { return os.Remove(m.dir + "/one") })
			}
			for range 3 {
				step("ls-l", (*manyNames).list)
			}
			for name, times := range took {
				var one [2]float64
				for i := range times {
					slices.Sort(times[i])
					one[i] = float64(times[i][len(times[i])/2].Nanoseconds()) / 1e3
					if name == "ls-l" {
						one[i] /= float64(counts[i])
					}
					b.ReportMetric(one[i], fmt.Sprint(name, "-", counts[i], "-µs"))
				}
				b.ReportMetric(one[1]/one[0], name+"-many/few")
			}
		})
	}
	for _, m := range trees {
		m.do(b, m.empty)
	}
}

// BenchmarkCreators: 1,000 threads make an object of shared memory each at the same time, natively and in the
// tree, in turn (medians).
func BenchmarkCreators(b *testing.B) {
	const threads = 1000
	tr := mountTree(b)
	tr.dog.allow(10 * lifetime)
	ways := []struct {
		name, dir string
		took      []float64
	}{{name: "native", dir: "/dev/shm"}, {name: "mounted", dir: tr.mnt + "/shm"}}
	for b.Loop() {
		for i, w := range ways {
			out, err := tr.command("ipctool", "crowd", strconv.Itoa(threads), "1", "create", w.dir+"/o").CombinedOutput()
			ns, e := strconv.Atoi(strings.TrimSpace(string(out)))
			if err != nil || e != nil {
				b.Fatalf("%v %s", err, out)
			}
			ways[i].took = append(w.took, float64(ns)/1e3/threads)
			made, err := fs.Glob(os.DirFS(w.dir), "o.*")
			if err != nil || len(made) != threads {
				b.Fatalf("%v, %d of %d made", err, len(made), threads)
			}
			for _, one := range made {
				check(b, os.Remove(w.dir+"/"+one))
			}
		}
	}
	var each [2]float64
	for i, w := range ways {
		slices.Sort(w.took)
		each[i] = w.took[len(w.took)/2]
		b.ReportMetric(each[i], w.name+"-µs/create")
	}
	b.ReportMetric(each[1]/each[0], "mounted/native")
}
