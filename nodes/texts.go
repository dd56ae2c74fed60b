package nodes

import (
	"bytes"
	chain "container/list"
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// Texts are the texts that somebody has open. A text that several ask for at the same time is made once for
// all of them, by a worker.
//
// While somebody waits for a text to change it is made again and again, as what native programs do to an
// object makes no event for us: one look for all who wait for it. Looks take a twentieth of one processor
// at most, which the users who wait share. So a change shows within textPeriod where few texts are waited
// for, and later where many are.
type Texts struct {
	work *backends.Workers
	poll *backends.Poller

	mu    sync.Mutex
	open  map[textKey]*textSource
	looks map[uint32]*looks
}

// textKey says which text something is: of which control file, of which object.
type textKey struct {
	Part
	of     backends.ID
	reader string // whose it is, where it depends on who opened the file
}

// A textSource is one text.
type textSource struct {
	all  *Texts
	key  textKey
	make func() (string, error)
	idle []string // how the keys of facts begin that are no news

	// Under all.mu:
	files       map[*Text]struct{} // those that are open
	asking      map[*Text]struct{} // those that wait for a rendering,
	watching    map[*Text]struct{} // and for a change
	now         *rendering         // as it was made last
	begun, done uint64             // renderings that were ordered and that are there; they differ by one at most,
	runs        bool               // and then it is being made,
	again       bool               // and another one is to follow it,
	payer       uint32             // for this user
	looks       *looks             // by which it is looked at; nil: by none
	looked      time.Time
}

// A rendering is a text as it was once. Nobody changes it.
type rendering struct {
	text []byte
	sum  sum
	err  error
}

// A sum is that of a text without the facts that are no news. Texts with one sum say the same.
type sum [16]byte

// A showing is what is kept of a text that was read, by each who has it open: some are megabytes long.
type showing struct {
	sum   sum
	bytes int
}

func (r *rendering) showing() *showing { return &showing{r.sum, len(r.text)} }

// differs reports whether r says something else than what had that sum.
func (r *rendering) differs(from sum) bool { return r.err != nil || r.sum != from }

func newTexts(p *backends.Poller, w *backends.Workers) *Texts {
	return &Texts{work: w, poll: p, open: map[textKey]*textSource{}, looks: map[uint32]*looks{}}
}

// source finds or begins a text, for one more file.
func (all *Texts) source(key textKey, c *Control, t *Text) *textSource {
	all.mu.Lock()
	defer all.mu.Unlock()
	s := all.open[key]
	if s == nil {
		s = &textSource{
			all: all, key: key, make: c.Text, idle: c.Restless, now: &rendering{sum: sumOf(nil, nil)},
			files: map[*Text]struct{}{}, asking: map[*Text]struct{}{}, watching: map[*Text]struct{}{},
		}
		all.open[key] = s
	}
	s.files[t] = struct{}{}
	return s
}

// close ends what a file wanted of a text.
func (s *textSource) close(t *Text) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.forget(t)
	delete(s.files, t)
	if len(s.files) == 0 && s.all.open[s.key] == s {
		delete(s.all.open, s.key)
	}
}

// forget ends what a file waits for. The caller holds all.mu.
func (s *textSource) forget(t *Text) {
	t.wake = nil
	delete(s.asking, t)
	delete(s.watching, t)
}

// ask orders a rendering that begins from now on, for a user, and returns its number. The caller holds
// all.mu.
func (s *textSource) ask(uid uint32) uint64 {
	switch {
	case s.begun == s.done:
		s.order(uid)
	case s.runs:
		s.again, s.payer = true, uid
		return s.begun + 1
	}
	return s.begun
}

func (s *textSource) order(uid uint32) {
	s.begun++
	s.all.work.Go(uid, func(context.Context) { s.render() })
}

// render makes the text that was ordered, and wakes those who waited for it, or for its change.
func (s *textSource) render() {
	s.all.mu.Lock()
	s.runs = true
	s.all.mu.Unlock()
	now := &rendering{err: syscall.EIO} // a panic's
	defer func() {
		for _, wake := range s.made(now) {
			wake()
		}
	}()
	text, err := s.make()
	now = &rendering{text: []byte(text), err: err}
	now.sum = sumOf(now.text, s.idle)
}

