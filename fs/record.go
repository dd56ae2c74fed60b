package fs

import (
	"errors"
	"fmt"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// errTables says that bytes are not what Tree.Tables wrote, or what another version of it did.
var errTables = errors.New("not the tables of this version")

// tables are both tables of a tree as records: all that the kernel knows it by. What can be made again of
// them is not in them.
type tables struct {
	Started              int64    // when the tree was opened, in nanoseconds since 1970
	Seed                 [2]int64 // of inode numbers that are made up
	LastNode, LastHandle uint64   // the numbers that were given last
	Nodes                []nodeRecord
	Handles              []handleRecord
	Classes              []classRecord
	Locks                []lockRecord
}

// nodeRecord is a node and what else the table knows of it.
type nodeRecord struct {
	Node
	Class  string // the path of its class; empty for the directories above
	Keyed  bool   // it is the one node of its object
	Spare  bool   // it serves for one more lookup
	Memory bool   // it has shared memory open, for which
	Payer  uint32 // this user pays;
	Backed bool   // the kernel carries that by the backing file
	File   int32  // of this number
	Number uint64 // of its descriptor in the safe; 0: it is not there
	Rest   []byte // what it has kept beside that (nodes.Reopener)
}

// handleRecord is an open file or directory with what it keeps between two calls.
type handleRecord struct {
	Handle
	Names []nodes.Entry // of a directory that was read in part
	Ended uint64        // where it was read to its end
	Kept  nodes.Kept    // of a message face

	keptAt, listed backends.Record // where Kept and Names are in the ledger
}

// classRecord is what a class keeps (nodes.Lasting).
type classRecord struct {
	Name string
	Kept []byte
}

// tablesVersion is what the tables begin with. It changes with each change of a record.
const tablesVersion = 0x6970636673_000a

func (ts *tables) bytes() []byte { return nodes.Encode(ts.code) }

func readTables(b []byte) (*tables, error) {
	ts := &tables{}
	if err := nodes.Decode(b, ts.code); err != nil {
		return nil, fmt.Errorf("%w: %w", errTables, err)
	}
	return ts, ts.check()
}

func (ts *tables) code(c *nodes.Coder) {
	version := uint64(tablesVersion)
	if nodes.Number(c, &version); version != tablesVersion {
		c.Refuse()
		return
	}
	ts.codeTree(c)
	nodes.Number(c, &ts.LastNode)
	nodes.Number(c, &ts.LastHandle)
	nodes.Each(c, &ts.Nodes, func(n *nodeRecord) { n.code(c) })
	nodes.Each(c, &ts.Handles, func(h *handleRecord) {
		h.code(c)
		h.codeNames(c)
		h.Kept.Code(c)
	})
	nodes.Each(c, &ts.Classes, func(k *classRecord) { k.code(c) })
	nodes.Each(c, &ts.Locks, func(k *lockRecord) { k.code(c) })
}

func (ts *tables) codeTree(c *nodes.Coder) {
	nodes.Number(c, &ts.Started)
	nodes.Number(c, &ts.Seed[0])
	nodes.Number(c, &ts.Seed[1])
}

func (k *classRecord) code(c *nodes.Coder) {
	c.Text(&k.Name)
	c.Bytes(&k.Kept)
}

func (n *nodeRecord) code(c *nodes.Coder) {
	nodes.Number(c, &n.ID)
	nodes.Number(c, &n.Parent)
	c.Text(&n.Name)
	c.Text(&n.Class)
	c.Flag(&n.Top)
	nodes.Number(c, &n.Object.Ino)
	nodes.Number(c, &n.Object.Born)
	c.Text(&n.Part.Kind)
	c.Flag(&n.Part.Dir)
	c.Text(&n.Part.Name)
	c.Flag(&n.Message)
	c.Text(&n.Link)
	nodes.Number(c, &n.Mode)
	nodes.Number(c, &n.Uid)
	nodes.Number(c, &n.Gid)
	nodes.Number(c, &n.By)
	nodes.Number(c, &n.Lookups)
	c.Flag(&n.Keyed)
	c.Flag(&n.Spare)
	c.Flag(&n.Memory)
	nodes.Number(c, &n.Payer)
	c.Flag(&n.Backed)
	nodes.Number(c, &n.File)
	nodes.Number(c, &n.Number)
	c.Bytes(&n.Rest)
}

func (h *handleRecord) code(c *nodes.Coder) {
	nodes.Number(c, &h.Num)
	nodes.Number(c, &h.Node)
	nodes.Number(c, &h.Flags)
	nodes.Number(c, &h.Uid)
	nodes.Number(c, &h.Gid)
	nodes.Number(c, &h.Pid)
	nodes.Number(c, &h.Poll)
	c.Flag(&h.Closed)
	nodes.Number(c, &h.Request)
	nodes.Number(c, &h.Ended)
}

func (h *handleRecord) codeNames(c *nodes.Coder) {
	nodes.Each(c, &h.Names, func(e *nodes.Entry) {
		c.Text(&e.Name)
		nodes.Number(c, &e.Type)
	})
}

// Form is nodes.Form of the records of a tree, and of more.
func Form(more ...func(*nodes.Coder)) uint64 {
	h := handleRecord{Names: make([]nodes.Entry, 1)}
	return nodes.Form(append(more,
		new(tables).codeTree, new(nodeRecord).code, h.code, h.codeNames, new(classRecord).code, new(lockRecord).code)...)
}

// check reports whether the numbers of nodes and of handles are those that were given, in their order, each
// once.
func (ts *tables) check() error {
	last := uint64(fuse.FUSE_ROOT_ID)
	for _, n := range ts.Nodes {
		if n.ID <= last || n.ID > ts.LastNode {
			return fmt.Errorf("%w: node %d", errTables, n.ID)
		}
		last = n.ID
	}
	last = 0
	for _, h := range ts.Handles {
		if h.Num <= last || h.Num > ts.LastHandle {
			return fmt.Errorf("%w: open file %d", errTables, h.Num)
		}
		last = h.Num
	}
	return nil
}

// leases are the records of messages that are out on files that go on; nil: there are no tables.
func (ts *tables) leases() map[string]bool {
	if ts == nil {
		return nil
	}
	held := map[string]bool{}
	for i := range ts.Handles {
		held[ts.Handles[i].Kept.Lease] = true
	}
	return held
}
