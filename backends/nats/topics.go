package nats

import (
	"encoding/json"
	"hash/fnv"
	"maps"
	"strings"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// TopicRules are the settings of a topic, which stand in its stream's metadata.
type TopicRules struct {
	Retain     bool   `json:"retain"`
	Keep       int    `json:"keep"`
	Slow       string `json:"slow"`
	Depth      int    `json:"depth"`
	Bytes      int    `json:"bytes"`
	NeedReader bool   `json:"noreader"`
}

const metaRules = "ipcfs.rules"

// maxMade is how many directories that nobody else knows a daemon remembers.
const maxMade = 1024

// Why something about topics was refused.
const (
	NoRename backends.Reason = "far-rename" // what is kept elsewhere keeps its name
	OpenDirs backends.Reason = "far-mode"   // a directory there is open to all
	NoBlock  backends.Reason = "far-block"  // no publisher can wait for readers on other machines
	ManyMade backends.Reason = "far-mkdir"  // Most empty directories are remembered
)

// Topics are the topics of an attachment. Each is a stream, of which the server repeats what it stores to all
// who listen: readers here have one feed for each topic. Directories follow from the names of topics; one
// that is made is remembered by this daemon only. The methods wait for answers, and are for workers.
type Topics struct {
	l     *Link
	names *catalogue
	feeds Feeds
	began time.Time

	// Link.mu guards what follows.
	open map[string]*topic    // that somebody has open, by their streams
	alls map[string]*all      // directories that somebody reads
	made map[string]time.Time // directories that were made here
}

// Feeds make Feeds, and give what is published anywhere below directories to those who read those.
type Feeds interface {
	// Feed begins with the message after a number.
	Feed(path string, a backends.Attr, r TopicRules, after uint64) Feed
	// Announce is for a message before which others were lost; way are the attributes of the directories that
	// lead to the topic, and its own.
	Announce(path string, way []backends.Attr, seq, lost uint64, data []byte)
}

// A Feed gives what is published to one topic to those who read it here. It does not wait.
type Feed interface {
	// Give gives the next message: what lies between it and the last one is lost.
	Give(seq uint64, data []byte, at time.Time)
	// Void is a message that takes the retained value back, or all that is kept, and is nobody's.
	Void(seq uint64, all bool)
	// Miss notes that the messages up to a number will not come.
	Miss(seq uint64)
	Become(a backends.Attr, r TopicRules)
	End(removed bool)
}

// Topics are those that the link leads to, which are given to readers by feeds. It is to be called once.
func (l *Link) Topics(feeds Feeds) *Topics {
	t := &Topics{
		l: l, names: l.newCatalogue("topics/", topicSubjects+">", topicOf), feeds: feeds, began: time.Now(),
		open: map[string]*topic{}, alls: map[string]*all{}, made: map[string]time.Time{},
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, t.hear)
	l.healed = append(l.healed, t.heal)
	return t
}

// Count is how many topics there are, as was heard last. It does not wait.
func (t *Topics) Count() (int, error) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	return len(t.names.names), nil
}

// Stat tells of the very topic or directory.
func (t *Topics) Stat(r backends.Ref) (backends.Attr, error) {
	a, err := t.look(r.Path)
	if err == nil {
		err = r.Is(a)
	}
	return a, err
}

// Find tells of whatever has a name.
func (t *Topics) Find(n backends.Name) (backends.Attr, error) { return t.look(n.Path()) }

func (t *Topics) look(path string) (backends.Attr, error) {
	if path == "" {
		return t.directory(path, t.began), nil
	}
	stream, err := topicStream(path)
	if err != nil {
		return backends.Attr{}, err
	}
	info, err := t.l.info(stream, false)
	switch {
	case err == nil:
		return t.l.attr(info), nil
	case err != unix.ENOENT:
		return backends.Attr{}, err
	}
	if made, ok := t.madeHere(path); ok {
		return t.directory(path, made), nil
	}
	some, err := t.below(path)
	if err == nil && !some {
		err = unix.ENOENT
	}
	return t.directory(path, t.began), err
}

