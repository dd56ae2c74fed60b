package fs

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// own are the facts of /ctl/status about the daemon itself: what it is asked to be, and what it takes.
func (t *Tree) own() []nodes.Fact {
	var classes nodes.List
	for _, k := range t.kinds[:len(t.kinds)-1] {
		classes = append(classes, k.Name)
	}
	facts := []nodes.Fact{
		{Key: "classes", Value: classes},
		{Key: "ipc_namespace", Value: nodes.Label(ipcNamespace())},
		{Key: "uid", Value: nodes.Label(os.Geteuid())},
		{Key: "net", Value: t.config.Net.String()},
		{Key: "state_dir", Value: t.config.StateDir},
		{Key: "maxmsg", Value: defaultOf(t.config.MaxMsg, "msg_default")},
		{Key: "msgsize", Value: defaultOf(t.config.MsgSize, "msgsize_default")},
		{Key: "rss", Value: ResidentBytes(os.Getpid())},
		{Key: "cpu_ms", Value: nodes.Count(cpuTime())},
	}
	if t.config.Kept != nil {
		facts = append(facts, t.config.Kept()...)
	}
	return facts
}

// ipcNamespace is the number of the namespace whose queues and System V objects there are (namespaces(7)).
func ipcNamespace() uint64 {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/ipc", &st) != nil {
		return 0
	}
	return st.Ino
}

// defaultOf is what a new queue has: what was asked for, or the kernel's default; 0 if that is not known.
func defaultOf(asked int, file string) int {
	if asked != 0 {
		return asked
	}
	text, err := os.ReadFile("/proc/sys/fs/mqueue/" + file)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

// ResidentBytes is a process's memory that is not swapped out (proc(5), statm).
func ResidentBytes(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 1 {
		pages, _ := strconv.ParseInt(fields[1], 10, 64)
		return pages * int64(os.Getpagesize())
	}
	return 0
}

// cpuTime is how long the daemon has had a processor, in ms (getrusage(2)).
func cpuTime() int64 {
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return (used.Utime.Nano() + used.Stime.Nano()) / 1e6
}

// ownControls are the control files about what is done through the tree.
func (t *Tree) ownControls() []nodes.Control {
	operations := nodes.TextControl("operations", t.operations)
	operations.Restless = []string{"class"} // every line is one
	return []nodes.Control{operations, nodes.TraceControl(t.env)}
}

// operations is the text of /ctl/operations.
func (t *Tree) operations() (string, error) { return nodes.OpStatsRows(t.done()).Lines(), nil }

// done is what was done through the session.
func (t *Tree) done() []nodes.OpStats {
	t.mu.Lock()
	session := t.session
	t.mu.Unlock()
	if session == nil {
		return nil
	}
	return session.OpStats()
}

// NoClass is what stands for the class of a file that is no object's
// face: a text, and what is about the daemon.
const NoClass = "ctl"

// ClassOf is the class of the object that an open file is a face of, NoClass if it is none.
func (t *Tree) ClassOf(f *nodes.File) string {
	path, text := f.Of()
	for _, k := range t.kinds[:len(t.kinds)-1] {
		if !text && strings.HasPrefix(path, k.Name+"/") {
			return k.Name
		}
	}
	return NoClass
}

// Trace is what tells of each operation, while somebody reads ctl/trace.
func (t *Tree) Trace() *nodes.Trace { return t.env.Trace }

// countObjects is how many objects a class has. It runs on a worker: a class that has no counters is listed.
func countObjects(c nodes.Class, o nodes.Object) (int, error) {
	if counter, ok := o.(nodes.Counter); ok {
		return counter.Count()
	}
	dir, ok := o.(nodes.Directory)
	if !ok {
		return 0, nil
	}
	list, err := dir.List()
	count := 0
	for _, e := range list {
		if e.Type != syscall.S_IFDIR {
			count++
			continue
		}
		seen, err := dir.Find(e.Name)
		if err != nil {
			continue // it went just now
		}
		n, err := countObjects(c, c.At(seen))
		if err != nil {
			return 0, err
		}
		count += n
	}
	return count, err
}
