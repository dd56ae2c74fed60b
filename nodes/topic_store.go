package nodes

import (
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/topic"
)

// A TopicStore keeps topics: this daemon, or a broker on other machines. What is said of a QueueStore holds
// for its parts, too. The directories that topics lie in, and their files' modes, are those of a folder.
type TopicStore struct {
	Names  TopicNames
	Opener TopicOpener
	Kept   TopicKeeper // nil: the daemon holds no messages
}

// TopicNames are which topics there are.
type TopicNames interface {
	// Show makes attributes of a topic's file those of the topic: its size is the bytes of the messages it
	// holds. It takes a moment.
	Show(a Attr) Attr
	// Create makes a topic that must not exist yet.
	Create(n Name, o Owner) (Attr, error)
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
	// Publisher is the end of all who only publish.
	Publisher() backends.Endpoint
	// Read opens an end for a reader, which publishes, too, if writes is set.
	Read(how TopicRead, writes bool) backends.Endpoint
	State() topic.State
	Rules() topic.Rules
	// Restrict sets the rules, also for what the topic holds now.
	Restrict(r topic.Rules) error
	// Clear takes back the retained value; Forget also the messages that are kept. Neither waits.
	Clear()
	Forget()
}

// TopicRead is how a topic is read: from now on, or as the one field says that is set.
type TopicRead struct {
	Since    *uint64 // what was published after the message of this number
	Group    string  // each message to one of those who name the same group
	Retained bool    // the retained value, and each that takes its place
	Notice   bool    // only that something has changed
}

// A TopicKeeper writes down the messages that a daemon holds, for another one that goes on with them.
type TopicKeeper interface {
	Records() []topic.Record
	Resume(list []topic.Record)
}

// DaemonTopics are the topics that this daemon keeps, as a TopicStore.
func DaemonTopics(ts *topic.Store) TopicStore {
	return TopicStore{Names: ts, Opener: daemonTopics{ts}, Kept: ts}
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

// Publisher is Topic.Publisher.
func (d daemonTopic) Publisher() backends.Endpoint { return d.Topic }

// Read is Topic.Read.
func (d daemonTopic) Read(how TopicRead, writes bool) backends.Endpoint {
	switch {
	case how.Since != nil:
		return d.Since(*how.Since, writes)
	case how.Group != "":
		return d.Group(how.Group, writes)
	case how.Retained:
		return d.Retained()
	case how.Notice:
		return d.Notice()
	}
	return d.Subscribe(writes)
}
