package fs

import (
	"fmt"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// rootKind is the kind of the root directory, which belongs to no class.
const rootKind = -1

// kinds is the table of what there is in the tree. A new kind is one line here, one file in nodes and one in backends.
func (t *Tree) openKinds(c Config) error {
	queues := backends.NewQueues(t.env.Poll, c.MaxMsg, c.MsgSize)
	t.closers = append(t.closers, queues)
	if !queues.Listed() {
		t.unlisted = "there is no mount of the mqueue file system: as root, mount -t mqueue mqueue /dev/mqueue, and mount the tree again"
		t.log.Warn("queues are not listed", "why", t.unlisted)
		t.env.Notes.Note("queues", &nodes.Error{Op: "list", Path: "queues", Errno: syscall.EPERM, Advice: t.unlisted})
	}
	shm, err := t.openDir(c.ShmDir)
	if err != nil {
		return err
	}
	if t.restrictions, err = shm.Restrictions(); err != nil {
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
	topics, err := t.openDir(c.StateDir + "/topics")
	if err != nil {
		return err
	}
	room := backends.NewRoom(c.StateDir, fifos, faces, bound, topics)
	t.closers = append(t.closers, room)
	onLease, err := t.openDir(c.StateDir + "/leases")
	if err != nil {
		return err
	}
	leases := backends.OpenLeases(onLease, room)
	t.closers = append(t.closers, leases)
	leases.Recover(queues, t.cameBack)
	reach, err := backends.ParseReach(c.Net)
	if err != nil {
		return fmt.Errorf("net: %w", err)
	}
	t.sockets = backends.NewSockets(t.env.Poll, reach)
	t.closers = append(t.closers, t.sockets)
	sockets, err := nodes.NewSockets(t.env, t.sockets, faces, bound, c.StateDir+"/sock")
	if err != nil {
		return err
	}
	t.closers = append(t.closers, sockets)

	published := backends.NewTopics(t.env.Poll, topics)
	budgets := []backends.Limited{t.env.Shares, t.env.Memory, published.Used, room, leases.Bytes, leases.Tries}

	t.kinds = []nodes.Kind{
		{Name: "queues", Class: nodes.NewQueues(t.env, queues, leases)},
		{Name: "shm", Class: nodes.NewShm(shm)},
		{Name: "fifos", Class: nodes.NewFifos(fifos)},
		{Name: "sockets", Class: sockets},
		{Name: "sysv", Class: nodes.NewSysV(t.env, backends.NewSysV(t.env.Poll))},
		{Name: "topics", Class: nodes.NewTopics(t.env, topics, published)},
	}
	global := []nodes.Control{
		nodes.TextControl("status", rendered(t.status, func(f []nodes.Fact) (string, error) { return nodes.Render(f), nil })),
		nodes.TextControl("status.json", rendered(t.status, nodes.RenderJSON)),
		nodes.LimitsControl(func() []backends.Limit { return backends.Limits(queues, shm, budgets...) }),
		nodes.MetricsControl(t.kinds, t.status),
	}
	roots := map[string]*backends.Dir{"shm": shm, "fifos": fifos, "sockets": faces, "topics": topics}
	if dir := queues.Dir(); dir != nil {
		roots["queues"] = dir
	}
	watch, err := backends.NewWatch(t.env.Poll, roots, func(root, name string) {
		if root == "queues" {
			queues.Removed(name)
			leases.Forget(name)
		}
	})
	if err != nil {
		t.log.Warn("no /ctl/events: see fs.inotify.max_user_instances in /ctl/limits", "err", err)
	} else {
		t.closers = append(t.closers, watch)
		global = append(global, nodes.EventsControl(t.env, watch))
	}
	t.kinds = append(t.kinds, nodes.Kind{Name: "ctl", Class: nodes.NewCtl(t.kinds, t.env, global...)})
	return nil
}

// cameBack tells what became of messages that a daemon that died had handed out.
func (t *Tree) cameBack(queue string, back int, err error) {
	if back > 0 {
		t.log.Info("messages that were out on lease are back in their queue", "queue", queue, "messages", back)
	}
	if err != nil {
		t.log.Warn("a message that was out on lease stays where it is", "queue", queue, "err", err)
		t.env.Notes.Note(strings.TrimSuffix("queues/"+queue, "queues/"), fmt.Errorf("lease: %w", err))
	}
}

func rendered(facts func() ([]nodes.Fact, error), render func([]nodes.Fact) (string, error)) func() (string, error) {
	return func() (string, error) {
		f, err := facts()
		if err != nil {
			return "", err
		}
		return render(f)
	}
}
