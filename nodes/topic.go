package nodes

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// Topics is /topics: what is written to a topic goes to all who have it open for reading. That it exists, whose it is and its rules are
// kept as a regular file; folders make hierarchies.
type Topics struct {
	folder
	env  *Env
	back *backends.Topics
}

// NewTopics shows the topics of back, whose files are in dir.
func NewTopics(env *Env, dir *backends.Dir, back *backends.Topics) *Topics {
	return &Topics{folder{dir: dir, types: []uint32{syscall.S_IFREG}}, env, back}
}

// Message is Class.Message.
func (*Topics) Message(a Attr) bool { return a.Type() == syscall.S_IFREG }

// Stat is Class.Stat; the size is the bytes of the messages the topic holds.
func (t *Topics) Stat(path string) (Attr, error) {
	a, err := t.folder.Stat(path)
	if err != nil || a.Type() != syscall.S_IFREG {
		return a, err
	}
	return t.back.Show(a), nil
}

// Create makes a topic with the default rules.
func (t *Topics) Create(path string, o Owner, _ bool) error {
	o.Mode &^= setIDs
	return t.back.Create(path, o)
}

// New is Newer.New: a topic with rules.
func (t *Topics) New(path string, o Owner, c Command) error {
	r, err := rulesFrom(backends.DefaultRules, c, "mode")
	if err != nil {
		return err
	}
	if err := t.Create(path, o, true); err != nil {
		return err
	}
	one, err := t.back.Topic(path)
	if err == nil {
		err = one.Restrict(r)
	}
	if err != nil {
		_ = t.back.Remove(path) // nothing half-made stays behind
	}
	return err
}

// Open opens the topic's data face: to read it is to subscribe.
func (t *Topics) Open(path string, flags int, by Caller) (Open, error) {
	return t.open(path, flags, by, &Plain{}, subscribe)
}

// subscribe is how the data face, lines and records are read.
func subscribe(one *backends.Topic, writes bool) backends.Endpoint { return one.Subscribe(writes) }

// since is subscribe with what was published after a message.
func since(seq uint64) func(*backends.Topic, bool) backends.Endpoint {
	return func(one *backends.Topic, writes bool) backends.Endpoint { return one.Since(seq, writes) }
}

// open opens a face of a topic. read opens the endpoint of those who read.
func (t *Topics) open(path string, flags int, by Caller, face Face, read func(*backends.Topic, bool) backends.Endpoint) (Open, error) {
	if _, ok := face.(readOnlyFace); ok && writes(flags) {
		return nil, syscall.EACCES
	}
	one, err := t.back.Topic(path)
	if err != nil {
		return nil, err
	}
	var end backends.Endpoint = one
	if flags&accessMode != writeOnly {
		end = read(one, writes(flags))
	}
	return t.env.File(&topicFace{wrapped: wrapped{face}, path: path, topic: one}, end, flags, by), nil
}

// topicFace is any face of a topic: it explains what the topic refuses, and clears the retained value when it was opened with O_TRUNC and
// closed with nothing written. Had it done so at once, `echo 20 > temp` would be seen as no value by those who read last meanwhile.
type topicFace struct {
	wrapped
	path      string
	topic     *backends.Topic
	truncated bool
	wrote     bool
}

// Put is that of the face.
func (f *topicFace) Put(end backends.Endpoint, p []byte) (int, error) {
	n, err := f.put(end, p, "topics/"+f.path)
	f.wrote = f.wrote || err == nil
	return n, f.explain(err)
}

// Finish is Finisher.Finish.
func (f *topicFace) Finish(end backends.Endpoint) error { return f.explain(f.wrapped.Finish(end)) }

func (f *topicFace) explain(err error) error {
	if advice := f.advice(err); advice != "" {
		return &Error{Op: "write", Path: "topics/" + f.path, Errno: err.(syscall.Errno), Advice: advice}
	}
	return err
}

func (f *topicFace) advice(err error) string {
	switch err {
	case syscall.EMSGSIZE:
		return fmt.Sprintf("a message is at most %d bytes, and has to fit into what the topic may hold (bytes=%d): echo 'set bytes=N' > ctl/topics/%s/ctl",
			backends.MaxMessage, f.topic.Rules().Bytes, f.path)
	case syscall.EDQUOT:
		return fmt.Sprintf("all topics of one user may hold %d bytes: read them, clear retained values (: > topic), or lower keep=, depth= and bytes=",
			backends.MaxTopicBytes)
	case syscall.ENXIO:
		return "nobody reads the topic, and it is set to noreader=error"
	}
	return ""
}

// Truncated is Truncater.Truncated.
func (f *topicFace) Truncated() { f.truncated = true }

// Closed is Closer.Closed.
func (f *topicFace) Closed() {
	if f.truncated && !f.wrote {
		f.topic.Clear()
	}
}

// Controls is Controller.Controls.
func (t *Topics) Controls(path string, a Attr) []Control {
	list := []Control{
		t.face(path, a, "lines", func() Face { return NewLines() }, subscribe),
		t.face(path, a, "records", func() Face { return NewRecords("seq", "lost") }, subscribe),
		t.face(path, a, "last", func() Face { return &Once{} }, func(one *backends.Topic, _ bool) backends.Endpoint { return one.Retained() }),
		t.face(path, a, "changed", func() Face { return Notices{} }, func(one *backends.Topic, _ bool) backends.Endpoint { return one.Notice() }),
		t.face(path, a, "whole", func() Face { return &Whole{} }, subscribe),
		{Name: "since", Dir: true},
		{Name: "group", Dir: true},
	}
	for i := range list[2:4] {
		list[2+i].Perm &= 0444
	}
	return list
}

