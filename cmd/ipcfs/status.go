package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/spf13/pflag"
)

// Exit statuses of the commands that look at a tree, beside 0 and 2.
const (
	exitWarnings = 1
	exitDead     = 3 // there is no daemon that answers
)

// maxLooked is how many objects of a class are looked at one by one.
const maxLooked = 1000

// tree is what a tree says of itself, as one look shows it.
type tree struct {
	Mountpoint string    `json:"mountpoint"`
	State      string    `json:"state"` // "live"
	Daemon     facts     `json:"daemon"`
	Classes    []class   `json:"classes"`
	Limits     []limit   `json:"limits"`
	Warnings   []string  `json:"warnings"`
	LastError  string    `json:"last_error"`
	at         time.Time // when it was looked at
}

// class is what there is of one class.
type class struct {
	Name    string `json:"class"`
	Objects int64  `json:"objects"`
	Waiting int64  `json:"waiting"`
	Waits   bool   `json:"-"` // somebody may wait for its objects
	Detail  string `json:"detail"`
}

// statusCommand is `ipcfs status`.
func statusCommand(f *pflag.FlagSet) func(io.Writer, []string) error {
	var l looking
	l.register(f)
	return func(out io.Writer, args []string) error {
		p, v, err := lookAtPlace(args)
		if err != nil {
			return err
		}
		defer v.Close()
		if err := p.whole("status"); err != nil {
			return err
		}
		warned := false
		err = l.each(func() error {
			t, err := v.tree()
			if err != nil {
				return notLive(p.Info, err)
			}
			t.Warnings = append(t.Warnings, linksDown(t.Daemon)...)
			warned = len(t.Warnings) > 0 // of what is so now: a crash is over
			if what, do := crashed(t.Daemon); what != "" {
				t.Warnings = append(t.Warnings, fmt.Sprintf("%s (its keeper is pid %d; %s)", what,
					t.Daemon.num("keeper_pid"), do))
			}
			if l.json {
				return printJSON(out, t)
			}
			return t.print(out)
		})
		if err == nil && warned {
			err = exit{status: exitWarnings}
		}
		return err
	}
}

// looking are the flags of all commands that look at a tree.
type looking struct {
	json  bool
	every float64 // s; 0: once
}

func (l *looking) register(f *pflag.FlagSet) {
	f.BoolVar(&l.json, "json", false, "print JSON, one value a line")
	f.Float64VarP(&l.every, "watch", "w", 0, "look again every `SECONDS`")
}

// each looks once, or again and again until it fails.
func (l *looking) each(look func() error) error {
	for {
		if err := look(); err != nil || l.every <= 0 {
			return err
		}
		time.Sleep(time.Duration(l.every * float64(time.Second)))
	}
}

// tree looks at all of a tree.
func (v *viewer) tree() (t tree, err error) {
	t = tree{Mountpoint: v.m.Mountpoint, State: "live", at: time.Now(), Warnings: []string{}}
	if t.Daemon, err = v.facts("ctl/status.json"); err != nil {
		return t, err
	}
	text, err := v.read("ctl/limits")
	if err != nil {
		return t, err
	}
	t.Limits = limitsOf(text)
	if t.LastError, err = v.read("ctl/err"); err != nil {
		return t, err
	}
	t.LastError = strings.TrimSpace(t.LastError)
	for _, name := range t.Daemon.words("classes") {
		list, left, err := v.walk(name, maxLooked)
		if err != nil {
			return t, err
		}
		one := classOf(name, list)
		one.Objects = t.Daemon.num("objects_" + strings.ReplaceAll(name, "/", "_"))
		if left > 0 {
			one.Detail += fmt.Sprintf(" (of the first %d)", maxLooked)
		}
		t.Classes = append(t.Classes, one)
	}
	t.warn()
	return t, nil
}

// warn finds what people should see to.
func (t *tree) warn() {
	for _, l := range t.Limits {
		if w := l.warning(); w != "" {
			t.Warnings = append(t.Warnings, w)
		}
	}
	if why := t.Daemon.str("queues_reason"); why != "" {
		t.Warnings = append(t.Warnings, "queues are not listed: "+why)
	}
	if n := t.Daemon.num("passthrough_failures"); n > 0 {
		t.Warnings = append(t.Warnings,
			fmt.Sprintf("%d files of shm went without passthrough: see ctl/err and the log", n))
	}
}

