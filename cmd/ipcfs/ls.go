package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// object is one object of a tree, as it was looked at.
type object struct {
	seen
	class, name string
	facts       facts
	users       []use
}

// use is a process that uses an object: through the tree, or natively.
type use struct {
	Pid     int     `json:"pid"`
	Command string  `json:"command"`
	Side    string  `json:"side"` // "reader" or "writer"; "": not known
	How     string  `json:"how"`  // "tree"; natively "open", "map"; of a FIFO "orphaned", in an earlier mount
	Waits   string  `json:"waits,omitempty"`
	Seconds float64 `json:"seconds,omitempty"` // how long it waits
}

// lsCommand is `ipcfs ls`.
func lsCommand(f *pflag.FlagSet) func(io.Writer, []string) error {
	var l listing
	l.register(f)
	f.BoolVarP(&l.long, "long", "l", false, "and who uses each, and who waits how long")
	f.BoolP("all", "a", false, "as ls(1) has it: nothing is hidden, with or without it")
	f.Var(choice{&l.sort, sortKeys}, "sort", "sort by `KEY`: "+strings.Join(sortKeys, ", "))
	return func(out io.Writer, args []string) error {
		p, v, err := lookAtPlace(args)
		if err != nil {
			return err
		}
		defer v.Close()
		return l.each(func() error {
			things := -1
			if l.long || l.json {
				things = maxThings
			}
			list, err := v.objects(p.path, maxLooked, things)
			if err != nil {
				return notLive(p.Info, err)
			}
			for _, down := range v.unseen {
				fmt.Fprintf(os.Stderr, "ipcfs: %s; what it has is not shown\n", backends.Line(down))
			}
			if len(v.hasty) > 0 {
				fmt.Fprintln(os.Stderr, "ipcfs: "+toldHasty(v.hasty))
			}
			sortBy(list, l.sort)
			return l.print(out, list)
		})
	}
}

type listing struct {
	looking
	long bool
	sort string
}

// sortKeys are what objects can be sorted by, by name unless asked; by all others the largest is first.
var sortKeys = []string{"name", "waiting", "messages", "bytes", "sent", "age"}

func sortBy(list []object, key string) {
	measure := map[string]func(object) int64{
		"waiting":  func(o object) int64 { return o.waiting() },
		"messages": func(o object) int64 { return o.sum(waitKeys) },
		"bytes":    func(o object) int64 { return o.Size },
		"sent":     func(o object) int64 { return max(o.facts.num("sent"), o.facts.num("published")) },
		"age":      func(o object) int64 { return -o.Sent },
	}[key]
	if measure != nil {
		slices.SortStableFunc(list, func(a, b object) int { return cmp.Compare(measure(b), measure(a)) })
	}
}

// objects are those below a path, or the one at it; with the processes that use them unless things is below
// 0, which is how many a scan may look at.
func (v *viewer) objects(path string, most, things int) (list []object, err error) {
	daemon, err := v.facts("ctl/status.json")
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(path, "/")
	if v.unseen = nil; !slices.Contains(ownClasses, first) {
		v.unseen = linksDown(daemon)
	}
	var held map[identity][]holder
	if things >= 0 {
		held, v.hasty = holders(v.m, []int{int(daemon.num("pid")), int(daemon.num("keeper_pid"))}, things)
	}
	segments := fmt.Sprintf("ipc:[%d]", daemon.num("ipc_namespace")) // as /proc/PID/ns/ipc has it
	known := false
	for _, class := range daemon.words("classes") {
		within := path == "" || strings.HasPrefix(class+"/", path+"/")
		below := strings.HasPrefix(path, class+"/")
		if !within && !below {
			continue
		}
		known = true
		at := class
		if below {
			at = path
		}
		found, _, err := v.walk(at, most)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			o := objectOf(class, s)
			if things >= 0 {
				o.users = o.uses(held, segments)
			}
			list = append(list, o)
		}
	}
	if !known || path != "" && len(list) == 0 {
		if _, err := v.read("ctl/" + path); !known || errors.Is(err, syscall.ENOENT) {
			return nil, fmt.Errorf("%s: no such object or class", backends.Word(path))
		}
	}
	return list, nil
}

