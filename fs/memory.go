package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// memory is the one backing file of a shared memory object, for all who have it open: the kernel allows an
// inode one backing file, and either all opens of it are passthrough or none is (fs/fuse/iomode.c). Where the
// tree goes on in another process, its descriptor does: the name may lead elsewhere by then, without anybody's
// being told before. join and leave are called with the node's lock held.
type memory struct {
	nodes.Memory
	holders int
	uid     uint32 // who pays for its descriptor
	backer  Backer // nil: the page cache of the mount carries the bytes
	id      int32
	failed  error // why the kernel did not take the backing file, if it was asked

	safe   backends.Safe // nil: the descriptor ends with the process
	number uint64        // of the descriptor in there
}

// newMemory holds m once, for a user.
func (t *Tree) newMemory(m nodes.Memory, uid uint32) *memory {
	one, b := &memory{Memory: m, holders: 1, uid: uid}, t.backer()
	if t.config.Safe != nil && t.lasting.ledger != nil && m.Fd() >= 0 {
		one.keep(t.config.Safe, t.lasting.ledger.NextKept())
	}
	if b == nil || !m.Carried() {
		return one
	}
	if one.id, one.failed = b.BackingOpen(m.Fd()); one.failed == nil {
		one.backer = b
	}
	return one
}

// keep has the descriptor outlive the process, by this number.
func (m *memory) keep(in backends.Safe, number uint64) {
	m.safe, m.number = in, number
	in.Keep(number, m.Fd())
}

// takeMemory takes the descriptors of shared memory out of what an earlier process has left.
func (t *Tree) takeMemory(before *tables) {
	if before == nil || t.config.Safe == nil {
		return
	}
	left := t.config.Safe.Left()
	t.lasting.memory = map[uint64]int{}
	for i := range before.Nodes {
		number := before.Nodes[i].Number
		if fd, ok := left[number]; ok && number != 0 {
			t.lasting.memory[number] = fd
			delete(left, number)
		}
	}
}

// reopen has the shared memory of a node go on by the descriptor that an earlier process has left.
func (t *Tree) reopen(n Node, r *nodeRecord) (nodes.Open, error) {
	class, ok := t.kinds[n.Kind].Class.(nodes.Reopener)
	if r == nil || !ok {
		return nil, syscall.ESTALE
	}
	fd, ok := t.lasting.memory[r.Number]
	if !ok {
		return nil, syscall.ESTALE
	}
	path, _ := t.table.path(n.ID)
	was := nodes.Attr{ID: n.Object, Mode: n.Mode, Uid: n.Uid, Gid: n.Gid}
	open, err := class.Reopen(nodes.Ref{Path: path, Was: was}, fd, r.Rest)
	if delete(t.lasting.memory, r.Number); err != nil { // what is opened instead may have the number
		t.config.Safe.Drop(r.Number, backends.CloseLater)
		_ = syscall.Close(fd)
	}
	return open, err
}

// dropMemory closes what nobody goes on with: the last who had it open has closed it. open are the records of
// what was open. A backing file that was given back just before the process ended is so once more: the kernel
// gives numbers in turn (idr_alloc_cyclic, fs/fuse/backing.c), so it is nobody else's by now.
func (t *Tree) dropMemory(open map[uint64]*nodeRecord) {
	for id, r := range open {
		if l := t.table.open(id); l != nil && l.memory == nil && r.Backed {
			t.unbacked = append(t.unbacked, r.File)
		}
	}
	for number, fd := range t.lasting.memory {
		t.config.Safe.Drop(number, backends.CloseLater)
		_ = syscall.Close(fd)
	}
	t.lasting.memory = nil
}

func (m *memory) join(flags uint32) error {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		if err := m.Writable(); err != nil {
			return err
		}
	}
	if flags&syscall.O_TRUNC != 0 {
		var none int64
		if err := m.Change(nodes.Change{Size: &none}); err != nil {
			return err
		}
	}
	m.holders++
	return nil
}

// leave gives up one hold and reports whether it was the last, which closes the file.
func (m *memory) leave() (last bool, err error) {
	if m.holders--; m.holders > 0 {
		return false, nil
	}
	if m.backer != nil {
		err = m.backer.BackingClose(m.id)
	}
	if m.safe != nil {
		m.safe.Drop(m.number, m.closing())
	}
	if e := m.Memory.Close(); err == nil {
		err = e
	}
	return true, err
}

// closing says when the descriptor that is kept is to be closed: a program cannot be started while somebody has it
// open for writing (ETXTBSY), and `cp` of one is followed by that.
func (m *memory) closing() backends.Closing {
	if a, err := backends.Fstat(m.Fd()); err == nil && a.Mode&0111 != 0 {
		return backends.CloseSoon
	}
	return backends.CloseLater
}

func (m *memory) answer(out *fuse.OpenOut) {
	if m.backer != nil {
		out.OpenFlags, out.BackingID = fuse.FOPEN_PASSTHROUGH, m.id
	}
}

// later is the Backer that the tree gets when it is attached.
type later struct{ t *Tree }

// BackingOpen is Backer.BackingOpen.
func (b later) BackingOpen(fd int) (int32, error) { return b.t.backer().BackingOpen(fd) }

// BackingClose is Backer.BackingClose.
func (b later) BackingClose(id int32) error {
	if to := b.t.backer(); to != nil {
		return to.BackingClose(id)
	}
	return nil
}
