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

// BenchmarkMany: what it costs to make, open and remove one more object (medians), and to list all of them,
// with 100 objects of a class and with 30,000. tmpfs is the kernel's own directory of files.
func BenchmarkMany(b *testing.B) {
	tr, err := newTree(b.TempDir(), b.Log)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		for _, problem := range tr.leftovers() {
			b.Error(problem)
		}
	}()
	tr.dog.allow(20 * lifetime)
	if out, err := tr.mount(); err != nil || out != "" {
		b.Fatal(err, out)
	}
	if err := os.Mkdir("/dev/shm/native", 0700); err != nil {
		b.Fatal(err)
	}
	all := map[string]*manyNames{"tmpfs": {dir: "/dev/shm/native"}}
	for _, class := range []string{"shm", "fifos", "topics"} {
		all[class] = &manyNames{dir: tr.mnt + "/" + class, fifo: class == "fifos"}
	}
	for _, class := range []string{"tmpfs", "shm", "fifos", "topics"} {
		m := all[class]
		for _, count := range []int{100, 30_000} {
			b.Run(fmt.Sprint(class, "/", count), func(b *testing.B) {
				if err := tr.join(); err != nil { // a goroutine of its own
					b.Fatal(err)
				}
				if err := m.grow(count); err != nil {
					b.Fatal(err)
				}
				took := map[string][]time.Duration{}
				step := func(name string, f func() error) {
					begun := time.Now()
					if err := f(); err != nil {
						b.Fatal(name, err)
					}
					took[name] = append(took[name], time.Since(begun))
				}
				for b.Loop() {
					step("create", func() error { return m.create("one") })
					step("open", func() error { return m.open("one") })
					step("remove", func() error { return os.Remove(m.dir + "/one") })
				}
				for range 3 {
					step("ls-l", m.list)
				}
				for name, times := range took {
					slices.Sort(times)
					one := float64(times[len(times)/2].Nanoseconds()) / 1e3
					if name == "ls-l" {
						one /= float64(count)
					}
					b.ReportMetric(one, name+"-µs")
				}
			})
		}
		for i := range m.made {
			if err := os.Remove(fmt.Sprint(m.dir, "/o", i)); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := os.Remove("/dev/shm/native"); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCreators: 1,000 threads each make an object of shared memory
// at the same time, in the tree and natively.
func BenchmarkCreators(b *testing.B) {
	const threads = 1000
	tr, err := newTree(b.TempDir(), b.Log)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		for _, problem := range tr.leftovers() {
			b.Error(problem)
		}
	}()
	if out, err := tr.mount(); err != nil || out != "" {
		b.Fatal(err, out)
	}
	for name, dir := range map[string]string{"native": "/dev/shm", "mounted": tr.mnt + "/shm"} {
		b.Run(name, func(b *testing.B) {
			if err := tr.join(); err != nil { // a goroutine of its own
				b.Fatal(err)
			}
			ns := 0
			for b.Loop() {
				out, err := tr.command("ipctool", "crowd", strconv.Itoa(threads), "1", "create", dir+"/o").CombinedOutput()
				took, e := strconv.Atoi(strings.TrimSpace(string(out)))
				if err != nil || e != nil {
					b.Fatalf("%v %s", err, out)
				}
				ns += took
				made, err := fs.Glob(os.DirFS(dir), "o.*")
				if err != nil || len(made) != threads {
					b.Fatalf("%v, %d of %d made", err, len(made), threads)
				}
				for _, one := range made {
					if err := os.Remove(dir + "/" + one); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(ns)/1e3/threads/float64(b.N), "µs/create")
		})
	}
}