func objectOf(class string, s seen) object {
	o := object{seen: s, class: class, name: strings.TrimPrefix(string(s.Path), class+"/")}
	o.facts, _ = factsOf(s.Text) // of one whose status may not be read there are none
	return o
}

// Facts that count the messages that came into an object, of a socket the calls, and the bytes that came, and
// those that wait. Each object has one of them at most.
var (
	cameKeys      = []string{"sent", "published", "accepted"}
	cameBytesKeys = []string{"sent_bytes", "published_bytes"}
	waitKeys      = []string{"messages", "qnum", "waiting_calls"}
)

func (o object) has(keys []string) bool { return slices.ContainsFunc(keys, o.facts.has) }

func (o object) sum(keys []string) (n int64) {
	for _, key := range keys {
		n += o.facts.num(key)
	}
	return n
}

// waiting is how many calls wait for the object.
func (o object) waiting() int64 {
	return o.facts.num("waiting_readers") + o.facts.num("waiting_writers")
}

// identities are the files by which the object is used: its own in the tree, its faces in ctl, and the native
// one. The daemon tells who has opened one of it, but not who has inherited that, nor who uses what the
// kernel serves.
func (o object) identities(segments string) []identity {
	list := []identity{{deviceOf(unix.Major(o.Dev), unix.Minor(o.Dev)), o.Ino}, face(string(o.Path))}
	switch {
	case o.facts.has("inode"):
		list = append(list, identity{o.facts.str("device"), uint64(o.facts.num("inode"))})
	case o.class == "sysv/shm" && o.facts.has("id"):
		list = append(list, identity{segments, uint64(o.facts.num("id"))})
	case o.facts.has("ends_since"):
		list = append(list, orphan(string(o.Path), o.Ino))
	}
	return list
}