// Control is Controller.Control: since/SEQ, lines@SEQ, records@SEQ, group/NAME.
func (t *Topics) Control(path string, a Attr, name string) (Control, bool) {
	if group, ok := strings.CutPrefix(name, "group/"); ok && group != "" && !strings.Contains(group, "/") {
		return t.face(path, a, name, func() Face { return &Plain{} }, func(one *backends.Topic, writes bool) backends.Endpoint {
			return one.Group(group, writes)
		}), true
	}
	for prefix, face := range map[string]func() Face{
		"since/":   func() Face { return &Plain{} },
		"lines@":   func() Face { return NewLines() },
		"records@": func() Face { return NewRecords("seq", "lost") },
	} {
		number, ok := strings.CutPrefix(name, prefix)
		if seq, err := strconv.ParseUint(number, 10, 64); ok && err == nil && number == strconv.FormatUint(seq, 10) {
			return t.face(path, a, name, face, since(seq)), true
		}
	}
	return Control{}, false
}

// face is a control file that is another face of the topic, for those who may use the topic.
func (t *Topics) face(path string, a Attr, name string, face func() Face, read func(*backends.Topic, bool) backends.Endpoint) Control {
	return Control{Name: name, Perm: a.Mode & 0666, Open: func(flags int, by Caller) (Open, error) {
		return t.open(path, flags, by, face(), read)
	}}
}

// Notices is the face of what only tells that something changed.
type Notices struct{ readsOnly }

// Next is one notice.
func (Notices) Next(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	return Plain{}.Next(end, buf, size)
}

// Remove is Remover.Remove.
func (t *Topics) Remove(path string) error { return t.back.Remove(path) }

// Rmdir is Folders.Rmdir.
func (t *Topics) Rmdir(path string) error { return t.back.Rmdir(path) }

// Rename is Folders.Rename.
func (t *Topics) Rename(from, to string, flags uint32) error { return t.back.Rename(from, to, flags) }

// Change is Changer.Change. Truncating a topic takes back its retained value.
func (t *Topics) Change(path string, c Change) error {
	a, err := t.folder.Stat(path)
	if err != nil {
		return err
	}
	return t.back.Change(path, withoutSetID(a, c))
}

// Settings is Settler.Settings.
func (t *Topics) Settings(path string) ([]Command, error) {
	one, err := t.back.Topic(path)
	if err != nil {
		return nil, err
	}
	return []Command{{"set", optionsOf(one.Rules())}}, nil
}

// Do is Settler.Do: set, clear.
func (t *Topics) Do(path string, c Command, _ Caller) error {
	one, err := t.back.Topic(path)
	if err != nil {
		return err
	}
	switch c.Verb {
	case "set":
		r, err := rulesFrom(one.Rules(), c)
		if err != nil {
			return err
		}
		return one.Restrict(r)
	case "clear":
		if err := c.Only(); err != nil {
			return err
		}
		one.Forget()
		return nil
	}
	return fmt.Errorf("unknown command %s; a topic knows set, clear", c.Verb)
}

// Report is Reporter.Report.
func (t *Topics) Report(path string) ([]Fact, error) {
	a, err := t.Stat(path)
	if err != nil {
		return nil, err
	}
	facts := append(owned(a), created(t.dir.Born(path))...)
	if a.Type() == syscall.S_IFDIR {
		return append(facts, t.told(t.back.AllState(path))...), nil
	}
	one, err := t.back.Topic(path)
	if err != nil {
		return nil, err
	}
	s := one.State()
	facts = append(facts, Fact{"bytes", a.Size}, Fact{"value", ID(s.Value)})
	return append(facts, t.told(s, one)...), nil
}

// maxTold is how many readers a status tells of one by one.
const maxTold = 64

// told are the facts of what one topic or directory gives to its readers; others are endpoints that only write.
func (t *Topics) told(s backends.TopicState, others ...*backends.Topic) []Fact {
	var ends []backends.Waiter
	var lag, groups []string
	for _, one := range others {
		ends = append(ends, one)
	}
	for _, r := range s.Readers {
		ends = append(ends, r.Subscription)
		if r.Group != "" {
			groups = append(groups, r.Group)
		}
		if len(lag) < maxTold {
			who := strings.Join(t.env.Holders(r.Subscription), "+")
			lag = append(lag, fmt.Sprintf("%s,pending=%d,lost=%d", who, r.Pending, r.Lost))
		}
	}
	facts := []Fact{
		{"published", Count(s.Last)}, {"lost", Count(s.Lost)},
		{"messages", s.Messages}, {"memory", s.Cost}, {"watchers", s.Watchers},
		{"groups", list(groups)}, {"lag", list(lag)},
	}
	return append(facts, t.env.Users(ends...)...)
}

// DirControls is DirController.DirControls: all messages of the topics below a directory, and who reads them.
func (t *Topics) DirControls(dir string, a Attr) []Control {
	return append(reports(t, dir), Control{Name: "all", Perm: a.Mode & 0444, Open: func(flags int, by Caller) (Open, error) {
		if writes(flags) {
			return nil, syscall.EACCES
		}
		end, err := t.back.All(dir, by.mayRead())
		if err != nil {
			return nil, err
		}
		return t.env.File(NewRecords("topic", "seq", "lost"), end, flags, by), nil
	}})
}
