package tests

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkVersion: how long `ipcfs version` takes, from its start to its end, beside an empty Go program and
// beside one that has the libraries of ipcfs and does nothing, all on one processor and in turns, and `ipcfs
// help`, which has all of the libraries. -ipcfs dist/ipcfs-... measures the program that is given out; one
// that is not stamped answers behind the libraries (package stamp).
func BenchmarkVersion(b *testing.B) {
	ipcfs, err := exec.LookPath("ipcfs")
	check(b, err)
	programs := [][]string{
		{goProgram(b, "empty", "package main\nfunc main() {}\n")},
		{goProgram(b, "libraries", `package main
			import (
				_ "github.com/hanwen/go-fuse/v2/fuse"
				_ "github.com/nats-io/nats.go/jetstream"
				_ "github.com/prometheus/client_golang/prometheus/promhttp"
				_ "github.com/spf13/pflag"
			)
			func main() {}`)},
		{ipcfs, "version"},
		{ipcfs, "help"},
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with what it may run on
	var here unix.CPUSet
	check(b, unix.SchedGetaffinity(0, &here))
	cpu := 0
	for !here.IsSet(cpu) {
		cpu++
	}
	here.Zero()
	here.Set(cpu)
	check(b, unix.SchedSetaffinity(0, &here))
	took := make([][]time.Duration, len(programs))
	for b.Loop() {
		for i, program := range programs {
			begun := time.Now()
			check(b, exec.Command(program[0], program[1:]...).Run())
			took[i] = append(took[i], time.Since(begun))
		}
	}
	for i, unit := range []string{"empty-ms", "libraries-ms", "ipcfs-ms", "help-ms"} {
		slices.Sort(took[i])
		b.ReportMetric(took[i][len(took[i])/2].Seconds()*1e3, unit)
	}
}

// goProgram builds a program of one file, as packaging/build does, and returns its path.
func goProgram(t testing.TB, name, text string) string {
	t.Helper()
	at := t.TempDir() + "/" + name
	check(t, os.WriteFile(at+".go", []byte(text), 0644))
	build := exec.Command("go", "build", "-tags", "nethttpomithttp2", "-ldflags", "-s -w", "-o", at, at+".go")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return at
}
