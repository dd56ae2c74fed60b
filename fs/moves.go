package fs

import (
	"sync"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// moves tell where objects are by now that an earlier process has seen elsewhere. A directory is looked through
// when the first of its objects is not where it was. They are safe for concurrent use; nil tells nothing.
type moves struct {
	t      *Tree
	mu     sync.Mutex
	places map[int32]*backends.Places // by class
}

// moves has what tells until Settled.
func (t *Tree) moves() *moves {
	m := &moves{t: t}
	t.lasting.moves.Store(m)
	return m
}

// topics are where those are.
func (m *moves) topics() *backends.Places { return m.in(m.t.kindAt("topics")) }

// of is where the object of a node is now, inside the class, if it is not where the node is, as err says.
func (m *moves) of(n Node, err error) (path string, moved bool) {
	if m == nil || !backends.IsGone(err) {
		return "", false
	}
	if n.Part.Kind == "" {
		path = m.in(n.Kind).Of(n.Object)
		return path, path != ""
	}
	path = m.in(m.t.kindAt(n.Part.Kind)).Of(n.Object)
	return n.Part.Kind + "/" + path + "/" + n.Part.Name, path != ""
}

// in are where the objects of a class are, if they can be moved and nobody else has their directories.
func (m *moves) in(kind int32) *backends.Places {
	if kind < 0 || m.t.kinds[kind].Elsewhere != nil || m.t.kinds[kind].Shared {
		return &backends.Places{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if all := m.places[kind]; all != nil {
		return all
	}
	all, class := &backends.Places{}, m.t.kinds[kind].Class
	var look func(in nodes.Object)
	look = func(in nodes.Object) {
		dir, ok := in.(nodes.Directory)
		if !ok {
			return
		}
		list, _ := dir.List()
		for _, e := range list {
			s, err := dir.Find(e.Name)
			if err == nil && all.Add(s.Was, s.Path) && s.Was.Type() == syscall.S_IFDIR {
				look(class.At(s))
			}
		}
	}
	top := class.At(nodes.Seen{})
	if _, moves := top.(nodes.Folders); moves {
		look(top)
	}
	if m.places == nil {
		m.places = map[int32]*backends.Places{}
	}
	m.places[kind] = all
	return all
}