// uses are the processes that use the object, of all that are held.
func (o object) uses(held map[identity][]holder, segments string) (list []use) {
	for side, key := range map[string]string{"reader": "reader_pids", "writer": "writer_pids"} {
		for _, word := range o.facts.words(key) {
			tid, name, _ := strings.Cut(word, ":")
			pid, _ := strconv.Atoi(tid)
			list = append(list, use{Pid: process(pid), Command: name, Side: side, How: "tree"})
		}
	}
	for _, w := range o.facts.rows("wait") {
		pid := process(int(w.num("pid")))
		u := use{Pid: pid, Command: w.str("command"), Side: w.str("side"), How: "tree"}
		i := slices.IndexFunc(list, func(o use) bool { return o.Pid == pid && o.Side == u.Side && o.Waits == "" })
		if i < 0 {
			i = len(list)
			list = append(list, u)
		}
		list[i].Waits, list[i].Seconds = w.str("in"), time.Since(w.time("since")).Seconds()
	}
	for _, file := range o.identities(segments) {
		for _, h := range held[file] {
			if !slices.ContainsFunc(list, func(u use) bool { return u.Pid == h.Pid }) {
				list = append(list, use{Pid: h.Pid, Command: h.Command, How: h.How})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b use) int {
		return cmp.Or(cmp.Compare(a.Side, b.Side), cmp.Compare(b.Seconds, a.Seconds), cmp.Compare(a.Pid, b.Pid))
	})
	return list
}

// String is a use for people: "reader 4711 worker.py  waits 12s (poll)".
func (u use) String() string {
	text := strings.TrimSpace(fmt.Sprintf("%s %s", u.Side, u.who()))
	verb := "waits"
	if u.Side == "writer" {
		verb = "blocked"
	}
	switch {
	case u.Waits == "poll":
		text += fmt.Sprintf("  %s %s (poll)", verb, lasting(time.Duration(u.Seconds*float64(time.Second))))
	case u.Waits != "":
		text += fmt.Sprintf("  %s %s", verb, lasting(time.Duration(u.Seconds*float64(time.Second))))
	case u.How != "tree":
		text += "  (" + u.How + ")"
	}
	return text
}

// who is the process of a use for people.
func (u use) who() string {
	switch {
	case u.Waits == "close": // which no process waits for
		return "(messages of a closed file)"
	case u.Pid == 0:
		return "(outside of the daemon's pid namespace)"
	case u.Command == nodes.Gone:
		return fmt.Sprintf("%d (ended)", u.Pid)
	}
	return fmt.Sprintf("%d %s", u.Pid, u.Command)
}

// row is what ls shows of an object: the cells, and what is worth a word.
func (o object) row(now time.Time) []string {
	f := o.facts
	count := func(keys ...string) string {
		for _, key := range keys {
			if f.has(key) {
				return brief(f.num(key))
			}
		}
		return "-"
	}
	readers := count("readers", "connections", "nattch")
	if links := f.num("links"); links > 1 {
		readers = fmt.Sprintf("%dL", links)
	}
	return []string{o.class, backends.Word(o.name), fmt.Sprintf("%04o", o.Mode&07777), owner(o.Uid),
		count(waitKeys...), count("maxmsg", "backlog"), bytesOf(o.Size), readers, count("writers"), o.parked(),
		count("sent", "published", "accepted"), count("received"), since(time.Unix(o.Sent, 0), now), o.remark()}
}

// parked is how many wait, for the reader of a table.
func (o object) parked() string {
	r, w := o.facts.num("waiting_readers"), o.facts.num("waiting_writers")
	var list []string
	if r > 0 {
		list = append(list, fmt.Sprintf("%dr", r))
	}
	if w > 0 {
		list = append(list, fmt.Sprintf("%dw", w))
	}
	return dash(len(list) > 0, strings.Join(list, " "))
}

// remark is what is worth a word about an object.
func (o object) remark() string {
	f := o.facts
	switch {
	case f == nil:
		return "status may not be read"
	case o.Mode&unix.S_IFMT == unix.S_IFSOCK && f.str("state") == "orphaned", f.str("state") == "refusing":
		return f.str("state")
	case f.num("maxmsg") > 0 && f.num("messages") >= f.num("maxmsg"):
		return "FULL"
	case f.num("messages") > 0 && f.has("maxmsg") && f.num("readers") == 0:
		return "no reader"
	case f.num("lost") > 0:
		return fmt.Sprintf("lost %d", f.num("lost"))
	}
	return ""
}

// lsHeads are the columns of ls.
var lsHeads = []string{
	"CLASS", "NAME*", "MODE", "OWNER", ">WAIT", ">CAP", ">BYTES", ">R", ">W", "PARK",
	">SENT", ">RECV", ">LAST", "",
}

// print prints the objects.
func (l *listing) print(out io.Writer, list []object) error {
	if l.json {
		return printJSON(out, forJSON(list))
	}
	now := time.Now()
	table := columns{heads: lsHeads}
	for _, o := range list {
		table.add(o.row(now)...)
	}
	lines := table.lines(screen(out))
	if _, err := fmt.Fprintln(out, lines[0]); err != nil {
		return err
	}
	for i, o := range list {
		fmt.Fprintln(out, lines[i+1])
		if l.long {
			o.printUsers(out)
		}
	}
	return nil
}

// printUsers names who uses an object: of those whom only /proc tells of the first few, as there may be any
// number.
func (o object) printUsers(out io.Writer) {
	native := 0
	for _, u := range o.users {
		if u.How != "tree" {
			native++
		}
		if u.How == "tree" || native <= maxNamed {
			fmt.Fprintln(out, "    "+u.String())
		}
	}
	if native > maxNamed {
		fmt.Fprintf(out, "    and %d more\n", native-maxNamed)
	}
}

// forJSON are objects for JSON: what their status says, and what ls adds to that.
func forJSON(list []object) []facts {
	all := make([]facts, len(list))
	for i, o := range list {
		f := facts{}
		for key, value := range o.facts {
			f[key] = value
		}
		f["path"] = backends.Word(string(o.Path)) // as all commands take it; a name is not always UTF-8
		f["class"], f["name"], f["mode"], f["uid"], f["gid"] =
			o.class, o.name, fmt.Sprintf("%#o", o.Mode&07777), o.Uid, o.Gid
		f["size"], f["last_sent"] = o.Size, time.Unix(o.Sent, 0).Format(time.RFC3339)
		f["users"] = append([]use{}, o.users...)
		all[i] = f
	}
	return all
}
