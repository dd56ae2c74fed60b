package fs

import (
	"cmp"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// Tables writes down all that the kernel knows the tree by, and what the open files keep. A tree in another
// process goes on with that (Config.Tables). No request may be under way. Ask nothing of the tree afterwards,
// and do not close it: the process ends, and what is in the state directory waits for the next one.
func (t *Tree) Tables() []byte {
	ts := tables{Started: t.started.UnixNano(), Seed: t.seed}
	ts.Nodes, ts.LastNode = t.nodeRecords()
	ts.Handles, ts.LastHandle = t.handleRecords()
	ts.Locks = t.lockRecords()
	for _, k := range t.kinds {
		if class, ok := k.Class.(nodes.Lasting); ok {
			ts.Classes = append(ts.Classes, classRecord{k.Name, nodes.Encode(class.Last)})
		}
	}
	return ts.bytes()
}

func (t *Tree) nodeRecords() (list []nodeRecord, last uint64) {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(t.table.nodes)) {
		if id == fuse.FUSE_ROOT_ID {
			continue
		}
		list = append(list, t.nodeRecord(t.table.nodes[id]))
	}
	return list, t.table.last
}

// nodeRecord is the record of a node. The caller holds the table's lock.
func (t *Tree) nodeRecord(n *Node) nodeRecord {
	r := nodeRecord{
		Node: *n, Keyed: t.table.byKey[n.key()] == n.ID,
		Spare: t.table.spare[spot{n.Parent, n.Name}] == spare{node: n.ID},
	}
	if n.Kind != dirKind {
		r.Class = t.kinds[n.Kind].Name
	}
	if l := n.live; l != nil && l.memory != nil {
		m := l.memory
		r.Memory, r.Payer, r.Backed, r.File, r.Number = true, m.uid, m.backer != nil, m.id, m.number
		if rest, ok := m.Memory.(nodes.Lasting); ok {
			r.Rest = nodes.Encode(rest.Last)
		}
	}
	return r
}

func (t *Tree) handleRecords() (list []handleRecord, last uint64) {
	t.handles.mu.RLock()
	defer t.handles.mu.RUnlock()
	for _, num := range slices.Sorted(maps.Keys(t.handles.all)) {
		h := t.handles.all[num]
		r := handleRecord{Handle: h.Handle}
		r.Names, r.Ended = h.left()
		if f, ok := h.open.(*nodes.File); ok {
			r.Kept = f.Keep()
		}
		list = append(list, r)
	}
	return list, t.handles.last
}

// resume has a tree that was just opened go on from the tables of another one. Whatever was open is opened
// again now, by the records alone: later its name may be gone. A file for which that fails is there all the
// same, and answers with the errno.
func (t *Tree) resume(ts *tables) error {
	t.started, t.seed = time.Unix(0, ts.Started), ts.Seed
	for _, c := range ts.Classes {
		i := t.kindAt(c.Name)
		if i < 0 {
			continue
		}
		class, ok := t.kinds[i].Class.(nodes.Lasting)
		if !ok {
			continue
		}
		if err := nodes.Decode(c.Kept, class.Last); err != nil {
			return err
		}
	}
	open := t.fillNodes(ts)
	t.awaitLinks(ts)
	locks := locksBy(ts.Locks)
	for i := range ts.Handles {
		r := &ts.Handles[i]
		h := &opened{Handle: r.Handle}
		h.lasts = true
		if len(r.Names) > 0 || r.Ended > 0 || r.listed != (backends.Record{}) {
			h.seldom().listed = r.listed
			h.rare.resume(r.Names, r.Ended, t.env.Heap, h.Uid)
		}
		t.handles.resume(h, ts.LastHandle)
		t.openAgain(h, &r.Kept, open[h.Node], r.keptAt)
		t.lockAgain(h, locks[h.Num])
		delete(locks, h.Num)
		if h.Closed {
			h.seldom().holds = t.table.hold(h.Node)
		}
	}
	t.dropMemory(open)
	for _, of := range locks { // whose files were closed
		for _, k := range of {
			t.lasting.ledger.Drop(&k.saved)
		}
	}
	for _, told := range append(t.lasting.resumed, t.topics.Resumed) {
		told()
	}
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	for i := range ts.Nodes {
		if r := &ts.Nodes[i]; t.table.unused(r.ID) {
			t.lasting.ledger.Drop(&r.saved)
		}
	}
	return nil
}

// fillNodes fills the table of nodes, and returns the records of those that have shared memory open.
func (t *Tree) fillNodes(ts *tables) map[uint64]*nodeRecord {
	memory := map[uint64]*nodeRecord{}
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	t.table.last = max(t.table.last, ts.LastNode)
	for i := range ts.Nodes {
		r := &ts.Nodes[i]
		n := r.Node
		if n.Kind = dirKind; r.Class != "" {
			n.Kind = t.kindAt(r.Class)
		}
		if n.Kind == dirKind && r.Class != "" {
			continue // there is no such class any more: the kernel is told that the node is stale
		}
		n.Parent = 0
		t.table.nodes[n.ID] = &n
		t.table.looked(&n)
		if r.Keyed {
			t.table.byKey[n.key()] = n.ID
		}
		if r.Memory {
			memory[n.ID] = r
		}
	}
	for i := range ts.Nodes {
		r := &ts.Nodes[i]
		n := t.table.nodes[r.ID]
		if n == nil {
			continue
		}
		t.table.place(n, r.Parent, r.Name)
		if r.Spare {
			t.table.spare[spot{n.Parent, n.Name}] = spare{node: n.ID}
		}
	}
	return memory
}

