package fs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/nats"
	"github.com/ipcfs/ipcfs/backends/topic"
	"github.com/ipcfs/ipcfs/nodes"
)

// An Attachment shows what servers elsewhere keep under a name of its own in the tree.
type Attachment struct {
	Name  string
	Asked string // how it was asked for
	nats.Config
}

// attach begins to connect to what is attached, and makes the rows of its kinds. It does not wait. Topics
// there are reckoned with those that are published here.
func (t *Tree) attach(list []Attachment, s *stores) error {
	for _, a := range list {
		taken := func(k nodes.Kind) bool { return k.Name == a.Name || strings.HasPrefix(k.Name, a.Name+"/") }
		if slices.ContainsFunc(t.kinds, taken) || a.Name == "ctl" {
			return fmt.Errorf("attach %s: the tree has that name already", a.Name)
		}
		a.Rules.MaxMsg = cmp.Or(t.config.MaxMsg, a.Rules.MaxMsg)
		a.Rules.MsgSize = cmp.Or(t.config.MsgSize, a.Rules.MsgSize)
		link := nats.Open(a.Name, a.Config, t.env.Poll, t.log)
		t.links = append(t.links, attached{a.Name, link})
		link.Groups, link.Heap = s.groups, t.env.Heap
		there := t.env.Elsewhere()
		there.Name, there.Facts = a.Name, func() []nodes.Fact { return nodes.LinkMeasured(link.State()) }
		t.kinds = append(t.kinds, nodes.Kind{
			Name:  a.Name + "/queues",
			Class: nodes.NewQueues(t.env, nodes.AttachedQueues(link.Queues())), Elsewhere: there,
		}, nodes.Kind{
			Name:      a.Name + "/topics",
			Class:     nodes.NewTopics(t.env, nodes.AttachedTopics(link, topic.NewRelay(t.env.Poll, s.feeds))),
			Elsewhere: there,
		})
	}
	return nil
}

// attached is what the tree has of an attachment.
type attached struct {
	name string
	link *nats.Link
}

// attachedControls are the control files of all that is attached.
func (t *Tree) attachedControls() (list []nodes.Control) {
	for _, a := range t.links {
		list = append(list, nodes.AttachmentControls(a.name, a.link)...)
	}
	return list
}

// tellAttached has /ctl/events tell of what is made and removed elsewhere.
func (t *Tree) tellAttached(watch *backends.Watch) {
	for _, a := range t.links {
		a.link.Tell(func(kind backends.EventKind, path string) { watch.Tell(kind, a.name+"/"+path) })
	}
}

// attachedFacts are those of /ctl/status: how each link is.
func (t *Tree) attachedFacts() (list []nodes.Fact) {
	for _, a := range t.links {
		key := "link_" + keyOf(a.name)
		s := a.link.State()
		state := "down"
		if s.Up {
			state = "up"
		}
		list = append(list, nodes.Fact{Key: key, Value: state})
		if s.Why != nil {
			list = append(list, nodes.Fact{Key: key + "_reason", Value: s.Why.Error()})
		}
		if s.Up {
			list = append(list, nodes.Fact{Key: key + "_version", Value: s.Version},
				nodes.Fact{Key: key + "_max_payload", Value: s.MaxBytes})
		}
	}
	return list
}

// keyOf makes a path a part of a key that a shell can have as a variable.
func keyOf(path string) string { return strings.NewReplacer("/", "_", "-", "_").Replace(path) }

// linkPatience is how long a tree that goes on with open files of what is attached waits for the servers. A
// file that cannot be opened by then answers with EHOSTDOWN.
const linkPatience = time.Second

// awaitLinks waits a moment for what is attached, if files of it are open.
func (t *Tree) awaitLinks(ts *tables) {
	far := func(r handleRecord) bool { return t.kindOf(r.Node, "").Elsewhere != nil }
	if !slices.ContainsFunc(ts.Handles, far) {
		return
	}
	end := time.Now().Add(linkPatience)
	for _, a := range t.links {
		a.link.Await(time.Until(end))
	}
}

// tryLinks waits a moment for what is attached, so that the first call finds it: no longer than until one try
// has failed, as the tree is there with or without the servers. Where another process had the tree before, all
// who use it would wait: nothing is waited for.
func (t *Tree) tryLinks(before *tables) {
	if before != nil {
		return
	}
	late := time.Now().Add(linkPatience)
	for _, a := range t.links {
		a.link.Tried(time.After(time.Until(late)))
	}
}
