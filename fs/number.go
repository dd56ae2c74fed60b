package fs

import (
	"crypto/sha256"
	"encoding/binary"
)

// madeUp is an inode number for what has none of its own. It is the same in each process that goes on with
// the tree, and nobody can find two things whose numbers meet. name tells apart what has no identity.
func (t *Tree) madeUp(n Node, name string) uint64 {
	b := make([]byte, 0, 256)
	for _, v := range [...]uint64{
		uint64(t.seed[0]), uint64(t.seed[1]), uint64(n.Kind + 2), n.Object.Ino, n.Object.Born,
		uint64(len(n.Part.Kind)), uint64(len(n.Part.Name)),
	} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	if n.Part.Dir {
		b = append(b, '/')
	}
	b = append(append(append(b, n.Part.Kind...), n.Part.Name...), name...)
	sum := sha256.Sum256(b)
	return binary.LittleEndian.Uint64(sum[:])
}
