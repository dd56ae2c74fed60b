package backends

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Watch follows what is created, removed and renamed in directories of the kernel's, whoever does it
// (inotify(7)): programs on a FUSE mount cannot see what others do to the objects behind it.
type Watch struct {
	Watches *Budget // directories that are followed, by owner

	src    *Source
	fd     int
	rounds *rounds
	roots  map[string]*Dir // by the names that the tree has for them

	reading sync.Mutex        // taken before mu
	looked  map[int32]watched // as they were when somebody looked in this round
	// what was told of because it lay in a new directory, and may come as an event once more
	listed   map[string]bool
	moves    []move         // those that are half told, the oldest first
	stale    bool           // events were lost since the last scan
	found    map[int32]bool // by the scan that goes on; nil: there is none
	nextScan time.Time      // there is none before

	mu   sync.Mutex
	dirs map[int32]watched
	subs map[*Events]struct{}
}

// An EventKind is the word with which a line of /ctl/events begins.
type EventKind string

const (
	EventCreate EventKind = "create"
	EventRemove EventKind = "remove"
	EventRename EventKind = "rename"
	EventLost   EventKind = "lost"
)

type watched struct {
	root string // the name the tree has for it
	path string // below the root
	dir  *Dir
	way  []Attr // see way
	uid  uint32 // who pays
}

const watchMask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
	unix.IN_ATTRIB | unix.IN_ONLYDIR | unix.IN_DONT_FOLLOW

// NewWatch follows the directories in roots, and those below them, under their names. It fails with EMFILE if
// the user has no inotify instance left (fs.inotify.max_user_instances).
func NewWatch(p *Poller, roots map[string]*Dir) (*Watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	w := &Watch{
		Watches: newWatches(), src: p.Watch(fd), fd: fd, rounds: newRounds(), roots: roots,
		looked: map[int32]watched{}, listed: map[string]bool{}, dirs: map[int32]watched{}, subs: map[*Events]struct{}{},
	}
	for root, dir := range roots {
		w.add(watched{root: root, dir: dir}, false)
	}
	w.src.Arm(In, w.rounds.want)
	go w.run()
	return w, nil
}

// add follows a directory and those that are in it already. Of what is in a new one it tells: it may have
// been made before the watch was there.
func (w *Watch) add(d watched, fresh bool) {
	d, ok := w.follow(d)
	if !ok {
		return
	}
	list, err := d.dir.List(Ref{Path: d.path})
	if err != nil {
		return
	}
	for _, e := range list {
		below := strings.TrimPrefix(d.path+"/"+e.Name, "/")
		if fresh {
			w.listed[d.root+"/"+below] = true
			w.tell(EventCreate, d.placed(below))
		}
		if e.Type == unix.S_IFDIR {
			w.add(watched{root: d.root, path: below, dir: d.dir}, fresh)
		}
	}
}

// read takes all that has happened.
func (w *Watch) read() {
	w.reading.Lock()
	defer w.reading.Unlock()
	round := w.rounds.begin()
	defer func() { w.rounds.end(round) }()
	readEvents(w.fd, w.event)
	if w.settle(); w.stale {
		w.rescan()
	}
	clear(w.looked)
	clear(w.listed) // what happened before they were listed has come
}

// readEvents calls f for all that inotify has to tell, in order.
func readEvents(fd int, f func(wd int32, mask, cookie uint32, name string)) {
	var buf [16 << 10]byte
	for {
		n, err := unix.Read(fd, buf[:])
		if err != nil || n <= 0 {
			return
		}
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			wd := int32(binary.NativeEndian.Uint32(b))
			mask, cookie, size := binary.NativeEndian.Uint32(b[4:]),
				binary.NativeEndian.Uint32(b[8:]), binary.NativeEndian.Uint32(b[12:])
			name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+size], []byte{0})
			b = b[unix.SizeofInotifyEvent+size:]
			f(wd, mask, cookie, string(name))
		}
	}
}

func (w *Watch) event(wd int32, mask, cookie uint32, name string) {
	w.mu.Lock()
	d, known := w.dirs[wd]
	if mask&unix.IN_IGNORED != 0 {
		w.unfollow(wd)
	}
	w.mu.Unlock()
	if mask&(unix.IN_ISDIR|unix.IN_IGNORED|unix.IN_Q_OVERFLOW) != 0 {
		clear(w.looked)
	}
	switch {
	case mask&unix.IN_Q_OVERFLOW != 0:
		w.stale = true
		w.tell(EventLost)
		return
	case !known || mask&unix.IN_ATTRIB != 0 && name != "":
		return
	case mask&unix.IN_ATTRIB != 0:
		w.changed(wd, d)
		return
	case name == "":
		return
	}
	d = w.look(wd, d)
	below := strings.TrimPrefix(d.path+"/"+name, "/")
	path, at := d.root+"/"+below, d.placed(below)
	isDir := mask&unix.IN_ISDIR != 0
	w.vacant(path, cookie)
	known = w.listed[path]
	delete(w.listed, path)
	switch {
	case mask&unix.IN_CREATE != 0 && known:
	case mask&unix.IN_CREATE != 0:
		w.tell(EventCreate, at)
		if isDir {
			w.add(watched{root: d.root, path: below, dir: d.dir}, true)
		}
	case mask&unix.IN_DELETE != 0:
		w.tell(EventRemove, at)
	case mask&unix.IN_MOVED_FROM != 0:
		w.left(move{cookie: cookie, from: at, dir: isDir})
	case mask&unix.IN_MOVED_TO != 0:
		from, ok := w.arrived(cookie)
		if isDir && ok {
			w.add(watched{root: d.root, path: below, dir: d.dir}, false)
		}
		if ok {
			w.tell(EventRename, from, at)
			return
		}
		w.tell(EventCreate, at)
		if isDir {
			w.add(watched{root: d.root, path: below, dir: d.dir}, true)
		}
	}
}

