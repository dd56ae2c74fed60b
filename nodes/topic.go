package nodes

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/topic"
)

// Topics are topics with the face of a regular file, and the other faces they have in the control tree: what
// is written to a topic goes to all who have it open for reading. Directories make hierarchies. They are
// /topics, and those of other stores under paths of their own.
type Topics struct {
	env   *Env
	store TopicStore
}

// NewTopics shows the topics of a store.
func NewTopics(env *Env, store TopicStore) *Topics { return &Topics{env, store} }

// At is Class.At.
func (t *Topics) At(s Seen) Object { return topicEntry{s, t} }

// topicEntry is a topic, or a directory of them.
type topicEntry struct {
	Seen
	all *Topics
}

// topicSeen is what was found at a path.
func topicSeen(path string, a Attr) Seen {
	return Seen{Ref: Ref{Path: path, Was: a}, Message: a.Type() == syscall.S_IFREG}
}

// name is a name in the directory.
func (t topicEntry) name(base string) Name { return Name{Dir: t.Ref, Base: base} }

// sole is soleMaker.sole: topics elsewhere have other daemons.
func (t topicEntry) sole() bool { return t.all.store.Kept != nil }

// may is who may remove and rename names of the directory.
func (t topicEntry) may(by Caller) func(Attr) error {
	if t.Path == "" || t.all.store.OpenDirs {
		return mayRemove(by)
	}
	return anyone
}

// Stat is Object.Stat; the size is the bytes of the messages the topic holds.
func (t topicEntry) Stat(bool) (Attr, error) { return t.all.store.Names.Stat(t.Ref) }

// Find is Directory.Find.
func (t topicEntry) Find(name string) (Seen, error) {
	n := t.name(name)
	a, err := t.all.store.Names.Find(n)
	return topicSeen(n.Path(), a), err
}

// List is Directory.List.
func (t topicEntry) List() ([]Entry, error) { return t.all.store.Names.List(t.Ref) }

// Count is Counter.Count, of the directory of the class.
func (t topicEntry) Count() (int, error) { return t.all.store.Names.Count() }

// Mkdir is Folders.Mkdir.
func (t topicEntry) Mkdir(name string, o Owner) (Seen, error) {
	n := t.name(name)
	a, err := t.all.store.Names.Mkdir(n, o)
	return topicSeen(n.Path(), a), err
}

// Create is Maker.Create: a topic with the default rules.
func (t topicEntry) Create(name string, o Owner, flags int, by Caller) (Seen, Open, error) {
	seen, err := t.Mknod(name, syscall.S_IFREG, o)
	if err != nil {
		return seen, nil, err
	}
	open, err := topicEntry{seen, t.all}.Open(flags, by)
	if err != nil {
		Unmake(t, seen, by)
	}
	return seen, open, err
}

// Mknod is Maker.Mknod.
func (t topicEntry) Mknod(name string, typ uint32, o Owner) (Seen, error) {
	if typ != syscall.S_IFREG {
		return Seen{}, syscall.EPERM
	}
	o.Mode &^= notOurs
	n := t.name(name)
	a, err := t.all.store.Names.Create(n, o)
	if err != nil {
		return Seen{}, err
	}
	return topicSeen(n.Path(), a), nil
}

// New is newer.New: a topic with rules.
func (t topicEntry) New(name string, _ Owner, c Command, once making) error {
	r, err := rulesFrom(topic.DefaultRules, c)
	if err != nil {
		return err
	}
	seen, err := once(func(o Owner) (Seen, error) { return t.Mknod(name, syscall.S_IFREG, o) })
	if err != nil {
		return err
	}
	one, err := t.all.store.Opener.Open(seen.Ref, false)
	if err == nil {
		err = one.Restrict(r)
	}
	if err != nil {
		_ = t.all.store.Names.Remove(t.name(name), anyone) // nothing half-made stays behind
	}
	return err
}

// Open opens the topic's data face: to read it is to subscribe.
func (t topicEntry) Open(flags int, by Caller) (Open, error) {
	return t.open(flags, by, &Plain{}, TopicRead{})
}

// open opens a face of a topic.
func (t topicEntry) open(flags int, by Caller, face Face, how TopicRead) (Open, error) {
	if _, ok := face.(readOnlyFace); ok && writes(flags) {
		return nil, syscall.EACCES
	}
	one, err := t.all.store.Opener.Open(t.Ref, true)
	if err != nil {
		return nil, err
	}
	how.By = by.Uid
	var end backends.Endpoint
	if flags&accessMode == writeOnly {
		end = one.Publisher()
	} else if end, err = one.Read(how, writes(flags)); err != nil {
		return nil, err
	}
	end = topic.ForFile(end)
	outer := &topicFace{wrapped: wrapped{face}, path: t.Path, topic: one}
	f := t.all.env.File(outer, end, flags, by)
	r := f.seldom()
	r.cut, r.ending = outer.cut, outer.closed
	return f, nil
}

