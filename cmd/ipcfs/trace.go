package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// tracing is what `ipcfs trace` is asked for.
type tracing struct {
	json  bool
	count int // lines; 0: without end
	path  string
}

// traceCommand is `ipcfs trace`.
func traceCommand(f *pflag.FlagSet) func(io.Writer, []string) error {
	var t tracing
	f.BoolVar(&t.json, "json", false, "print JSON, one call a line")
	f.IntVarP(&t.count, "count", "n", 0, "end after `N` calls")
	return func(out io.Writer, args []string) error {
		p, v, err := lookAtPlace(args)
		if err != nil {
			return err
		}
		_, err = v.read("ctl/pid")
		_, missing := v.read("ctl/" + p.path)
		v.Close()
		if err != nil {
			return notLive(p.Info, err)
		}
		if errors.Is(missing, syscall.ENOENT) {
			fmt.Fprintf(os.Stderr, "ipcfs: %s: no such object yet\n", p.word())
		}
		t.path = p.word()
		return follow(p, "ctl/trace", func() error {
			if t.json {
				return nil
			}
			_, err := fmt.Fprintln(out, tracedHead)
			return err
		}, func(line string) error { return t.line(out, line) })
	}
}

// errEnough ends a trace that has shown what it was to show.
var errEnough = errors.New("enough")

const (
	tracedHead = "TIME            PID COMMAND         CALL  PATH               FACE     BYTES  TOOK        RESULT"
	tracedRow  = "%-12s %7s %-15s %-5s %-18s %-8s %5s  %-11s %s\n"
)

// line shows one line of ctl/trace.
func (t *tracing) line(out io.Writer, line string) error {
	f := pairs(line)
	if lost, ok := strings.CutPrefix(line, "lost "); ok {
		f = map[string]string{"lost": lost}
	}
	if at := f["path"]; at != "" && t.path != "" && at != t.path && !strings.HasPrefix(at, t.path+"/") {
		return nil
	}
	if err := t.show(out, f); err != nil {
		return err
	}
	if t.count--; t.count == 0 {
		return errEnough
	}
	return nil
}

func (t *tracing) show(out io.Writer, f map[string]string) error {
	if t.json {
		return printJSON(out, typed(f))
	}
	if f["lost"] != "" {
		_, err := fmt.Fprintf(out, "… %s lines were lost: they came faster than they were read\n", f["lost"])
		return err
	}
	at, _ := time.Parse(time.RFC3339Nano, f["at"])
	took := micros(f["us"])
	if waited, ok := f["waited_us"]; ok {
		took = "waited " + micros(waited)
	}
	_, err := fmt.Fprintf(out, tracedRow, at.Local().Format("15:04:05.000"), f["pid"],
		cut(f["command"], 15), strings.ToUpper(f["op"]),
		f["path"], dash(f["face"] != "", f["face"]), f["bytes"], took, f["result"])
	return err
}

// typed are the facts of a line for JSON, where numbers are numbers.
func typed(f map[string]string) map[string]any {
	all := make(map[string]any, len(f))
	for key, value := range f {
		all[key] = value
		n, err := strconv.ParseInt(value, 10, 64)
		if err == nil && slices.Contains([]string{"pid", "uid", "bytes", "us", "waited_us", "lost"}, key) {
			all[key] = n
		}
	}
	return all
}

// micros is a number of µs in few letters.
func micros(text string) string {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return "-"
	case n < 1000:
		return fmt.Sprintf("%dµs", n)
	case n < 1000_000:
		return fmt.Sprintf("%.1fms", float64(n)/1e3)
	case n < 100_000_000:
		return fmt.Sprintf("%.1fs", float64(n)/1e6)
	}
	return lasting(time.Duration(n) * time.Microsecond)
}

// pairs are the words key=value of a line.
func pairs(line string) map[string]string {
	f := map[string]string{}
	for _, word := range strings.Fields(line) {
		if key, value, ok := strings.Cut(word, "="); ok {
			f[key] = value
		}
	}
	return f
}

// follow calls line for each line of a control file that has no end, and begun when it is open.
// Another process reads it (see reader), which ends with this one.
func follow(p place, name string, begun func() error, line func(string) error) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	// The kernel sends Pdeathsig when the thread that forked ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := reader(p.Info, w, "_follow", path.Join(p.Mountpoint, name))
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	err = cmd.Start()
	w.Close()
	if err != nil {
		return err
	}
	defer endReader(cmd)
	in := bufio.NewReader(r)
	for opened := false; ; opened = true {
		text, err := in.ReadString('\n')
		switch {
		case err != nil && !opened:
			return fmt.Errorf("%s: cannot be opened (a daemon of before there was this file?)", name)
		case err != nil:
			return exit{exitDead, fmt.Errorf("%s: the daemon has ended", p.Mountpoint)}
		case !opened:
			err = begun()
		default:
			err = line(strings.TrimSuffix(text, "\n"))
		}
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// followCommand prints an empty line when the file args[0] is open, and then what comes from it.
func followCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		if len(args) != 1 {
			return usagef("one file is needed")
		}
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := fmt.Fprintln(out); err != nil {
			return err
		}
		_, err = io.Copy(out, f)
		return err
	}
}
