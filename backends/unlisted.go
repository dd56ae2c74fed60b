package backends

import (
	"sync"
	"time"
)

// unlisted remembers files that have no access control list, so that one need not look for each time: to
// find out takes four system calls, and ls -l asks twice about each name. A list that comes later changes
// the file's ctime. It is safe for concurrent use.
type unlisted struct {
	mu    sync.Mutex
	ctime map[ID]int64 // by which there was none, in nanoseconds
}

const (
	// maxUnlisted bounds it, to about 4 MiB.
	maxUnlisted = 1 << 16
	// settled is how old a ctime must be when one looks: of a file that is changed twice in a tick of the
	// clock the second change may not show (a few milliseconds, Linux before 6.13).
	settled = time.Second
)

// has reports whether a file had no list when it had these attributes.
func (u *unlisted) has(a Attr) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, ok := u.ctime[a.ID]
	return ok && at == a.Ctime.UnixNano()
}

// note takes in that a file has no list; now is from before one looked.
func (u *unlisted) note(a Attr, now time.Time) {
	if now.Sub(a.Ctime) < settled {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ctime == nil || len(u.ctime) >= maxUnlisted {
		u.ctime = map[ID]int64{}
	}
	u.ctime[a.ID] = a.Ctime.UnixNano()
}
