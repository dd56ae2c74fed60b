package backends

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// rounds are how a Watch reads what has happened: on a goroutine of its own, as it looks into directories
// whose locks in the kernel others may hold as long as they like, and events may come faster than they are
// told. All who wait for anything else wait for the poller, and are not to wait for that (dir_locked.txtar).
type rounds struct {
	news chan struct{} // somebody wants a round
	stop chan struct{} // closed by Close
	done chan struct{} // closed when the goroutine has ended

	mu           sync.Mutex
	began, ended uint64
	next         chan struct{} // closed when the round that goes on, or comes next, ends
}

func newRounds() *rounds {
	return &rounds{
		news: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		next: make(chan struct{}),
	}
}

// want has a round made that begins after this.
func (r *rounds) want() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// maxCatchUp is how long a new reader of events waits for those from before.
const maxCatchUp = time.Second

// catchUp waits until what has happened until now is told, or maxCatchUp.
func (r *rounds) catchUp() {
	r.mu.Lock()
	mine := r.began + 1
	r.mu.Unlock()
	r.want()
	late := time.After(maxCatchUp)
	for {
		r.mu.Lock()
		ended, next := r.ended, r.next
		r.mu.Unlock()
		if ended >= mine {
			return
		}
		select {
		case <-next:
		case <-r.stop:
			return
		case <-late:
			return
		}
	}
}

func (r *rounds) begin() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began++
	return r.began
}

func (r *rounds) end(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = n
	close(r.next)
	r.next = make(chan struct{})
}

// run makes rounds until Close.
func (w *Watch) run() {
	defer close(w.rounds.done)
	for {
		select {
		case <-w.rounds.stop:
			return
		case <-w.rounds.news:
			w.read()
			w.src.Arm(In, w.rounds.want)
		}
	}
}

// Close ends the watch, and waits for its goroutine for two seconds at most. If that waits for a lock of
// others', it and the descriptor end with the process.
func (w *Watch) Close() error {
	close(w.rounds.stop)
	w.src.Forget()
	select {
	case <-w.rounds.done:
		return unix.Close(w.fd)
	case <-time.After(workersPatience):
		return nil
	}
}

// A Removals tells of names that are removed from one directory, by whomever (inotify(7)). It looks at
// nothing else, so that nothing delays it, and no flood of other events is in its way.
type Removals struct {
	src  *Source
	fd   int
	told func(name string)
}

// NewRemovals calls told, on the poller's goroutine, for each name that is removed from the directory, or
// moved away. "": the kernel had no room to say which (fs.inotify.max_queued_events), so it may be any.
func NewRemovals(p *Poller, d *Dir, told func(name string)) (*Removals, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	const removals = unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_ONLYDIR
	if _, err := unix.InotifyAddWatch(fd, procPath(d.fd)+"/.", removals); err != nil {
		unix.Close(fd)
		return nil, err
	}
	r := &Removals{src: p.Watch(fd), fd: fd, told: told}
	r.src.Arm(In, r.ready)
	return r, nil
}

func (r *Removals) ready() {
	readEvents(r.fd, func(_ int32, mask, _ uint32, name string) {
		if name != "" || mask&unix.IN_Q_OVERFLOW != 0 {
			r.told(name)
		}
	})
	r.src.Arm(In, r.ready)
}

// Close ends it.
func (r *Removals) Close() error {
	r.src.Forget()
	return unix.Close(r.fd)
}
