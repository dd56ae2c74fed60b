package nodes

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// Text is an open file that shows a text (see Texts), and may take commands. It is an Endpoint: ready to be
// read when the text is not the one that was read last.
type Text struct {
	made time.Time
	perm uint32
	size *size
	uid  uint32
	src  *textSource
	pays *allowance              // for the text that is held
	do   func(line string) error // nil: it takes no commands

	request uint64 // which wrote the lines that are done; 0: that is not known

	// Under src.all.mu:
	shown  *showing   // what was read last; nil: nothing was
	held   *rendering // the one that the first read is to get; nil: none yet
	since  time.Time  // since when
	asked  bool       // how long it is, before it was read
	reads  uint64     // the rendering that a read waits for; 0: none
	probes uint64     // the same of a poll
	waits  bool       // a read waits for a change
	want   backends.Ready
	wake   func() // what Arm was given; nil: nobody is to be told
}

// TextControl is a control file that shows a text.
func TextControl(name string, text func() (string, error)) Control {
	return Control{Name: name, Perm: 0444, Text: text}
}

// watchControl is a control file that shows the text of another one, and then each that differs from the
// last, whole. It has no end.
func watchControl(name, of string, text func() (string, error)) Control {
	return Control{Name: name, Perm: 0444, Text: text, Watches: of}
}

// commandControl is a control file that takes commands, one a line, and shows the text that would bring about
// the present state.
func commandControl(
	name string, perm uint32, text func() (string, error), do func(line string, by Caller) error,
) Control {
	return Control{Name: name, Perm: perm, Text: text, Do: do}
}

// show opens a control file that shows a text, by its key, which is one of texts. Their workers do what is
// written.
func (c *Control) show(env *Env, texts *Texts, key textKey, flags int, by Caller) (Open, error) {
	t := &Text{made: time.Now(), perm: c.Perm, uid: by.Uid, pays: env.allowance(by.Uid)}
	how := ReadText
	if c.Watches != "" {
		how, key.Name = Seekable, c.Watches
	}
	switch {
	case !writes(flags):
	case c.Do == nil:
		return nil, syscall.EACCES // to root too, whom the mode does not stop
	default:
		by = by.remembered() // it may be gone when a worker does what it wrote
	}
	if c.Do != nil {
		t.do = func(line string) error {
			by := by
			by.request = t.request
			return c.Do(line, by)
		}
	}
	made := *c
	if c.For != nil {
		by = by.remembered()
		made.Text, key.reader = c.For(by), fmt.Sprint(by.Uid, by.Gid, by.groups())
	}
	t.src = texts.source(key, &made, t)
	f := NewFile(textFace{}, t, how)
	f.moves = movesOf(flags)
	f.pays, f.seldom().asking = t.pays, t.asks
	f.Aside(texts.work, by.Uid, backends.Out)
	f.knowing(by)
	return f, nil
}

// Ready is In if the text, as it was when it was made last, is not the one that was read.
func (t *Text) Ready() backends.Ready {
	t.src.all.mu.Lock()
	defer t.src.all.mu.Unlock()
	return t.ready()
}

func (t *Text) ready() backends.Ready {
	if t.shown == nil || t.src.now.differs(t.shown.sum) {
		return backends.In | backends.Out
	}
	return backends.Out
}

// Probe is Prober.Probe: Ready of the text as it is now, which has to be made for that.
func (t *Text) Probe() (backends.Ready, error) {
	t.src.all.mu.Lock()
	defer t.src.all.mu.Unlock()
	if t.shown != nil && t.probes == 0 {
		t.probes = t.ask()
	}
	if t.probes > t.src.done {
		return 0, backends.ErrUnsettled
	}
	t.probes = 0
	return t.ready(), nil
}

// textHeld is how long a text that was measured is held for the first read. Programs that ask for the length
// read soon.
const textHeld = time.Second

// Measure has fstat(2) tell how long the text is, exactly, before it was read: the first read gets the very
// text that was measured, if it comes soon. Whose user may hold no more memory is told what a file that is
// not open tells. ErrUnsettled: it is being made, and is to be asked again. Where the text was read meanwhile,
// what was asked for may be a poll's too, and stays until Unprobe.
func (t *Text) Measure() error {
	t.src.all.mu.Lock()
	defer t.src.all.mu.Unlock()
	t.asked = true
	if t.shown != nil || t.held != nil && time.Since(t.since) < textHeld {
		return nil
	}
	if t.probes == 0 {
		t.probes = t.ask()
	}
	if t.probes > t.src.done {
		return backends.ErrUnsettled
	}
	t.probes = 0
	t.letGo()
	if now := t.src.now; now.err == nil && t.pays.mayLend(now.text) {
		t.pays.lend(now.text)
		t.held, t.since = now, time.Now()
	}
	return nil
}

// letGo gives up what is held. The caller holds src.all.mu.
func (t *Text) letGo() {
	if t.held != nil {
		t.pays.giveBack(t.held.text)
	}
	t.held = nil
}

// wasAsked reports whether somebody has asked how long it is, before it was read.
func (t *Text) wasAsked() bool {
	t.src.all.mu.Lock()
	defer t.src.all.mu.Unlock()
	return t.asked
}

