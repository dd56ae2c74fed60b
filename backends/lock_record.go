package backends

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Held are the locks that are held through the daemon, as plain data: Set takes each of them again in another
// process. The kernel tells which they are (proc_pid_fdinfo(5)).
func (l *Locks) Held() (list []Lock, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.owners {
		text, err := os.ReadFile(fmt.Sprint("/proc/self/fdinfo/", o.fd))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if k, ok := lockIn(line); ok {
				k.Owner, k.Open, k.Uid, k.Pid = o.last.Owner, o.last.Open, o.last.Uid, o.last.Pid
				list = append(list, k)
			}
		}
	}
	return list, nil
}

// lockIn is the lock that a line of fdinfo tells of, as in
// "lock:	1: OFDLCK ADVISORY  WRITE -1 00:1c:7 10 19".
func lockIn(line string) (k Lock, ok bool) {
	words := strings.Fields(line)
	if len(words) != 9 || words[0] != "lock:" {
		return k, false
	}
	k.Flock, k.Type, k.End = words[2] == "FLOCK", unix.F_RDLCK, math.MaxInt64
	if words[4] == "WRITE" {
		k.Type = unix.F_WRLCK
	}
	var err error
	if k.Start, err = strconv.ParseInt(words[7], 10, 64); err != nil {
		return k, false
	}
	if words[8] != "EOF" {
		k.End, err = strconv.ParseInt(words[8], 10, 64)
	}
	return k, err == nil && k.Start >= 0 && k.End >= k.Start
}
