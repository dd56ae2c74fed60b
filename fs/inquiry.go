package fs

import "github.com/ipcfs/ipcfs/nodes"

// inquired is called for an OPEN of a message face that nobody's open(2) is: the kernel makes one without any
// flags, not even the O_LARGEFILE of every program, to ask by it for the flags of a file that a program has
// open (FS_IOC_GETFLAGS; fuse_priv_ioctl_prepare, fs/fuse/ioctl.c). There are no such flags, and an open
// would wait for a call or take one. Files of the asking user that were opened for nothing else give back
// what they took (file_flags.txtar).
func (l *live) inquired(uid uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for h := l.face; h != nil; h = h.earlier {
		if h.Uid == uid {
			h.open.(*nodes.File).LookedAt()
		}
	}
	return true
}
