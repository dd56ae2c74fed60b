package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/ipcfs/ipcfs/fs"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// topping is what `ipcfs top` is asked for.
type topping struct {
	json  bool
	every float64 // s
	count int     // looks; 0: without end
}

// topCommand is `ipcfs top`. Without a terminal it prints what a terminal would show, look by look.
func topCommand(f *pflag.FlagSet) func(io.Writer, []string) error {
	var t topping
	f.BoolVar(&t.json, "json", false, "print JSON, one look a line")
	f.Float64VarP(&t.every, "watch", "w", 1, "look every `SECONDS`")
	f.IntVarP(&t.count, "count", "n", 0, "end after `N` looks")
	return func(out io.Writer, args []string) error {
		if t.every <= 0 {
			return usagef("--watch %v: more than nothing", t.every)
		}
		p, err := placeOf(args)
		if err != nil {
			return err
		}
		v, err := lookAt(p.Info)
		if err != nil {
			return err
		}
		first, err := v.sample(p.path)
		if err != nil {
			v.Close()
			return notLive(p.Info, err)
		}
		screen := &topScreen{at: p, every: t.every, width: 80, last: first, now: first}
		if t.json || !term.IsTerminal(unix.Stdin) || !isTerminal(out) {
			defer v.Close()
			return t.plainly(out, v, screen)
		}
		return t.live(out.(*os.File), v, screen)
	}
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// A sample is one look at a tree.
type sample struct {
	at      time.Time
	daemon  facts
	objects []object
	moved   int64 // bytes, by reads and writes of message faces since the daemon began
}

// sample looks at a tree, or a part of it.
func (v *viewer) sample(path string) (s sample, err error) {
	s.at = time.Now()
	if s.objects, err = v.objects(path, maxLooked, -1); err != nil {
		return s, err
	}
	if s.daemon, err = v.facts("ctl/status.json"); err != nil {
		return s, err
	}
	operations, err := v.read("ctl/operations")
	for line := range strings.Lines(operations) {
		if f := pairs(line); f["class"] != fs.NoClass {
			n, _ := strconv.ParseInt(f["bytes"], 10, 64) // 0 of what is no such line
			s.moved += n
		}
	}
	return s, err
}

// plainly prints look after look.
func (t *topping) plainly(out io.Writer, v *viewer, screen *topScreen) error {
	for n := 1; ; n++ {
		time.Sleep(time.Duration(t.every * float64(time.Second)))
		now, err := v.sample(screen.at.path)
		if err != nil {
			return notLive(screen.at.Info, err)
		}
		screen.take(now)
		if t.json {
			err = printJSON(out, screen.forJSON())
		} else {
			screen.height = len(screen.rows()) + topAround
			for _, line := range screen.lines() {
				fmt.Fprintln(out, strings.TrimPrefix(line, inverse))
			}
		}
		if err != nil || n == t.count {
			return err
		}
	}
}

// looked is what came of a look.
type looked struct {
	sample
	err error
}

// live shows the tree on a terminal until a key or a signal ends it, or the daemon does.
func (t *topping) live(tty *os.File, v *viewer, screen *topScreen) error {
	terminal, err := openTerminal(tty)
	if err != nil {
		v.Close()
		return err
	}
	defer terminal.close()
	end := make(chan struct{})
	looks := make(chan looked)
	go func() {
		defer v.Close()
		tick := time.NewTicker(time.Duration(t.every * float64(time.Second)))
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-end:
				return
			}
			now, err := v.sample(screen.at.path)
			select {
			case looks <- looked{now, err}:
			case <-end:
				return
			}
		}
	}()
	defer close(end)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGWINCH, unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGCONT)
	defer signal.Stop(signals)
	events := make(chan string, 16)
	for n := 0; ; {
		screen.width, screen.height = terminal.size()
		terminal.draw(screen.lines())
		select {
		case key := <-terminal.keys:
			if key == "ctrl-z" {
				terminal.suspend()
			} else if screen.key(key) {
				return nil
			}
			if screen.detail != "" && !screen.traces {
				screen.traces = true
				go traceInto(screen.at, events, end)
			}
		case one := <-looks:
			if one.err != nil {
				return notLive(screen.at.Info, one.err)
			}
			screen.take(one.sample)
			if n++; n == t.count {
				return nil
			}
		case line := <-events:
			screen.event(line)
		case s := <-signals:
			if s != unix.SIGWINCH && s != unix.SIGCONT {
				return exit{status: 128 + int(s.(unix.Signal))}
			}
		}
	}
}

// traceInto sends the lines of ctl/trace until end is closed.
func traceInto(p place, events chan<- string, end <-chan struct{}) {
	_ = follow(p, "ctl/trace", func() error { return nil }, func(line string) error {
		select {
		case events <- line:
			return nil
		case <-end:
			return errEnough
		}
	})
}
