package tests

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fanProcess is a process of BenchmarkTopicFanout.
type fanProcess struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

// ready waits until the process says that it is.
func (p *fanProcess) ready(b *testing.B) {
	if line, err := p.out.ReadString('\n'); err != nil {
		b.Fatal(fmt.Errorf("%q: %q, %w", p.cmd.Args, line, err))
	}
}

// BenchmarkTopicFanout: one publisher, 100 readers, each a process, messages of 1 KiB: messages delivered a
// second by a topic, and by a server that only copies what it reads from one Unix socket to 100 others. An
// operation is a round of 200 messages each way, so that what else the machine does is the same for all; what
// is told are the medians. Nothing is lost on any of them: a fast end waits.
func BenchmarkTopicFanout(b *testing.B) {
	const readers, count, size, batch = 100, 200, 1 << 10, 128 << 10
	tr := mountTree(b)
	tr.dog.allow(10 * lifetime)
	var all []*fanProcess
	defer func() {
		for _, p := range all {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait() // it was killed
		}
	}()
	start := func(args ...string) *fanProcess {
		cmd := tr.command("ipctool", args...)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			b.Fatal(err)
		}
		p := &fanProcess{cmd, bufio.NewReader(out)}
		all = append(all, p)
		return p
	}
	ways := []struct {
		name, kind, face string
		read             int // how much a reader asks for at once
		took             []float64
	}{
		{name: "topic", kind: "file", face: "topics/t", read: size},
		{name: "lines", kind: "file", face: "ctl/topics/l/lines", read: batch},
		{name: "seqpacket", kind: "seqpacket", read: size},
		{name: "stream", kind: "stream", read: batch},
	}
	read, publish := []string{"fan-read"}, []string{"fan-pub"}
	for _, w := range ways {
		from, to, per := tr.work+"/"+w.kind, tr.work+"/"+w.kind, size
		if w.kind == "file" {
			from, to = tr.mnt+"/"+w.face, tr.mnt+"/"+strings.TrimPrefix(strings.TrimSuffix(w.face, "/lines"), "ctl/")
			make := strings.TrimPrefix(to, tr.mnt+"/") + " slow=block depth=200\n"
			if err := os.WriteFile(tr.mnt+"/ctl/new", []byte(make), 0); err != nil {
				b.Fatal(err)
			}
			if from != to {
				per++ // the end of a line
			}
		} else {
			start("fan-serve", w.kind, to, strconv.Itoa(readers), strconv.Itoa(size)).ready(b)
		}
		read = append(read, w.kind, from, strconv.Itoa(count*per), strconv.Itoa(w.read))
		publish = append(publish, w.kind, to, strconv.Itoa(count*size), strconv.Itoa(size))
	}
	var who []*fanProcess
	for range readers {
		who = append(who, start(read...))
	}
	for _, p := range who {
		p.ready(b)
	}
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	publisher := tr.command("ipctool", publish...)
	publisher.Stdin, publisher.Stderr = r, os.Stderr
	if err := publisher.Start(); err != nil {
		b.Fatal(err)
	}
	all = append(all, &fanProcess{cmd: publisher})
	r.Close()
	for b.Loop() {
		for i := range ways {
			begun := time.Now()
			if _, err := w.Write([]byte("\n")); err != nil {
				b.Fatal(err)
			}
			for _, p := range who {
				p.ready(b)
			}
			ways[i].took = append(ways[i].took, time.Since(begun).Seconds())
		}
	}
	var plain float64
	for _, w := range slices.Backward(ways) {
		slices.Sort(w.took)
		each := readers * count / w.took[len(w.took)/2]
		if w.kind != "file" {
			plain = each
		} else {
			b.ReportMetric(each/plain, w.name+"/seqpacket")
		}
		b.ReportMetric(each, w.name+"/s")
	}
}
