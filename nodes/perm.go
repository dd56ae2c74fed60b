package nodes

import "syscall"

// takePerm is the mode of a file that gives what only readers of the object may have, and takes from them
// what belongs to it: an acknowledgement, the other direction of a call. It asks for no more than what
// open(2) of the object grants for reading.
func takePerm(mode uint32) uint32 { return mode&0444 | mode&0444>>1 }

// taking makes a control file one of takePerm. Opened only for writing, it would give something to users
// who may not read: that is refused.
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