// Subscribe opens an endpoint that reads the events from now on, one line each, of what lies in directories
// that may allows, given the attributes of those between the class's own and the object; with all, also
// where these cannot be known any more. It waits for a second at most until what has happened before is told.
func (w *Watch) Subscribe(may func(way []Attr) bool, all bool) *Events {
	w.rounds.catchUp() // what has happened until now; new directories are watched then
	e := &Events{poll: w.src.p, may: may, all: all}
	e.leave = func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.subs, e)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subs[e] = struct{}{}
	return e
}

// Events is a subscription. It keeps maxEvents bytes for a reader who is slow, if there is room for them in
// the budget that pays for them, and tells in a line `lost N` what was missed.
type Events struct {
	poll  *Poller
	leave func()                // ends the subscription
	may   func(way []Attr) bool // nil: its reader may know of everything
	all   bool
	mu    sync.Mutex
	text  []byte
	lost  int
	wake  func()
	payer *Budget // for text, in bytes; nil: nobody counts
	uid   uint32
	paid  int // bytes

	closed bool
}

const maxEvents = 64 << 10

func (e *Events) add(line string) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	if len(e.text)+len(line) > maxEvents || !e.pay(len(e.text)+len(line)) {
		e.lost++
	} else {
		e.text = append(e.text, line...)
	}
	wake := e.wake
	e.wake = nil
	e.mu.Unlock()
	if wake != nil {
		e.poll.Soon(wake)
	}
}

// Missed tells the reader that lines may be missing, nobody knows how many.
func (e *Events) Missed() { e.add(string(EventLost) + "\n") }

// Pays has a user pay for what is kept. It is to be told before anything is read.
func (e *Events) Pays(b *Budget, uid uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.payer, e.uid = b, uid
}

// pay has n bytes of text paid for; false if the budget has no room for them. The caller holds e.mu.
func (e *Events) pay(n int) bool {
	if e.payer == nil || n <= e.paid {
		return true
	}
	n = min(max(n, 2*e.paid), maxEvents)
	if e.payer.Take(e.uid, int64(n-e.paid)) != nil {
		return false
	}
	e.text = append(make([]byte, 0, n), e.text...)
	e.paid = n
	return true
}

// unpay gives up the memory of a text that was read. The caller holds e.mu.
func (e *Events) unpay() {
	if e.payer != nil {
		e.text = nil
		e.payer.Give(e.uid, int64(e.paid))
		e.paid = 0
	}
}

// TryRead takes as many whole lines as fit.
func (e *Events) TryRead(p []byte) (int, Meta, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.text) == 0 && e.lost > 0 {
		e.text = fmt.Appendf(e.text, "%s %d\n", EventLost, e.lost)
		e.lost = 0
	}
	if len(e.text) == 0 {
		return 0, Meta{}, ErrWouldBlock
	}
	n := len(e.text)
	if n > len(p) {
		if n = bytes.LastIndexByte(e.text[:len(p)], '\n') + 1; n == 0 {
			n = len(p)
		}
	}
	copy(p, e.text[:n])
	e.text = append(e.text[:0], e.text[n:]...)
	if len(e.text) == 0 {
		e.unpay()
	}
	return n, Meta{}, nil
}

// TryWrite refuses.
func (e *Events) TryWrite([]byte, Meta) (int, error) { return 0, unix.EBADF }

// Unit is 0: lines come in pieces.
func (e *Events) Unit() int { return 0 }

// Ready is In if there are events.
func (e *Events) Ready() Ready {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.text) > 0 || e.lost > 0 {
		return In
	}
	return 0
}

// Arm is Waiter.Arm.
func (e *Events) Arm(want Ready, wake func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if want&In != 0 && (len(e.text) > 0 || e.lost > 0) {
		e.poll.Soon(wake)
		return
	}
	e.wake = wake
}

// Stat is of a file with no size.
func (e *Events) Stat() (Attr, error) { return Attr{Mode: unix.S_IFREG | 0444, Nlink: 1}, nil }

// Close ends the subscription.
func (e *Events) Close() error {
	e.leave()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.unpay()
	return nil
}
