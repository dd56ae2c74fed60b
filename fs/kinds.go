package fs

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/mqueue"
	"github.com/ipcfs/ipcfs/backends/socket"
	"github.com/ipcfs/ipcfs/backends/sysv"
	"github.com/ipcfs/ipcfs/backends/topic"
	"github.com/ipcfs/ipcfs/nodes"
)

// dirKind is the kind of the root directory and of those between it and the kinds, which belong to no class.
const dirKind = -1

// Classes describes what there is in every tree, for documents and help: a row for each of those in
// openKinds.
func Classes() []nodes.ClassRow {
	return []nodes.ClassRow{
		{Name: "queues", Description: &nodes.QueueClass},
		{Name: "shm", Description: &nodes.ShmClass},
		{Name: "fifos", Description: &nodes.FifoClass},
		{Name: "sockets", Description: &nodes.SocketClass},
		{Name: "sysv/queues", Description: &nodes.SysVClass},
		{Name: "sysv/shm", Description: &nodes.SegmentClass},
		{Name: "topics", Description: &nodes.TopicClass},
	}
}

// openKinds makes the table of what there is in the tree. A new kind is one line here, one file in nodes and
// one in backends.
func (t *Tree) openKinds(c Config, before *tables) error {
	queues := mqueue.NewQueues(t.env.Poll, c.MaxMsg, c.MsgSize)
	t.closers = append(t.closers, queues)
	if err := queues.Refused(); err != nil {
		return nodes.Explain("create", "queues", err)
	}
	if !queues.Listed() {
		t.unlisted = nodes.NotListed
		t.log.Warn("queues are not listed", "why", t.unlisted)
		t.env.Notes.Note("queues", &nodes.Error{
			Op: "list", Path: "queues", Errno: syscall.EPERM, Why: errors.New(t.unlisted),
		})
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
	leases := mqueue.OpenLeases(onLease, room)
	t.closers = append(t.closers, leases)
	leases.Work = t.env.Work
	leases.Held = before.leases()
	leases.Recover(queues, t.cameBack)
	t.sockets = socket.NewMaker(t.env.Poll, c.Net)
	t.closers = append(t.closers, t.sockets)
	sockets, err := nodes.NewSockets("sockets", t.env, t.sockets, faces, bound, c.StateDir+"/sock")
	if err != nil {
		return err
	}
	t.closers = append(t.closers, sockets)

	published := topic.NewStore(t.env.Poll, topics)
	messages, segments := sysv.NewQueues(t.env.Poll), sysv.NewSegments()
	t.limited = []backends.Limited{
		queues, messages, segments,
		backends.FileSystem{Dir: shm, Name: "shm_bytes"}, backends.Process{},
		t.env.Shares, t.env.Memory, published.Used, room, leases.Bytes, leases.Tries, sockets.Plain(), queues.Bytes,
		t.handles.used,
	}

	memory, pipes, news := nodes.NewShm(shm), nodes.NewFifos(fifos),
		nodes.NewTopics(t.env, nodes.DaemonTopics(published, topics))
	t.kinds = []nodes.Kind{
		{Name: "queues", Class: nodes.NewQueues(t.env, nodes.KernelQueues(queues, leases)), Watch: queues.Dir()},
		{Name: "shm", Class: memory, Space: memory.Space, Watch: shm, Shared: true},
		{Name: "fifos", Class: pipes, Space: pipes.Space, Watch: fifos},
		{Name: "sockets", Class: sockets, Space: sockets.Space, OpensLong: true, Watch: faces},
		{Name: "sysv/queues", Class: nodes.NewSysV(t.env, messages)},
		{Name: "sysv/shm", Class: nodes.NewSegments(segments)},
		{Name: "topics", Class: news, Space: topics.Space, Watch: topics},
	}
	if err := t.attach(c.Attached, published); err != nil {
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
		nodes.LimitsControl(t.env.Notes, t.limits),
		nodes.MetricsControl(t.kinds, t.status),
	}
	for i := range global {
		global[i].Restless = []string{"requests", "parked", "threads", "open", "nodes", "waiting", "rss", "cpu_ms"}
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
	if dir := queues.Dir(); dir != nil {
		t.heedRemovals(dir, func(name string) {
			queues.Removed(name)
			leases.Forget(name)
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
		t.env.Notes.Classes = append(t.env.Notes.Classes, k.Name)
	}
	t.kinds = append(t.kinds, nodes.Kind{
		Name: "ctl", Class: nodes.NewCtl(t.kinds, t.env, append(global, t.ownControls()...)...),
	})
	return nil
}

// heedRemovals has removed told of queues that are removed, by whomever.
func (t *Tree) heedRemovals(dir *backends.Dir, removed func(name string)) {
	r, err := backends.NewRemovals(t.env.Poll, dir, removed)
	if err != nil {
		t.log.Warn("who waits for a queue is not told when a program removes it: "+
			"see fs.inotify.max_user_instances in /ctl/limits", "err", err)
		return
	}
	t.closers = append(t.closers, r)
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
