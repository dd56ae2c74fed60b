package tests

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkTopicFanout: one publisher, 100 readers, each a process, messages of 1 KiB: messages
// delivered a second by a topic, and by a server that only copies what it reads from one Unix socket to
// 100 others. Nothing is lost on either side: a fast end waits. cpu is the processor time of all
// processes, which other load on the machine changes less.
func BenchmarkTopicFanout(b *testing.B) {
	const readers, size, batch = 100, 1 << 10, 128 << 10
	for _, c := range []struct {
		name, kind, face string
		read             int // how much a reader asks for at once
	}{
		{"topic", "file", "topics/t", size},
		{"topic-batches", "file", "ctl/topics/t/lines", batch},
		{"seqpacket", "seqpacket", "", size},
		{"stream", "stream", "", size},
		{"stream-batches", "stream", "", batch},
	} {
		b.Run(c.name, func(b *testing.B) {
			tr, err := newTree(b.TempDir(), b.Log)
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				for _, problem := range tr.leftovers() {
					b.Error(problem)
				}
			}()
			count := max(b.N, 200)
			from, to := tr.work+"/sock", tr.work+"/sock"
			per := size // how many bytes a message is for its reader
			daemon := 0 // its process; 0: there is a server, which is one of all
			var all []*exec.Cmd
			if c.kind == "file" {
				if out, err := tr.mount(); err != nil || out != "" {
					b.Fatal(err, out)
				}
				if err := os.WriteFile(tr.mnt+"/ctl/new", []byte("topics/t slow=block depth=200\n"), 0); err != nil {
					b.Fatal(err)
				}
				from, to = tr.mnt+"/"+c.face, tr.mnt+"/topics/t"
				if strings.HasSuffix(c.face, "lines") {
					per++
				}
				if daemon, err = tr.pid(); err != nil {
					b.Fatal(err)
				}
			} else {
				all = append(all, start(b, tr, nil, "fan-serve", c.kind, to, strconv.Itoa(readers),
					strconv.Itoa(count), strconv.Itoa(size)))
			}
			for range readers {
				all = append(all, start(b, tr, nil, "fan-read", c.kind, from, strconv.Itoa(count*per),
					strconv.Itoa(c.read)))
			}
			r, w, err := os.Pipe()
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, start(b, tr, r, "fan-pub", c.kind, to, strconv.Itoa(count), strconv.Itoa(size)))
			before := cpu(b, daemon)
			b.ResetTimer()
			if _, err := w.Write([]byte("\n")); err != nil {
				b.Fatal(err)
			}
			for _, cmd := range all {
				if err := cmd.Wait(); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			used := cpu(b, daemon) - before
			for _, cmd := range all {
				used += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			}
			delivered := float64(readers * count)
			b.ReportMetric(delivered/b.Elapsed().Seconds(), "delivered/s")
			b.ReportMetric(float64(used.Microseconds())/delivered, "cpu-µs/delivered")
			w.Close()
			r.Close()
		})
	}
}

// cpu is the processor time a process has used (proc(5), /proc/PID/stat, in ticks of 10 ms).
func cpu(b *testing.B, pid int) time.Duration {
	if pid == 0 {
		return 0
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		b.Fatalf("%s", stat)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// start starts ipctool and waits until it says that it is ready.
func start(b *testing.B, tr *tree, in io.Reader, args ...string) *exec.Cmd {
	cmd := tr.command("ipctool", args...)
	cmd.Stdin, cmd.Stderr = in, os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		b.Fatal(fmt.Errorf("%q: %q, %w", args, line, err))
	}
	return cmd
}