func (t *Topics) madeHere(path string) (time.Time, bool) {
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	at, ok := t.made[path]
	return at, ok
}

// below reports whether there are topics below a directory.
func (t *Topics) below(path string) (bool, error) {
	var page streamNames
	err := t.l.call("STREAM.NAMES", map[string]any{"subject": topicSubject(topicSubjects, path) + ".>"}, &page)
	return len(page.Streams) > 0, err
}

// directory are the attributes of a directory, which is open to all.
func (t *Topics) directory(path string, since time.Time) backends.Attr {
	h := fnv.New64a()
	h.Write([]byte(path))
	return backends.Attr{
		ID: backends.ID{Ino: h.Sum64() | 1, Born: 1}, Mode: unix.S_IFDIR | 0777, Nlink: 2,
		Uid: t.l.c.Uid, Gid: t.l.c.Gid, Atime: since, Mtime: since, Ctime: since,
	}
}

// List names what lies in a directory.
func (t *Topics) List(r backends.Ref) ([]backends.Entry, error) {
	prefix, filter := "", topicSubjects+">"
	if r.Path != "" {
		prefix, filter = r.Path+"/", topicSubject(topicSubjects, r.Path)+".>"
	}
	types := map[string]uint32{}
	add := func(path string, typ uint32) {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok || rest == "" {
			return
		}
		if base, _, deeper := strings.Cut(rest, "/"); deeper {
			rest, typ = base, unix.S_IFDIR
		}
		if types[rest] != unix.S_IFREG { // a topic hides a directory of its name
			types[rest] = typ
		}
	}
	err := t.l.names(filter, func(stream string) {
		if path, ok := topicOf(stream); ok {
			add(path, unix.S_IFREG)
		}
	})
	if err != nil {
		return nil, err
	}
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	for path := range t.made {
		add(path, unix.S_IFDIR)
	}
	if _, made := t.made[r.Path]; len(types) == 0 && r.Path != "" && !made {
		return nil, unix.ENOENT
	}
	list := make([]backends.Entry, 0, len(types))
	for name, typ := range types {
		list = append(list, backends.Entry{Name: name, Type: typ})
	}
	return list, nil
}

// Create makes a topic that must not exist yet, with these rules.
func (t *Topics) Create(n backends.Name, o backends.Owner, r TopicRules) (backends.Attr, error) {
	path := n.Path()
	stream, err := topicStream(path)
	if err != nil {
		return backends.Attr{}, err
	}
	if _, ok := t.madeHere(path); ok {
		return backends.Attr{}, unix.EEXIST
	}
	subject := topicSubject(topicSubjects, path)
	config := streamConfig{StreamConfig: nats.StreamConfig{
		Name: stream, Subjects: []string{subject}, Retention: nats.LimitsPolicy, Discard: nats.DiscardOld,
		MaxConsumers: -1, MaxMsgsPerSubject: -1, Replicas: t.l.c.Rules.Replicas, Duplicates: doubleWindow,
		RePublish: &nats.RePublish{Source: subject, Destination: topicSubject(liveSubjects, path)},
		Metadata:  newMeta(o),
	}}
	r.put(&config, false)
	info := &streamInfo{}
	if err := t.l.call("STREAM.CREATE."+stream, config, info); err != nil {
		return backends.Attr{}, err
	}
	return t.l.attr(info), nil
}

// put has the stream of a topic obey rules; shared: it has groups.
func (r TopicRules) put(c *streamConfig, shared bool) {
	c.MaxMsgs, c.MaxBytes = r.held(shared), int64(r.Bytes)
	c.Metadata[metaRules] = string(encode(r))
}

// topicRules are the rules of the topic of a stream; those of one that has none, or something else, are
// empty.
func topicRules(c *streamConfig) (r TopicRules) {
	_ = json.Unmarshal([]byte(c.Metadata[metaRules]), &r)
	return r
}