// topicFace is any face of a topic. It explains what the topic refuses. It clears the retained value when it is
// closed, if it was opened with O_TRUNC and nothing was written: readers see one all through `echo 20 > temp`.
type topicFace struct {
	wrapped
	path      string
	topic     Topic
	truncated bool
	wrote     bool
}

// Put is that of the face.
func (f *topicFace) Put(end backends.Endpoint, p []byte) (int, error) {
	n, err := f.Face.Put(end, p)
	f.wrote = f.wrote || err == nil
	return n, f.explain(err)
}

// Finish is finisher.Finish.
func (f *topicFace) Finish(end backends.Endpoint) error { return f.explain(f.wrapped.Finish(end)) }

func (f *topicFace) explain(err error) error {
	switch err {
	case syscall.EMSGSIZE:
		return refuse("write", backends.Refusal{Err: syscall.EMSGSIZE, Why: whyTopicLong, Name: backends.Word(f.path),
			Value: int64(backends.MaxMessage), Most: int64(f.topic.Rules().Bytes)})
	case syscall.EDQUOT:
		return refuse("write", backends.Refusal{
			Err: syscall.EDQUOT, Why: whyTopicBytes, Limit: "topic_bytes", Most: topic.MaxBytes,
		})
	case syscall.ENXIO:
		return refuse("write", backends.Refusal{Err: syscall.ENXIO, Why: whyNoReader})
	}
	return err
}

// cut is File.cut. What comes of it shows when the file is closed: a shell's `>` truncates before it writes.
func (f *topicFace) cut() { f.truncated = true }

// closed is File.ending.
func (f *topicFace) closed() {
	if f.truncated && !f.wrote {
		f.topic.Clear()
	}
}

// Controls is controller.Controls.
func (t topicEntry) Controls() []Control {
	if t.Was.Type() == syscall.S_IFDIR {
		return []Control{{Name: "all", Perm: t.Was.Mode & 0444, Open: t.openAll}}
	}
	list := []Control{
		t.face("lines", func() Face { return newLines() }, TopicRead{}),
		t.face("records", func() Face { return newRecords("seq", "lost") }, TopicRead{}),
		t.face("last", func() Face { return &onceFace{} }, TopicRead{Retained: true}),
		t.face("changed", func() Face { return noticesFace{} }, TopicRead{Notice: true}),
		t.face("whole", func() Face { return &wholeFace{} }, TopicRead{}),
		{Name: "since", Dir: true},
		{Name: "group", Dir: true},
	}
	for i := range list[2:4] {
		list[2+i].Perm &= 0444
	}
	return list
}

// Control is controller.Control: since/SEQ, lines@SEQ, records@SEQ, group/NAME.
func (t topicEntry) Control(name string) (Control, error) {
	if t.Was.Type() == syscall.S_IFDIR {
		return Control{}, syscall.ENOENT
	}
	if group, ok := strings.CutPrefix(name, "group/"); ok && group != "" && !strings.Contains(group, "/") {
		return t.face(name, func() Face { return &Plain{} }, TopicRead{Group: group}), nil
	}
	for prefix, face := range map[string]func() Face{
		"since/":   func() Face { return &Plain{} },
		"lines@":   func() Face { return newLines() },
		"records@": func() Face { return newRecords("seq", "lost") },
	} {
		number, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		seq, err := strconv.ParseUint(number, 10, 64)
		if err != nil || number != strconv.FormatUint(seq, 10) {
			return Control{}, notOne(number, "seq", "they are 0, 1, 2, …")
		}
		return t.face(name, face, TopicRead{Since: &seq}), nil
	}
	return Control{}, syscall.ENOENT
}

// face is a control file that is another face of the topic, for those who may use the topic.
func (t topicEntry) face(name string, face func() Face, how TopicRead) Control {
	return Control{Name: name, Perm: t.Was.Mode & 0666, Open: func(flags int, by Caller) (Open, error) {
		return t.open(flags, by, face(), how)
	}}
}

// noticesFace is the face of what only tells that something changed.
type noticesFace struct{ readsOnly }

// Next is one notice.
func (noticesFace) Next(end backends.Endpoint, buf []byte, size int) ([]byte, error) {
	return Plain{}.Next(end, buf, size)
}

// Remove is Maker.Remove.
func (t topicEntry) Remove(name string, by Caller) error {
	return t.all.store.Names.Remove(t.name(name), t.may(by))
}

// Rmdir is Folders.Rmdir.
func (t topicEntry) Rmdir(name string, by Caller) error {
	return t.all.store.Names.Rmdir(t.name(name), t.may(by))
}

