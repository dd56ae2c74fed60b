package nodes

import "syscall"

// takePerm is the mode of a file that gives what only those may have who may read the object, and takes from
// them what belongs to it: an acknowledgement, the other direction of a call. What open(2) of the object
// grants for reading is all it asks for.
func takePerm(mode uint32) uint32 { return mode&0444 | mode&0444>>1 }

// taking makes a control file one of takePerm: opened only for writing it would give to those who may not
// read.
func taking(c Control, mode uint32) Control {
	c.Perm = takePerm(mode)
	open := c.Open
	c.Open = func(flags int, by Caller) (Open, error) {
		if flags&accessMode == writeOnly {
			return nil, syscall.EACCES
		}
		return open(flags, by)
	}
	return c
}
