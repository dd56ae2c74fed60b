package nodes

import (
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// A File is an open file that may make its user wait. It turns messages into bytes. A read gets bytes of
// one unit of its face; what the reader's buffer had no room for stays in hand for the next read. Calls
// never block: they answer backends.ErrWouldBlock. It is safe for concurrent use.
type File struct {
	face Face
	end  backends.Endpoint
	note *noting // what it needs to write down what it keeps; nil: it does not
	rare *rare   // nil: it has nothing of that

	pays *allowance // for what it keeps in hand
	path string     // of the object, from the root of the tree, as it was opened; for errors
	name string     // of the control file that it is; "": it is the object's own

	moves backends.Ready // what it was opened for
	how   Reading

	lent  bool  // hand is memory that others may hold too, and nobody changes
	begun bool  // a text was read
	again uint8 // how often it may be read again from its beginning
	mu    sync.Mutex
	hand  *hand  // nil: nothing was ever in hand
	kept  int    // bytes the face keeps: what was written in part, a message that did not fit
	at    int64  // where the next read is expected; all before it was read
	by    opener // nobody's, if it is nobody's business who has it open
}

// rare is what few open files need. Very many may be open and only wait.
type rare struct {
	hooks

	size *size // of a control file

	back  []backends.Message // what goes back to where it is from; nobody asked for it any more
	moved uint64             // the work that has last put something there, or returned it (Desk.Step)

	work   *backends.Workers // for what its face may take long with,
	uid    uint32            // in the name of this user:
	aside  backends.Ready    // reads (In), writes (Out)
	errand *errand           // the one that is under way; nil: none
	asked  uint64            // the request that writes; 0: that is not known

	groups []uint32 // of its caller, if what it does depends on them:
	knows  bool     // it does
}

// seldom is what few open files need, made if there is none yet. The caller holds f.mu, or nobody else has
// the file yet.
func (f *File) seldom() *rare {
	if f.rare == nil {
		f.rare = &rare{}
	}
	return f.rare
}

// Reading says what the offset of a read means.
type Reading uint8

const (
	// InOrder: nothing; each read gets what comes next. A file opened for writing too must be read so: a
	// file position has a lock.
	InOrder Reading = iota
	// Seekable: an offset inside the last message reads that again; any other one, the next message.
	Seekable
	// ReadText: the first read gets the text, at whatever offset. A later one gets the rest, and then the
	// end. A read at 0 after that waits until the text has changed. Who asked how long the text is and reads
	// no more than that, as tail(1) does from its end, may read the beginning twice (File.again).
	ReadText
)

// A Face says which bytes one read or write of a file stands for. Its methods are called by one goroutine
// at a time.
type Face interface {
	// Next takes the next unit of bytes into buf, which may be longer than the size bytes that the reader
	// asked for: what is beyond them is kept for the reader. It may return other memory than buf, which
	// nobody changes from then on. io.EOF is the end.
	Next(end backends.Endpoint, buf []byte, size int) ([]byte, error)
	// Put sends what one write brought, or as much of it as there is room for if the face does not keep
	// writes whole.
	Put(end backends.Endpoint, p []byte) (int, error)
}

// A batcher is a face of which one read gives as many units as there are and fit.
type batcher interface {
	// More is Next for bytes that go behind those of an earlier Next to the same reader: only what fits in
	// size bytes. ErrWouldBlock or EMSGSIZE: there is nothing more, or the next unit does not fit.
	More(end backends.Endpoint, buf []byte, size int) ([]byte, error)
}

// A patient face waits only for so long: a read that still waits then ends with ETIMEDOUT, and Holds is not
// 0 from then on. Patience is what is left of the time, at least 1 ns; 0: for ever.
type patient interface{ Patience() time.Duration }

// NewFile makes an open file of a face of end, which it closes in the end.
func NewFile(face Face, end backends.Endpoint, how Reading) *File {
	return &File{face: face, end: end, how: how, moves: backends.In | backends.Out}
}

// readingFor says how a message face that was opened with flags is read.
func readingFor(flags int) Reading {
	if writes(flags) {
		return InOrder
	}
	return Seekable
}

// At tells the file where in the tree its object is, and which of its control files it is (Part.Name). It is
// called before anything else.
func (f *File) At(path, name string) { f.path, f.name = path, name }

// Name is the name of the control file that it is, "lines" or "prio/3"; "" of an object's own file.
func (f *File) Name() string { return f.name }

// Of is the path of the file's object, from the root of the tree, and whether the file shows a text.
func (f *File) Of() (path string, text bool) {
	_, text = f.face.(textFace)
	return f.path, text
}

// Seekable reports whether the offset of a read counts.
func (f *File) Seekable() bool { return f.how != InOrder }

// Read gets up to size bytes; 0 is the end. buf is room to work in, at least size bytes; the answer lies at
// its beginning.
func (f *File) Read(buf []byte, size int, off int64) (int, error) {
	return f.read(buf, size, off, true)
}

// Rest is Read as far as it takes nothing from the object, for which others may wait already: what is in
// hand, what the face holds, the end. ErrWouldBlock: there is nothing of the kind.
func (f *File) Rest(buf []byte, size int, off int64) (int, error) {
	return f.read(buf, size, off, false)
}

func (f *File) read(buf []byte, size int, off int64, take bool) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.how == InOrder {
		off = f.at
	}
	if rest := f.inHand(off); rest != nil {
		n := copy(buf[:size], rest)
		f.at = off + int64(n)
		f.reread(off, n == size)
		return n, nil
	}
	if f.how == ReadText && off > 0 && f.begun {
		f.reread(off, false)
		if len(f.unitInHand()) > maxRoom {
			f.letGo() // it was read to its end
		}
		return 0, nil
	}
	full := take && f.pays.full()
	if full && f.how != ReadText {
		if size < f.end.Unit() {
			return 0, syscall.ENOBUFS // there may be a rest, which could not be kept
		}
		buf = buf[:size]
	}
	unit, err := f.next(buf, size, take)
	f.count()
	if err == io.EOF {
		return 0, nil
	}
	if err != nil {
		return 0, located(f.path, err)
	}
	from, base := 0, off
	if f.how == ReadText {
		from = int(min(off, int64(len(unit))))
		base, f.begun = 0, true
	}
	n := min(len(unit)-from, size)
	f.at = off + int64(n)
	if f.again = 0; f.wasAsked() && f.pays.mayLend(unit) {
		f.again = 2
	}
	f.reread(off, n == size)
	f.keep(unit, base, from+n, len(unit) > 0 && &unit[0] == &buf[0])
	copy(buf, unit[from:from+n])
	return n, nil
}