// Rename is Folders.Rename.
func (t topicEntry) Rename(name string, to Directory, newName string, flags uint32, by Caller) error {
	dest, ok := to.(topicEntry)
	switch {
	case !ok:
		return syscall.EXDEV
	case dest.all != t.all:
		return syscall.EOPNOTSUPP // for EXDEV mv(1) would read the topic, and never find its end
	}
	may := t.may(by)
	if dest.Path == "" {
		may = mayRemove(by)
	}
	return t.all.store.Names.Rename(t.name(name), dest.name(newName), flags, may)
}

// Change is Object.Change. Truncating a topic takes back its retained value.
func (t topicEntry) Change(c Change) error {
	if t.Path == "" {
		return syscall.EPERM
	}
	a, err := t.Stat(false)
	if err != nil {
		return err
	}
	return t.all.store.Names.Change(t.Ref, withoutBits(a, c))
}

// TopicClass describes topics.
var TopicClass = Description{
	What:   "one-to-many: every open reader gets every message",
	New:    topicRules,
	Events: fileEvents,
	Verbs: []Verb{
		verb(Verb{Name: "set", Args: topicRules, Help: "see [topics.md](topics.md)"}, topicEntry.restrict,
			topicEntry.rules),
		verb(Verb{Name: "clear", Help: "takes back the retained value and the kept messages"}, topicEntry.clear, nil),
	},
}

// Describe is described.Describe.
func (*Topics) Describe() *Description { return &TopicClass }

func (t topicEntry) restrict(c Command, _ Caller) error {
	one, err := t.all.store.Opener.Open(t.Ref, false)
	if err != nil {
		return err
	}
	r, err := rulesFrom(one.Rules(), c)
	if err != nil {
		return err
	}
	return one.Restrict(r)
}

func (t topicEntry) rules() ([]Option, error) {
	one, err := t.all.store.Opener.Open(t.Ref, false)
	if err != nil {
		return nil, err
	}
	return optionsOf(one.Rules()), nil
}

func (t topicEntry) clear(_ Command, by Caller) error {
	one, err := t.all.store.Opener.Open(t.Ref, false)
	if err == nil {
		last, _ := t.all.env.Acts.Rest(by.request, int64(one.State().Last))
		one.Forget(uint64(last))
	}
	return err
}

// Report is reporter.Report.
func (t topicEntry) Report() ([]Fact, error) {
	a, err := t.Stat(true)
	if err != nil {
		return nil, err
	}
	born := a.BornAt()
	if t.all.store.OpenDirs {
		born = a.Ctime // the identity of what is kept elsewhere is no time
	}
	facts := append(owned(a), created(born)...)
	if a.Type() == syscall.S_IFDIR {
		return append(facts, t.all.told(t.all.store.Opener.AllState(t.Path))...), nil
	}
	one, err := t.all.store.Opener.Open(t.Ref, false)
	if err != nil {
		return nil, err
	}
	s := one.State()
	facts = append(facts, Fact{"bytes", a.Size}, Fact{"value", Label(s.Value)})
	if s.Broken {
		facts = append(facts, Fact{"rules", "default"}) // what lies in its file cannot be read
	}
	return append(facts, t.all.told(s, one.Publishers()...)...), nil
}

// told are the facts of what one topic or directory gives to its readers; ends are those that only write.
func (t *Topics) told(s topic.State, ends ...backends.Waiter) []Fact {
	var lag, groups []string
	for _, r := range s.Readers {
		ends = append(ends, r.Ends...)
		if r.Group != "" {
			groups = append(groups, backends.Word(r.Group))
		}
		if len(lag) < maxTold {
			who := strings.Join(t.env.Holders(r.Ends...), "&") // no word has that
			lag = append(lag, fmt.Sprintf("%s,pending=%d,lost=%d", who, r.Pending, r.Lost))
		}
	}
	facts := []Fact{{"published", Count(s.Last)}, {"received", Count(s.Given.Messages)}}
	if s.Published >= 0 {
		facts = append(facts, Fact{"published_bytes", Count(s.Published)})
	}
	facts = append(facts,
		Fact{"received_bytes", Count(s.Given.Bytes)}, Fact{"lost", Count(s.Lost)},
		Fact{"messages", s.Messages}, Fact{"memory", s.Cost}, Fact{"watchers", s.Watchers},
		Fact{"groups", list(groups)}, Fact{"lag", list(lag)})
	return append(facts, t.env.Users(ends...)...)
}

// openAll opens all messages of the topics below a directory.
func (t topicEntry) openAll(flags int, by Caller) (Open, error) {
	if writes(flags) {
		return nil, syscall.EACCES
	}
	by = by.remembered()
	end, err := t.all.store.Opener.All(t.Ref, by.mayRead())
	if err != nil {
		return nil, err
	}
	return t.all.env.File(newRecords("topic", "seq", "lost"), end, flags, by), nil
}
