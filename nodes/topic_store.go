package nodes

import (
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/topic"
)

// A TopicStore keeps topics: this daemon, or a broker on other machines. What is said of a QueueStore holds
// for its parts, too.
type TopicStore struct {
	Names    TopicNames
	Opener   TopicOpener
	Kept     TopicKeeper // nil: the daemon holds no messages
	OpenDirs bool        // all directories are open to all, as that of the class is: see mayRemove
}

// TopicNames are which topics there are, and the directories they lie in. A topic's size is the bytes of the
// messages it holds.
type TopicNames interface {
	// Stat tells of the very topic or directory, Find of whatever has the name.
	Stat(r Ref) (Attr, error)
	Find(n Name) (Attr, error)
	// List names what lies in a directory, in no order.
	List(r Ref) ([]Entry, error)
	// Count is how many topics there are, in all directories.
	Count() (int, error)
	// Create makes a topic that must not exist yet, Mkdir a directory.
	Create(n Name, o Owner) (Attr, error)
	Mkdir(n Name, o Owner) (Attr, error)
	// Change sets attributes of the very topic or directory. To set the size of a topic takes back its
	// retained value.
	Change(r Ref, c Change) error
	// Remove, Rmdir and Rename are unlink(2), rmdir(2) and renameat2(2), if may allows it for what is there.
	// Readers of a topic follow it to another name; of one that is gone they get what they have still to
	// read, and then backends.ErrRemoved.
	Remove(n Name, may func(Attr) error) error
	Rmdir(n Name, may func(Attr) error) error
	Rename(from, to Name, flags uint32, may func(Attr) error) error
}

// A TopicOpener finds topics.
type TopicOpener interface {
	// Open finds the very topic. One that is judged is ESTALE if its owner or mode are not those that were
	// seen.
	Open(r Ref, judged bool) (Topic, error)
	// All opens all messages of the topics below a directory, where may allows it for the directories that
	// lead to a topic, and the topic.
	All(r Ref, may func(way []Attr) bool) (backends.Endpoint, error)
	// AllState tells of those who have that open.
	AllState(path string) topic.State
}

// A Topic is one topic, for as long as its name.
type Topic interface {
	// Publisher is an end for one who only publishes. All may share one.
	Publisher() backends.Endpoint
	// Publishers are the ends of those who only publish now.
	Publishers() []backends.Waiter
	// Read opens an end for a reader, which publishes, too, if writes is set.
	Read(how TopicRead, writes bool) (backends.Endpoint, error)
	State() topic.State
	Rules() topic.Rules
	// Restrict sets the rules, also for what the topic holds now.
	Restrict(r topic.Rules) error
	// Clear takes back the retained value; Forget also the messages that are kept. What is published behind the
	// last stays, where messages are kept here. Neither waits.
	Clear()
	Forget(last uint64)
}

// TopicRead is how a topic is read: from now on, or as the one field says that is set.
type TopicRead struct {
	Since    *uint64 // what was published after the message of this number
	Group    string  // each message to one of those who name the same group
	By       uint32  // the user
	Retained bool    // the retained value, and each that takes its place
	Notice   bool    // only that something has changed
}

// A TopicKeeper writes down the messages that a daemon holds, for another one that goes on with them.
type TopicKeeper interface {
	Snapshots() []topic.Snapshot
	Resume(list []topic.Snapshot)
}

// DaemonTopics are the topics that this daemon keeps, as a TopicStore. That one exists, whose it is and its
// rules are kept as a regular file in dir.
func DaemonTopics(ts *topic.Store, dir *backends.Dir) TopicStore {
	names := &daemonNames{ts, folder{dir: dir, types: []uint32{syscall.S_IFREG}, message: syscall.S_IFREG}}
	return TopicStore{Names: names, Opener: daemonTopics{ts}, Kept: ts}
}

// daemonNames are the files of those topics, and their directories.
type daemonNames struct {
	*topic.Store
	folder folder
}

func (d *daemonNames) at(r Ref) entry { return entry{&d.folder, Seen{Ref: r}} }

// Stat is TopicNames.Stat.
func (d *daemonNames) Stat(r Ref) (Attr, error) {
	a, err := d.at(r).Stat(false)
	return d.shown(a), err
}

// Find is TopicNames.Find.
func (d *daemonNames) Find(n Name) (Attr, error) {
	seen, err := d.at(n.Dir).Find(n.Base)
	return d.shown(seen.Was), err
}

// shown makes attributes of a topic's file those of the topic.
func (d *daemonNames) shown(a Attr) Attr {
	if a.Type() == syscall.S_IFREG {
		return d.Show(a)
	}
	return a
}

// List is TopicNames.List.
func (d *daemonNames) List(r Ref) ([]Entry, error) { return d.at(r).List() }

// Count is TopicNames.Count.
func (d *daemonNames) Count() (int, error) { return d.at(Ref{}).Count() }

// Create is TopicNames.Create.
func (d *daemonNames) Create(n Name, o Owner) (Attr, error) {
	a, err := d.Store.Create(n, o)
	return d.shown(a), err
}

// Mkdir is TopicNames.Mkdir.
func (d *daemonNames) Mkdir(n Name, o Owner) (Attr, error) {
	seen, err := d.at(n.Dir).Mkdir(n.Base, o)
	return seen.Was, err
}

type daemonTopics struct{ *topic.Store }

// Open is TopicOpener.Open.
func (d daemonTopics) Open(r Ref, judged bool) (Topic, error) {
	find := d.Topic
	if judged {
		find = d.Store.Open
	}
	one, err := find(r)
	if err != nil {
		return nil, err
	}
	return daemonTopic{one}, nil
}

// All is TopicOpener.All.
func (d daemonTopics) All(r Ref, may func(way []Attr) bool) (backends.Endpoint, error) {
	one, err := d.Store.All(r, may)
	if err != nil {
		return nil, err
	}
	return one, nil
}

type daemonTopic struct{ *topic.Topic }

// Publishers is Topic.Publishers.
func (d daemonTopic) Publishers() []backends.Waiter { return []backends.Waiter{d.Topic} }

// Read is Topic.Read.
func (d daemonTopic) Read(how TopicRead, writes bool) (backends.Endpoint, error) {
	return how.of(d.Topic, writes), nil
}

// of reads a topic that the daemon keeps or relays.
func (how TopicRead) of(one *topic.Topic, writes bool) backends.Endpoint {
	switch {
	case how.Since != nil:
		return one.Since(*how.Since, writes)
	case how.Group != "":
		return one.Group(how.Group, writes)
	case how.Retained:
		return one.Retained()
	case how.Notice:
		return one.Notice()
	}
	return one.Subscribe(writes)
}
