package nodes

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/ipcfs/ipcfs/backends"
)

// Env is what the classes share.
type Env struct {
	Poll  *backends.Poller
	Notes *Notes

	mu     sync.Mutex
	parked func(backends.Waiter) (readers, writers int)
	users  map[backends.Waiter]map[*File]user
}

// user is who has a file open.
type user struct {
	by    Caller
	flags int
}

// NewEnv makes an Env.
func NewEnv(p *backends.Poller) *Env {
	return &Env{Poll: p, Notes: NewNotes(), users: map[backends.Waiter]map[*File]user{}}
}

// CountParked tells Env who counts the requests that wait for an endpoint.
func (e *Env) CountParked(f func(backends.Waiter) (readers, writers int)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.parked = f
}

// File makes an open file of a face of end and keeps in mind whose it is.
func (e *Env) File(face Face, end backends.Endpoint, flags int, by Caller) *File {
	var f *File
	f = NewFile(face, end, readingFor(flags), func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.users[end], f)
		if len(e.users[end]) == 0 {
			delete(e.users, end)
		}
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.users[end] == nil {
		e.users[end] = map[*File]user{}
	}
	e.users[end][f] = user{by, flags}
	return f
}

// Users are the facts of who has an object open through the mount, by its endpoints, and how many of their requests wait.
func (e *Env) Users(ends ...backends.Waiter) []Fact {
	e.mu.Lock()
	parked := e.parked
	var readers, writers []string
	for _, w := range ends {
		for _, u := range e.users[w] {
			name := fmt.Sprintf("%d:%s", u.by.Pid, comm(u.by.Pid))
			if u.flags&accessMode != writeOnly {
				readers = append(readers, name)
			}
			if writes(u.flags) {
				writers = append(writers, name)
			}
		}
	}
	e.mu.Unlock()
	facts := []Fact{
		{"readers", len(readers)}, {"writers", len(writers)},
		{"reader_pids", list(readers)}, {"writer_pids", list(writers)},
	}
	if parked != nil {
		allReaders, allWriters := 0, 0
		for _, end := range ends {
			r, w := parked(end)
			allReaders, allWriters = allReaders+r, allWriters+w
		}
		facts = append(facts, Fact{"parked_readers", allReaders}, Fact{"parked_writers", allWriters})
	}
	return facts
}

// comm is the name of a process's command (proc(5), /proc/PID/comm), "?" if it is gone.
func comm(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "?"
	}
	return strings.ReplaceAll(strings.TrimSpace(string(b)), " ", "_")
}
