package backends

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLockIn: a lock is told as it was asked for.
func TestLockIn(t *testing.T) {
	for line, want := range map[string]Lock{
		"lock:\t1: OFDLCK ADVISORY  WRITE -1 00:1c:7 10 19\n": {Type: unix.F_WRLCK, Start: 10, End: 19},
		"lock:\t2: FLOCK  ADVISORY  READ 123 00:1c:7 0 EOF\n": {
			Type: unix.F_RDLCK, Flock: true, End: math.MaxInt64,
		},
		"lock:\t1: OFDLCK ADVISORY  READ -1 fe:01:7 5 EOF\n":    {Type: unix.F_RDLCK, Start: 5, End: math.MaxInt64},
		"lock:\t1: OFDLCK ADVISORY  READ -1 fe:01:7 five EOF\n": {},
		"pos:\t0\n": {},
	} {
		if got, ok := lockIn(line); ok != (want != Lock{}) || ok && got != want {
			t.Errorf("%q: %+v %v", line, got, ok)
		}
	}
}

// FuzzLockIn: a line as the kernel writes it (fs/locks.c, lock_get_status) gives the lock that it tells of,
// and no other line gives one that lies outside of every file.
func FuzzLockIn(f *testing.F) {
	f.Add("lock:\t1: OFDLCK ADVISORY  WRITE -1 00:1c:7 10 19\n", false, true, int64(10), int64(19))
	f.Add("lock:\t1: -> POSIX ADVISORY READ 7 00:1c:7 0 EOF", true, false, int64(0), int64(math.MaxInt64))
	f.Add("lock: 1: a b c d e -5 3", true, true, int64(3), int64(1))
	f.Fuzz(func(t *testing.T, line string, flock, write bool, start, end int64) {
		if k, ok := lockIn(line); ok && (k.Start < 0 || k.End < k.Start) {
			t.Errorf("%q is %+v", line, k)
		}
		want := Lock{Flock: flock, Type: unix.F_RDLCK, Start: start, End: end}
		kind, how, last := "OFDLCK", "READ", "EOF"
		if flock {
			kind = "FLOCK "
		}
		if write {
			how, want.Type = "WRITE", unix.F_WRLCK
		}
		if end != math.MaxInt64 {
			last = strconv.FormatInt(end, 10)
		}
		line = fmt.Sprintf("lock:\t1: %s ADVISORY  %s -1 00:1c:7 %d %s\n", kind, how, start, last)
		if k, ok := lockIn(line); start >= 0 && end >= start && (!ok || k != want) {
			t.Errorf("%q is %+v, %v", line, k, ok)
		}
	})
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