// openAgain opens what is open by a handle. backing is the record of its node if that has shared memory open.
func (t *Tree) openAgain(h *opened, kept *nodes.Kept, backing *nodeRecord, at backends.Record) {
	n, ok := t.table.get(h.Node)
	l := t.table.open(h.Node)
	if !ok || l == nil || n.Kind == dirKind || n.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		return // of the root nothing else is known
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.memory != nil {
		l.memory.holders++
		h.open = l.memory
		return
	}
	open, err := t.reopen(n, backing)
	again := err == nil
	if !again {
		open, err = t.sameObject(n, h, kept)
	}
	if err != nil {
		t.log.Warn("an open file cannot go on", "path", t.spoken(n), "pid", h.Pid, "err", err)
		open = t.lostOpen(n, err)
	}
	switch open := open.(type) {
	case *nodes.File:
		open.At(t.where(n), n.Part.Name)
		if err == nil {
			open.Resume(*kept)
		}
		open.Lasts(t.lasting.ledger, h.Num, at)
		l.opens(h)
	case nodes.Memory:
		t.env.Shares.Add(backing.Payer, 1)
		l.memory = &memory{Memory: open, holders: 1, uid: backing.Payer, id: backing.File}
		switch {
		case again:
			l.memory.safe, l.memory.number = t.config.Safe, backing.Number
		case backing.Number != 0 && t.config.Safe != nil: // the keeper had no room for it, or another object
			l.memory.keep(t.config.Safe, backing.Number)
		}
		if backing.Backed {
			l.memory.backer = later{t}
		}
		h.open = l.memory
		return
	}
	h.open = open
}

// sameObject opens the object of a node as it was opened for a handle, also if its name is gone.
func (t *Tree) sameObject(n Node, h *opened, kept *nodes.Kept) (nodes.Open, error) {
	by := nodes.Caller{Uid: h.Uid, Gid: h.Gid, Pid: int(h.Pid)}.In(kept)
	open, err := t.namedObject(n, openFlags(h), by, t.lasting.moves.Load(), true)
	if !backends.IsGone(err) {
		return open, err
	}
	object, e := t.object(n)
	if e != nil {
		return nil, err
	}
	if open, e = object.Open(openFlags(h), by.Gone()); backends.IsGone(e) {
		e = err
	}
	return open, e
}

// openFlags are those by which an open file is opened again.
func openFlags(h *opened) int {
	return int(h.Flags) &^ (syscall.O_TRUNC | syscall.O_CREAT | syscall.O_EXCL)
}

// namedObject opens the object of a node, which may be elsewhere by now, as m tells. late: the kernel has let the
// program in so long ago that its mode and owner may be others by now.
func (t *Tree) namedObject(n Node, flags int, by nodes.Caller, m *moves, late bool) (nodes.Open, error) {
	path, ok := t.table.path(n.ID)
	if !ok {
		return nil, syscall.ESTALE
	}
	open, err := t.objectAt(n, path).Open(flags, by)
	if to, moved := m.of(n, err); moved {
		path = to
		open, err = t.objectAt(n, path).Open(flags, by)
	}
	if !late || err != syscall.ESTALE {
		return open, err
	}
	a, err := t.objectAt(n, path).Stat(false)
	if err != nil {
		return nil, err
	}
	n.Mode, n.Uid, n.Gid = a.Mode, a.Uid, a.Gid
	return t.objectAt(n, path).Open(flags, by)
}

// dated gives the times of when the tree was opened to an object that only an earlier process has seen.
func (t *Tree) dated(a nodes.Attr) nodes.Attr {
	if a.Ctime.IsZero() {
		a.Atime, a.Mtime, a.Ctime = t.started, t.started, t.started
	}
	return a
}

// lostOpen is what is open where nothing can be opened again.
func (t *Tree) lostOpen(n Node, err error) nodes.Open {
	errno := nodes.Errno(err)
	if backends.IsGone(errno) {
		errno = syscall.ESTALE // the name is gone, and the object may still be there for others
	}
	if n.Message {
		return t.env.Lost(errno)
	}
	return nodes.LostBytes(errno)
}

// Polled notes by which number the kernel is told that an open file is ready.
func (t *Tree) Polled(fh, kh uint64) { t.handles.note(fh, func(h *Handle) { h.Poll = kh }) }

// Closing notes that an open file was closed for the last time and has something left to send.
func (t *Tree) Closing(fh uint64) {
	h := t.handles.get(fh)
	if h == nil {
		return
	}
	if rare := h.seldom(); rare.holds == nil {
		rare.holds = t.table.hold(h.Node)
	}
	t.handles.note(fh, func(h *Handle) { h.Closed, h.Poll = true, 0 })
}

// Settled is called when all requests have come again that an earlier session had not answered.
func (t *Tree) Settled() {
	t.lasting.moves.Store(nil)
	t.sockets.Settled()
}

// Unfinished are the files that a session which goes on with the tree has to see to: the poll handles of
// those that were polled, and those that were closed for the last time and have something left to send, in
// the order of their numbers.
func (t *Tree) Unfinished() (polled []uint64, closed []Handle) {
	for _, id := range t.unbacked {
		_ = later{t}.BackingClose(id) // what is open by it goes on
	}
	t.unbacked = nil
	t.handles.mu.RLock()
	defer t.handles.mu.RUnlock()
	for _, h := range t.handles.all {
		if h.Poll != 0 {
			polled = append(polled, h.Poll)
		}
		if h.Closed {
			closed = append(closed, h.Handle)
		}
	}
	slices.SortFunc(closed, func(a, b Handle) int { return cmp.Compare(a.Num, b.Num) })
	return polled, closed
}