// Mkdir makes a directory, which only this daemon remembers until there is a topic in it.
func (t *Topics) Mkdir(n backends.Name, o backends.Owner) (backends.Attr, error) {
	if o.Mode&0055 != 0055 {
		return backends.Attr{}, refusal(unix.EOPNOTSUPP, OpenDirs, "")
	}
	path := n.Path()
	if _, err := topicStream(path); err != nil {
		return backends.Attr{}, err
	}
	switch _, err := t.look(path); err {
	case nil:
		return backends.Attr{}, unix.EEXIST
	case unix.ENOENT:
	default:
		return backends.Attr{}, err
	}
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	if len(t.made) >= maxMade {
		return backends.Attr{}, &backends.Refusal{Err: unix.ENOSPC, Why: ManyMade, Most: maxMade}
	}
	now := time.Now()
	t.made[path] = now
	return t.directory(path, now), nil
}

// Change sets attributes of the very topic, if it is still the user's that was seen. To set its size takes
// back its retained value.
func (t *Topics) Change(r backends.Ref, c backends.Change) error {
	a, err := t.Stat(r)
	if err != nil {
		return err
	}
	if a.Type() == unix.S_IFDIR {
		if c.Mode != nil || c.Uid != nil || c.Gid != nil {
			return refusal(unix.EOPNOTSUPP, OpenDirs, "")
		}
		return nil
	}
	if err := r.Owned(a); err != nil {
		return err
	}
	if c.Size != nil {
		one, err := t.Open(r, false)
		if err != nil {
			return err
		}
		one.Clear()
	}
	set := attrMeta(c)
	if len(set) == 0 {
		return nil
	}
	return t.update(r, func(config *streamConfig) { maps.Copy(config.Metadata, set) })
}

// update changes the stream of the very topic.
func (t *Topics) update(r backends.Ref, f func(*streamConfig)) error {
	info, err := t.at(r)
	if err != nil {
		return err
	}
	return t.l.update(info, f)
}

// at asks for what there is to know of the very topic.
func (t *Topics) at(r backends.Ref) (*streamInfo, error) {
	stream, err := topicStream(r.Path)
	if err != nil {
		return nil, err
	}
	info, err := t.l.info(stream, false)
	if err != nil {
		return nil, err
	}
	return info, r.Is(t.l.attr(info))
}

// Remove takes a topic away, if may allows it. Readers get what they have still to read, and then
// backends.ErrRemoved.
func (t *Topics) Remove(n backends.Name, may func(backends.Attr) error) error {
	path := n.Path()
	info, err := t.at(backends.Ref{Path: path})
	if err != nil {
		return err
	}
	if err := may(t.l.attr(info)); err != nil {
		return err
	}
	if err := t.l.erase(info); err != nil {
		return err
	}
	t.l.mu.Lock()
	defer t.l.unlock()
	if one := t.open[info.Config.Name]; one != nil && one.id == idOf(info) {
		one.gone()
	}
	return nil
}

// Rmdir takes a directory away that was made here and holds nothing.
func (t *Topics) Rmdir(n backends.Name, may func(backends.Attr) error) error {
	path := n.Path()
	a, err := t.look(path)
	switch {
	case err != nil:
		return err
	case a.Type() != unix.S_IFDIR:
		return unix.ENOTDIR
	}
	if err := may(a); err != nil {
		return err
	}
	list, err := t.List(backends.Ref{Path: path})
	if err != nil {
		return err
	}
	if len(list) > 0 {
		return unix.ENOTEMPTY
	}
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	delete(t.made, path)
	return nil
}

// Rename refuses. It is not EXDEV, for which mv(1) would read the topic and make another one.
func (t *Topics) Rename(_, _ backends.Name, _ uint32, _ func(backends.Attr) error) error {
	return refusal(unix.EOPNOTSUPP, NoRename, "")
}
