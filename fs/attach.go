package fs

import (
	"fmt"
	"slices"
	"strings"

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

// attach begins to connect to what is attached, and makes the rows of its kinds. It does not wait: the tree is
// there with or without the servers. Topics there are reckoned with those that are published here.
func (t *Tree) attach(list []Attachment, published *topic.Store) error {
	for _, a := range list {
		taken := func(k nodes.Kind) bool { return k.Name == a.Name || strings.HasPrefix(k.Name, a.Name+"/") }
		if slices.ContainsFunc(t.kinds, taken) || a.Name == "ctl" {
			return fmt.Errorf("attach %s: the tree has that name already", a.Name)
		}
		link := nats.Open(a.Name, a.Config, t.env.Poll, t.log)
		t.links = append(t.links, link)
		there := t.env.Elsewhere()
		t.kinds = append(t.kinds, nodes.Kind{
			Name:  a.Name + "/queues",
			Class: nodes.NewQueues(t.env, nodes.AttachedQueues(link.Queues())), Elsewhere: there,
		}, nodes.Kind{
			Name:      a.Name + "/topics",
			Class:     nodes.NewTopics(t.env, nodes.AttachedTopics(link, topic.NewRelay(t.env.Poll, published))),
			Elsewhere: there,
		})
	}
	return nil
}
