package fs

import (
	"fmt"
	"os"
	"slices"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// dirKind is the kind of the root directory and of those between it and the kinds, which belong to no class.
const dirKind = -1

// rows are what there is in every tree: where it is, how it is described to people, and what it is made of. A
// new kind is one line here, one file in nodes and one in backends.
var rows = []struct {
	name        string
	description *nodes.Description
	open        func(*nodes.Env, *stores) nodes.Kind
}{
	{"queues", &nodes.QueueClass, func(env *nodes.Env, s *stores) nodes.Kind {
		return nodes.Kind{
			Class: nodes.NewQueues(env, nodes.KernelQueues(s.queues, s.leases)), Watch: s.queues.Dir(),
		}
	}},
	{"shm", &nodes.ShmClass, func(_ *nodes.Env, s *stores) nodes.Kind {
		class := nodes.NewShm(s.shm)
		return nodes.Kind{Class: class, Space: class.Space, Watch: s.shm, Shared: true}
	}},
	{"fifos", &nodes.FifoClass, func(_ *nodes.Env, s *stores) nodes.Kind {
		class := nodes.NewFifos(s.fifos)
		return nodes.Kind{Class: class, Space: class.Space, Watch: s.fifos}
	}},
	{"sockets", &nodes.SocketClass, func(_ *nodes.Env, s *stores) nodes.Kind {
		return nodes.Kind{Class: s.sockets, Space: s.sockets.Space, OpensLong: true, Watch: s.faces}
	}},
	{"sysv/queues", &nodes.SysVClass, func(env *nodes.Env, s *stores) nodes.Kind {
		return nodes.Kind{Class: nodes.NewSysV(env, s.messages)}
	}},
	{"sysv/shm", &nodes.SegmentClass, func(_ *nodes.Env, s *stores) nodes.Kind {
		class := nodes.NewSegments(s.segments, s.carried)
		class.Lasts(s.ledger, s.left(backends.UnsizedRecord))
		return nodes.Kind{Class: class}
	}},
	{"topics", &nodes.TopicClass, func(env *nodes.Env, s *stores) nodes.Kind {
		class := nodes.NewTopics(env, nodes.DaemonTopics(s.feeds, s.topics))
		return nodes.Kind{Class: class, Space: s.topics.Space, Watch: s.topics}
	}},
}

// Classes describes what there is in every tree, for documents and help.
func Classes() (list []nodes.ClassRow) {
	for _, r := range rows {
		list = append(list, nodes.ClassRow{Name: r.name, Description: r.description})
	}
	return list
}

// openKinds makes the table of what there is in the tree, from rows and from what is attached.
func (t *Tree) openKinds(c Config, before *tables) error {
	s, err := t.openStores(c, before)
	if err != nil {
		return err
	}
	for _, r := range rows {
		kind := r.open(t.env, s)
		kind.Name = r.name
		t.kinds = append(t.kinds, kind)
	}
	if err := t.attach(c.Attached, s); err != nil {
		return err
	}
	if c.Attach != nil {
		attached, err := c.Attach(t.env)
		if err != nil {
			return err
		}
		t.kinds = append(t.kinds, attached...)
	}
	t.elsewhere = slices.ContainsFunc(t.kinds, func(k nodes.Kind) bool { return k.Elsewhere != nil })
	global := []nodes.Control{
		nodes.TextControl("status", rendered(t.status, func(f []nodes.Fact) (string, error) {
			return nodes.Render(f), nil
		})),
		nodes.TextControl("status.json", rendered(t.status, nodes.RenderJSON)),
		nodes.LimitsControl(t.env.Failures, t.limits),
		nodes.MetricsControl(t.kinds, t.status),
	}
	for i := range global {
		global[i].Restless = []string{"requests", "parked", "threads", "open", "nodes", "waiting", "rss", "cpu_ms",
			"keeper_rss"}
	}
	global = append(global, nodes.TextControl("pid", func() (string, error) {
		return fmt.Sprintln(os.Getpid()), nil
	}))
	roots := map[string]*backends.Dir{}
	for _, k := range t.kinds {
		if k.Watch != nil {
			roots[k.Name] = k.Watch
		}
	}
	if dir := s.queues.Dir(); dir != nil {
		t.heedRemovals(dir, func(name string) {
			s.queues.Removed(name)
			s.leases.Forget(name)
		})
	}
	watch, err := backends.NewWatch(t.env.Poll, roots)
	if err != nil {
		t.log.Warn("no /ctl/events: see fs.inotify.max_user_instances in /ctl/limits", "err", err)
	} else {
		t.closers = append(t.closers, watch)
		t.limited = append(t.limited, watch.Watches)
		global = append(global, nodes.EventsControl(t.env, watch))
		t.tellAttached(watch)
	}
	global = append(global, t.attachedControls()...)
	t.dirs = dirsAbove(t.kinds)
	for _, k := range t.kinds {
		t.env.Failures.Classes = append(t.env.Failures.Classes, k.Name)
	}
	t.kinds = append(t.kinds, nodes.Kind{
		Name: "ctl", Class: nodes.NewCtl(t.kinds, t.env, append(global, t.ownControls()...)...),
	})
	return nil
}

func rendered(facts func() ([]nodes.Fact, error),
	render func([]nodes.Fact) (string, error)) func() (string, error) {
	return func() (string, error) {
		f, err := facts()
		if err != nil {
			return "", err
		}
		return render(f)
	}
}

// dirsAbove are the directories between the root and the kinds, the root first.
func dirsAbove(kinds []nodes.Kind) []string {
	dirs := []string{""}
	for _, k := range kinds {
		for i := range k.Name {
			if dir := k.Name[:i]; k.Name[i] == '/' && !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}
