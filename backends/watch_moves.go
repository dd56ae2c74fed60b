package backends

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A move is a rename of which the kernel has told where the object was, and not yet where it is. Both halves
// come right after each other, but for what happens in other directories. Where the second one does not come,
// the object went where nobody looks.
type move struct {
	cookie uint32
	from   placed
	dir    bool
	old    bool // it is from an earlier round
}

const (
	// movePause is after how long it is looked whether the second half has come, if nothing else happens
	// before.
	movePause = 10 * time.Millisecond
	// maxMoves is how many halves are kept at most: each may be some KiB.
	maxMoves = 64
)

// left notes the first half of a rename.
func (w *Watch) left(m move) {
	if len(w.moves) == maxMoves {
		w.gone(0)
	}
	w.moves = append(w.moves, m)
}

// arrived gives the first half of a rename whose second half has come; false: it began where nobody looks.
func (w *Watch) arrived(cookie uint32) (from placed, ok bool) {
	i := slices.IndexFunc(w.moves, func(m move) bool { return m.cookie == cookie })
	if i < 0 {
		return from, false
	}
	from = w.moves[i].from
	w.moves = slices.Delete(w.moves, i, i+1)
	return from, true
}

// vacant is called before something is told of a path. Nothing happens to a name between the two halves of
// its rename, so what was moved from there has gone.
func (w *Watch) vacant(path string, cookie uint32) {
	i := slices.IndexFunc(w.moves, func(m move) bool { return m.from.path == path && m.cookie != cookie })
	if i >= 0 {
		w.gone(i)
	}
}

// gone tells of the i-th move that the object has left the tree.
func (w *Watch) gone(i int) {
	m := w.moves[i]
	w.moves = slices.Delete(w.moves, i, i+1)
	w.tell(EventRemove, m.from)
	if !m.dir {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for wd, d := range w.dirs {
		if at := d.root + "/" + d.path; at == m.from.path || strings.HasPrefix(at, m.from.path+"/") {
			_, _ = unix.InotifyRmWatch(w.fd, uint32(wd)) // it may be gone
			w.unfollow(wd)
		}
	}
}

// settle is called at the end of a round: what had moved before it began has left the tree, and what has
// moved since is looked at once more soon.
func (w *Watch) settle() {
	for len(w.moves) > 0 && w.moves[0].old {
		w.gone(0)
	}
	for i := range w.moves {
		w.moves[i].old = true
	}
	if len(w.moves) > 0 {
		time.AfterFunc(movePause, w.rounds.want)
	}
}

// scanRest is how many times as long as a scan took there is none.
const scanRest = 20

// rescan follows the directories that were made while the kernel had no room for events, and those that went
// no more. One user may see to it that there is no room, so it rests in between.
func (w *Watch) rescan() {
	if rest := time.Until(w.nextScan); rest > 0 {
		time.AfterFunc(rest, w.rounds.want)
		return
	}
	began := time.Now()
	w.stale, w.found = false, map[int32]bool{}
	for root, dir := range w.roots {
		w.add(watched{root: root, dir: dir}, false)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for wd := range w.dirs {
		if !w.found[wd] {
			_, _ = unix.InotifyRmWatch(w.fd, uint32(wd)) // it may be gone
			w.unfollow(wd)
		}
	}
	w.found, w.nextScan = nil, time.Now().Add(scanRest*time.Since(began))
}
