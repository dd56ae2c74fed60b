package fs

import "github.com/ipcfs/ipcfs/nodes"

// Monitor is the tree for those who watch it from outside, by metrics or a page.
func (t *Tree) Monitor() *nodes.Monitor {
	return &nodes.Monitor{
		Kinds: t.kinds[:len(t.kinds)-1], Daemon: t.status, Limits: t.limits, OpStats: t.done,
		Failures: t.env.Failures,
	}
}