// sumOf is the sum of a text of facts, one a line or of a JSON object, without those whose keys begin so.
func sumOf(text []byte, keys []string) sum {
	if len(keys) == 0 {
		all := sha256.Sum256(text)
		return sum(all[:len(sum{})])
	}
	end := byte('\n')
	if bytes.HasPrefix(text, []byte("{")) {
		end = ','
	}
	rest := sha256.New()
	for len(text) > 0 {
		n := bytes.IndexByte(text, end) + 1
		if n == 0 {
			n = len(text)
		}
		fact := bytes.TrimPrefix(bytes.TrimLeft(text[:n], "{\""), []byte("ipcfs_daemon_"))
		isKey := func(key string) bool { return bytes.HasPrefix(fact, []byte(key)) }
		if !slices.ContainsFunc(keys, isKey) {
			rest.Write(text[:n])
		}
		text = text[n:]
	}
	return sum(rest.Sum(nil)[:len(sum{})])
}

// made takes a rendering and returns the calls that wake those who are due.
func (s *textSource) made(now *rendering) (wakes []func()) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.done, s.runs, s.looked = s.begun, false, time.Now()
	news := now.differs(s.now.sum)
	if news || !bytes.Equal(now.text, s.now.text) {
		s.now = now // else all go on to share the one there is
	}
	for t := range s.asking {
		if t.due(t.want) {
			wakes = append(wakes, t.wake)
			s.forget(t)
		}
	}
	for t := range s.watching {
		if !news {
			break
		}
		if t.due(t.want) {
			wakes = append(wakes, t.wake)
			s.forget(t)
		}
	}
	if s.again {
		s.again = false
		s.order(s.payer)
	}
	return wakes
}

// watch has a text looked at until it says something else than a file has shown. The caller holds all.mu.
func (s *textSource) watch(t *Text) {
	s.watching[t] = struct{}{}
	if s.looks == nil {
		s.all.looksOf(t.uid).add(s)
	}
}

// looks look at the texts whose change somebody waits for, in the name of one user.
type looks struct {
	all  *Texts
	uid  uint32
	line chain.List // of *textSource; the one that was looked at longest ago is first
	set  bool       // the next look is set
}

const (
	// textPeriod is the shortest time between two looks at a text.
	textPeriod = 100 * time.Millisecond
	// lookTime is how long looks go on before they rest, and restTimes how many times as long as that they
	// rest, for each user who waits.
	lookTime  = 2 * time.Millisecond
	restTimes = 20
)

// looksOf finds or begins the looks of a user. The caller holds all.mu.
func (all *Texts) looksOf(uid uint32) *looks {
	l := all.looks[uid]
	if l == nil {
		l = &looks{all: all, uid: uid}
		all.looks[uid] = l
	}
	return l
}

func (l *looks) add(s *textSource) {
	s.looks = l
	l.line.PushBack(s)
	l.plan(0)
}

// plan sets the next look, after a rest. The caller holds all.mu.
func (l *looks) plan(rest time.Duration) {
	front := l.line.Front()
	switch {
	case front == nil && !l.set:
		delete(l.all.looks, l.uid)
		return
	case front == nil || l.set:
		return
	}
	l.set = true
	time.AfterFunc(max(rest, time.Until(front.Value.(*textSource).looked.Add(textPeriod))), func() {
		l.all.work.Go(l.uid, func(context.Context) { l.look() })
	})
}

// look looks at what is due, for a short while.
func (l *looks) look() {
	began := time.Now()
	defer func() { // also after a panic
		spent := time.Since(began)
		l.all.mu.Lock()
		defer l.all.mu.Unlock()
		l.set = false
		l.plan(min(spent, 2*lookTime) * restTimes * time.Duration(len(l.all.looks)))
	}()
	for s := l.next(); s != nil; s = l.next() {
		s.render()
		if time.Since(began) > lookTime {
			break
		}
	}
}

// next orders a rendering of the next text that is due; nil if there is none.
func (l *looks) next() *textSource {
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	for at := l.line.Front(); at != nil; at = l.line.Front() {
		s := at.Value.(*textSource)
		if time.Since(s.looked) < textPeriod && len(s.watching) > 0 {
			return nil
		}
		l.line.Remove(at)
		s.looks = nil
		if s.begun != s.done {
			s.looked = time.Now() // it is being made, or waits for this very look to end: that is its look
		}
		if heir := s.heir(l.uid); heir != nil {
			heir.add(s)
		}
		if s.looks != nil && s.begun == s.done {
			s.begun++
			return s
		}
	}
	return nil
}

// heir are the looks that go on to look at a text: those of a user who waits for it, the same one if
// possible. The caller holds all.mu.
func (s *textSource) heir(uid uint32) *looks {
	var one *Text
	for t := range s.watching {
		if one = t; t.uid == uid {
			break
		}
	}
	if one == nil {
		return nil
	}
	return s.all.looksOf(one.uid)
}
