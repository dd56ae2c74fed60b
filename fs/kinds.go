package fs

import (
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// rootKind is the kind of the root directory, which belongs to no class.
const rootKind = -1

// kinds is the table of what there is in the tree. A new kind is one line here, one file in nodes and one in backends.
func (t *Tree) openKinds(c Config) error {
	queues := backends.NewQueues(t.env.Poll, c.MaxMsg, c.MsgSize)
	t.closers = append(t.closers, queues)
	shm, err := t.openDir(c.ShmDir)
	if err != nil {
		return err
	}
	fifos, err := t.openDir(c.StateDir + "/fifos")
	if err != nil {
		return err
	}
	faces, err := t.openDir(c.StateDir + "/sockets")
	if err != nil {
		return err
	}
	bound, err := t.openDir(c.StateDir + "/sock")
	if err != nil {
		return err
	}
	sockets, err := nodes.NewSockets(t.env, faces, bound, c.StateDir+"/sock")
	if err != nil {
		return err
	}
	t.closers = append(t.closers, sockets)

	t.kinds = []nodes.Kind{
		{Name: "queues", Class: nodes.NewQueues(t.env, queues)},
		{Name: "shm", Class: nodes.NewShm(shm)},
		{Name: "fifos", Class: nodes.NewFifos(fifos)},
		{Name: "sockets", Class: sockets},
	}
	ctl := nodes.NewCtl(t.kinds, t.env,
		nodes.TextControl("status", func() (string, error) {
			facts, err := t.status()
			return nodes.Render(facts), err
		}),
		nodes.TextControl("status.json", func() (string, error) {
			facts, err := t.status()
			if err != nil {
				return "", err
			}
			return nodes.RenderJSON(facts)
		}))
	t.kinds = append(t.kinds, nodes.Kind{Name: "ctl", Class: ctl})
	return nil
}