// length is that of the text that is held, or was read; false if there is none.
func (t *Text) length() (int64, bool) {
	t.src.all.mu.Lock()
	defer t.src.all.mu.Unlock()
	switch {
	case t.shown != nil:
		return int64(t.shown.bytes), true
	case t.held != nil:
		return int64(len(t.held.text)), true
	}
	return 0, false
}

// read is the text, made after the read began, or measured shortly before; ErrWouldBlock while it is the one
// that was read last, ENOBUFS if it is longer than size and its user may hold no more memory.
func (t *Text) read(size int) (*rendering, error) {
	t.src.all.mu.Lock()
	defer t.src.all.mu.Unlock()
	held := t.held
	t.letGo()
	if held != nil && t.reads == 0 && time.Since(t.since) < textHeld {
		t.shown = held.showing()
		return held, nil
	}
	if !t.waits {
		if t.reads == 0 {
			t.reads = t.ask()
		}
		if t.reads > t.src.done {
			return nil, backends.ErrUnsettled
		}
		t.reads = 0
	}
	now := t.src.now
	if t.waits = t.shown != nil && !now.differs(t.shown.sum); t.waits {
		return nil, backends.ErrWouldBlock
	}
	if len(now.text) > size && !t.pays.mayLend(now.text) {
		return nil, syscall.ENOBUFS
	}
	if now.err == nil {
		t.shown = now.showing()
	}
	return now, now.err
}

// ask orders a rendering and returns its number. A reader that was armed for a change is told of it now.
func (t *Text) ask() uint64 {
	if t.wake != nil {
		delete(t.src.watching, t)
		t.src.asking[t] = struct{}{}
	}
	return t.src.ask(t.uid)
}

// Arm is Waiter.Arm.
func (t *Text) Arm(want backends.Ready, wake func()) {
	t.src.all.mu.Lock()
	defer t.src.all.mu.Unlock()
	t.src.forget(t)
	switch {
	case want&backends.Out != 0 || t.due(want):
		t.src.all.poll.Soon(wake)
		return
	case t.reads > 0 || t.probes > 0:
		t.src.asking[t] = struct{}{}
	case want&backends.In != 0:
		t.src.watch(t)
	}
	t.want, t.wake = want, wake
}

// due reports whether it is time to wake one who waits for that: what they have asked for is made, or, if they
// have asked for nothing, there is something to read. The caller holds src.all.mu.
func (t *Text) due(want backends.Ready) bool {
	if t.reads > 0 || t.probes > 0 {
		done := t.src.done
		return t.reads > 0 && t.reads <= done || t.probes > 0 && t.probes <= done
	}
	return want&t.ready()&backends.In != 0
}

// Recall is Recaller.Recall. What is made for it already serves others, or nobody.
func (t *Text) Recall(dir backends.Ready) bool {
	if dir == backends.In {
		t.src.all.mu.Lock()
		defer t.src.all.mu.Unlock()
		t.reads, t.waits = 0, false
		t.unask()
	}
	return true
}

// Unprobe takes back what Probe and Measure have asked for, when nobody waits for that any more.
func (t *Text) Unprobe() {
	t.src.all.mu.Lock()
	defer t.src.all.mu.Unlock()
	t.probes = 0
	t.unask()
}

// unask goes on to wait for a change, for those who still do, where nobody waits for a rendering any more.
// The caller holds src.all.mu.
func (t *Text) unask() {
	if t.wake != nil && t.reads == 0 && t.probes == 0 {
		delete(t.src.asking, t)
		if t.want&backends.In != 0 {
			t.src.watch(t)
		}
	}
}

// TryRead is not for texts, which have no bound: see textFace.
func (t *Text) TryRead([]byte) (int, backends.Meta, error) { return 0, backends.Meta{}, syscall.EINVAL }

// TryWrite does commands, one a line, up to the first that fails.
func (t *Text) TryWrite(p []byte, _ backends.Meta) (int, error) {
	if t.do == nil {
		return 0, syscall.EBADF
	}
	for line := range strings.Lines(string(p)) {
		if err := t.do(line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// asks is File.asking.
func (t *Text) asks(request uint64) { t.request = request }

// Unit is 0: a text comes in pieces.
func (t *Text) Unit() int { return 0 }

// Stat is of a file with a size as those of sysfs(5).
func (t *Text) Stat() (Attr, error) {
	return Attr{Mode: syscall.S_IFREG | t.perm, Nlink: 1, Size: t.size.told(0), Mtime: t.made, Ctime: t.made}, nil
}

// Close ends the wait.
func (t *Text) Close() error {
	t.src.all.mu.Lock()
	t.letGo()
	t.src.all.mu.Unlock()
	t.src.close(t)
	return nil
}

// textFace reads a Text.
type textFace struct{}

// Next is the text, if it is a new one.
func (textFace) Next(end backends.Endpoint, _ []byte, size int) ([]byte, error) {
	now, err := end.(*Text).read(size)
	if err != nil {
		return nil, err
	}
	end.(*Text).size.note(len(now.text))
	return now.text, nil
}

// Put does commands.
func (textFace) Put(end backends.Endpoint, p []byte) (int, error) {
	return end.TryWrite(p, backends.Meta{})
}