// next is the next unit of the face, or, if nothing may be taken, what it holds.
func (f *File) next(buf []byte, size int, take bool) ([]byte, error) {
	if take {
		return f.unit(buf, size)
	}
	if h, ok := f.face.(holder); ok && f.away() == nil {
		return h.Held(f.end, buf, size)
	}
	return nil, backends.ErrWouldBlock
}

// count has the user pay for what the face keeps.
func (f *File) count() {
	if k, ok := f.face.(memoryHolder); ok {
		had := f.kept
		f.kept = max(0, k.keeps())
		f.pays.add(f.kept - had)
	}
}

// More is called after a Read that gave n bytes of size in buf: it adds what has come since to the same
// answer, if the face gives many units at once, and returns how many bytes there are now.
func (f *File) More(buf []byte, size, n int) int {
	many, ok := f.face.(batcher)
	if !ok {
		return n
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lent {
		return n
	}
	if f.pays.full() {
		buf = buf[:size]
	}
	units, err := many.More(f.end, buf[n:], size-n)
	f.count()
	if err != nil {
		return n // the next read will get it, if it lasts
	}
	if h := f.hand; h != nil && len(h.unit) > 0 {
		had := cap(h.room)
		h.room = append(h.unit, units...)
		h.unit = h.room
		f.pays.add(cap(h.room) - had)
	}
	f.at += int64(len(units))
	return n + len(units)
}

// Write sends p.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, keeps := f.face.(memoryHolder)
	if !keeps || k.keeps() < 0 {
		n, err := f.put(p)
		return n, located(f.path, err)
	}
	if f.pays.full() {
		return 0, syscall.ENOBUFS
	}
	n, err := f.put(p)
	f.count()
	return n, located(f.path, err)
}

// Stop gives up the last read (In) or write (Out) that had to wait. false: it is too late, and it goes on
// until it answers.
func (f *File) Stop(dir backends.Ready) bool {
	if !f.recall(dir) {
		return false
	}
	r, ok := f.end.(backends.Recaller)
	return !ok || r.Recall(dir)
}

// Patience is how long a read may still wait, at least 1 ns; 0: for ever.
func (f *File) Patience() time.Duration {
	if p, ok := f.face.(patient); ok {
		return p.Patience()
	}
	return 0
}

// Ready says what would not block now.
func (f *File) Ready() backends.Ready { return f.holds(f.end.Ready()) }

// ReadyAs is Ready where it is known what is ready at the object: for all files that share its Waiter.
func (f *File) ReadyAs(there backends.Ready) backends.Ready { return f.holds(there) }

// holds adds what need not be taken from the object to what is ready there.
func (f *File) holds(ready backends.Ready) backends.Ready {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.inHand(f.at) != nil {
		ready |= backends.In
	}
	if h, ok := f.face.(holder); ok && f.away() == nil {
		ready |= h.Holds(f.end)
	}
	return ready
}

// Probe is Ready as of now. ErrUnsettled: finding it out takes a while, and it is to be asked again.
func (f *File) Probe() (backends.Ready, error) {
	p, ok := f.end.(backends.Prober)
	if !ok {
		return f.Ready(), nil
	}
	ready, err := p.Probe()
	return f.holds(ready), err
}

// Moves is what the file was opened for: In to be read, Out to be written.
func (f *File) Moves() backends.Ready { return f.moves }

// Waiter is what the file waits for; files of one object share it.
func (f *File) Waiter() backends.Waiter { return backends.Shared(f.end) }

// Stat is fstat(2), also of an object whose name is gone.
func (f *File) Stat() (Attr, error) {
	a, err := f.end.Stat()
	if r := f.rare; r != nil && r.size != nil {
		a.Size = r.size.told(leastSize(f.end, a))
	}
	if t := f.measured(); t != nil {
		if n, ok := t.length(); ok {
			a.Size = n
		}
	}
	return a, err
}

// Close gives up the object.
func (f *File) Close() error {
	f.mu.Lock()
	f.letGo()
	if f.hand != nil {
		f.pays.add(-cap(f.hand.room))
		f.hand = nil
	}
	f.pays.add(-f.kept)
	f.kept = 0
	f.dropBack()
	f.mu.Unlock()
	f.Ending()
	f.by.closed()
	return f.end.Close()
}
