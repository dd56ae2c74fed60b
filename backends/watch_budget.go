package backends

import (
	"strings"

	"golang.org/x/sys/unix"
)

// newWatches is the budget of directories that are followed: each takes one of the daemon's user's
// inotify watches (inotify(7)), for whoever the directory belongs to.
func newWatches() *Budget {
	return NewBudget(Terms{Name: "watches", Err: unix.EDQUOT}, func(int64) Bounds {
		most := Sysctl("fs/inotify/max_user_watches")
		if most < 0 {
			return Bounds{One: Unbounded, All: Unbounded, Root: Unbounded}
		}
		return Bounds{One: most / 4, All: most / 2, Root: Unbounded}
	})
}

// maxWatchDepth is how deep directories are followed: to know who may hear of an event in one, all above it
// are looked at.
const maxWatchDepth = 64

// follow begins to watch a directory, if its owner may have one more followed. One that cannot be watched
// (max_user_watches, or gone again) is left out. It holds no descriptor when it returns: directories may be
// nested deeper than there are descriptors. It gives the directory with its way and with whoever pays.
func (w *Watch) follow(d watched) (watched, bool) {
	if strings.Count(d.path, "/") >= maxWatchDepth {
		return d, false
	}
	fd, err := OpenBeneath(d.dir.fd, dot(d.path), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return d, false
	}
	defer unix.Close(fd)
	a, err := Fstat(fd)
	if err != nil {
		return d, false
	}
	// The path is a link of proc(5) to the directory itself: here it is to be followed.
	wd, err := unix.InotifyAddWatch(w.fd, procPath(fd)+"/.", watchMask)
	if err != nil {
		return d, false
	}
	way := d.seen()
	if len(way) > 0 && way[len(way)-1].ID.Ino != a.Ino {
		way = nil // the path leads to another one by now
	}
	d.way = way
	w.mu.Lock()
	defer w.mu.Unlock()
	d.uid = a.Uid
	if had, ok := w.dirs[int32(wd)]; ok {
		d.uid = had.uid // it is followed, and has another name now
	} else if w.Watches.Take(d.uid, 1) != nil {
		_, _ = unix.InotifyRmWatch(w.fd, uint32(wd))
		return d, false
	}
	w.dirs[int32(wd)] = d
	if w.found != nil {
		w.found[int32(wd)] = true
	}
	return d, true
}

// unfollow forgets a watch that the kernel has ended. The caller holds w.mu.
func (w *Watch) unfollow(wd int32) {
	if d, ok := w.dirs[wd]; ok {
		delete(w.dirs, wd)
		w.Watches.Give(d.uid, 1)
	}
}
