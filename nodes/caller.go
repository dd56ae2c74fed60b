package nodes

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/socket"
)

// Gone stands for the command of a process that has ended, or that the daemon cannot see.
const Gone = "-"

// Caller is the process that asks.
type Caller struct {
	Uid, Gid uint32
	Pid      int

	remembers bool     // member are the groups it had when it was
	member    []uint32 // remembered

	again bool         // what it opens it had open before a hand-over,
	gone  bool         // also what has no name any more,
	conn  socket.State // of this connection

	request uint64 // which asks for what is done; 0: that is not known
}

// Request is the number of the request in which the caller asks; 0: it is not known.
func (c Caller) Request() uint64 { return c.request }

// Asks is the caller in a request of this number.
func (c Caller) Asks(request uint64) Caller {
	c.request = request
	return c
}

// remembered is the process with its groups as they are now. It is for what is judged later, when the
// process may be gone and its number another's.
func (c Caller) remembered() Caller {
	if c.Uid != 0 && !c.remembers {
		c.member, c.remembers = c.groups(), true
	}
	return c
}

// name is how status files show a process: a word, whatever its command calls itself.
func (c Caller) name() string { return fmt.Sprintf("%d:%s", c.Pid, backends.Word(comm(c.Pid))) }

// cred is what the kernel is to judge the process by. It must be asked while the process waits for its
// answer: the groups are those of the thread that has this number now.
func (c Caller) cred() backends.Cred {
	cred := backends.Cred{Uid: c.Uid, Gid: c.Gid}
	if c.Uid != 0 || c.Gid != 0 {
		cred.Groups = c.groups()
	}
	return cred
}

// comm is the name of a process's command (proc(5), /proc/PID/comm), Gone if it is not to be seen.
func comm(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return Gone
	}
	return strings.TrimSuffix(string(b), "\n")
}

// mayRead tells whether the process, as it is now, may read a file, by the attributes of the directories
// that lead there and of the file (path_resolution(7)). It is for what the kernel cannot judge: one open
// file that gives the bytes of many.
func (c Caller) mayRead() func(way []Attr) bool {
	allowed := c.granted()
	return func(way []Attr) bool {
		last := len(way) - 1
		return c.Uid == 0 || last >= 0 && allowed(way[last], 4) &&
			!slices.ContainsFunc(way[:last], func(a Attr) bool { return !allowed(a, 1) })
	}
}

// maySearch tells whether the process, as it is now, may search all directories of a way, and so may know
// what is there.
func (c Caller) maySearch() func(way ...Attr) bool {
	allowed := c.granted()
	return func(way ...Attr) bool {
		return c.Uid == 0 || !slices.ContainsFunc(way, func(a Attr) bool { return !allowed(a, 1) })
	}
}

// granted tells whether a mode grants the process, as it is now, a permission (4, 2 or 1) on its object.
func (c Caller) granted() func(a Attr, bit uint32) bool {
	groups := append(c.groups(), c.Gid)
	return func(a Attr, bit uint32) bool {
		switch {
		case a.Uid == c.Uid:
			bit <<= 6
		case slices.Contains(groups, a.Gid):
			bit <<= 3
		}
		return a.Mode&bit != 0
	}
}

// groups are the supplementary groups of the process (proc(5), /proc/PID/status); none if they cannot be
// known.
func (c Caller) groups() (list []uint32) {
	if c.remembers {
		return c.member
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Pid))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if ids, ok := strings.CutPrefix(line, "Groups:"); ok {
			for _, id := range strings.Fields(ids) {
				if n, err := strconv.ParseUint(id, 10, 32); err == nil {
					list = append(list, uint32(n))
				}
			}
		}
	}
	return list
}