// classOf sums up the objects of a class.
func classOf(name string, list []seen) class {
	c := class{Name: name}
	sum := map[string]int64{}
	for _, s := range list {
		f, err := factsOf(s.Text)
		if err != nil {
			continue // it went just now
		}
		for _, key := range []string{"messages", "bytes", "qnum", "cbytes", "readers", "writers", "waiting_readers",
			"waiting_writers", "waiting_calls", "lost", "connections", "allocated", "nattch"} {
			sum[key] += f.num(key)
		}
		c.Waits = c.Waits || f.has("waiting_readers")
		if f.str("state") == "orphaned" {
			sum["orphaned"]++
		}
	}
	c.Waiting = sum["waiting_readers"] + sum["waiting_writers"]
	waits := fmt.Sprintf("%s, %s", counted(sum["waiting_readers"], "reader waits", "readers wait"),
		counted(sum["waiting_writers"], "writer waits", "writers wait"))
	switch {
	case strings.HasSuffix(name, "sysv/queues"):
		c.Detail = fmt.Sprintf("%s %s, %s", counted(sum["qnum"], "message", "messages"),
			bytesOf(sum["cbytes"]), waits)
	case strings.HasSuffix(name, "queues"):
		c.Detail = fmt.Sprintf("%s %s, %s", counted(sum["messages"], "message", "messages"),
			bytesOf(sum["bytes"]), waits)
	case strings.HasSuffix(name, "topics"):
		c.Detail = fmt.Sprintf("%s, %d lost", counted(sum["readers"], "reader", "readers"), sum["lost"])
	case strings.HasSuffix(name, "sockets"):
		c.Detail = counted(sum["connections"], "connection", "connections")
		if n := sum["waiting_calls"]; n > 0 {
			c.Detail += ", " + counted(n, "call waits", "calls wait")
		}
		if c.Waits {
			c.Detail += ", " + waits
		}
		if n := sum["orphaned"]; n > 0 {
			c.Detail += fmt.Sprintf(", %d orphaned", n)
		}
	case strings.HasSuffix(name, "sysv/shm"):
		c.Detail = fmt.Sprintf("%s, %d attached", bytesOf(sum["bytes"]), sum["nattch"])
	case strings.HasSuffix(name, "shm"):
		c.Detail = bytesOf(sum["bytes"])
	}
	return c
}

// counted is a number of things in words.
func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return brief(n) + " " + many
}

// print prints what was seen for people.
func (t *tree) print(out io.Writer) error {
	d := t.Daemon
	up := t.at.Sub(d.time("started"))
	width := screen(out)
	head := fmt.Sprintf("%s  live %s  pid %d  ipcfs %s  %s  net=%s", backends.Line(t.Mountpoint), lasting(up),
		d.num("pid"), d.str("version"), owner(uint32(d.num("uid"))), d.str("net"))
	rate := float64(d.num("requests")) / max(up.Seconds(), 1)
	line := fmt.Sprintf("shm %s    requests %s (%.0f/s)    parked %d    open %d    rss %s  thr %d", d.str("shm"),
		brief(d.num("requests")), rate, d.num("parked"), d.num("open"), bytesOf(d.num("rss")), d.num("threads"))
	table := columns{heads: []string{"CLASS", ">OBJECTS", ">WAITING", "DETAIL*"}}
	for _, c := range t.Classes {
		if c.Objects > 0 || !strings.Contains(c.Name, "/") {
			table.add(c.Name, brief(c.Objects), dash(c.Waits, brief(c.Waiting)), c.Detail)
		}
	}
	lines := append([]string{head, line}, table.lines(width)...)
	for _, w := range t.Warnings {
		lines = append(lines, "! "+w)
	}
	if when, what, ok := strings.Cut(t.LastError, " "); ok {
		at, err := time.Parse(time.RFC3339, when)
		if err != nil {
			return fmt.Errorf("ctl/err: %w", err)
		}
		lines = append(lines, fmt.Sprintf("last error %s ago: %s", since(at, t.at), what))
	}
	_, err := fmt.Fprintln(out, strings.Join(lines, "\n"))
	return err
}
