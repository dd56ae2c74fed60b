package nodes

import (
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// errOneName is why a face cannot be linked.
var errOneName = &backends.Refusal{Err: syscall.EPERM, Why: whyOneName}

// Link is Linker.Link: of a socket that a program bound, and of a plain file. Some programs bind a name of
// their own first, and then link it to the name they are called by, which so is there only when they answer
// (ssh's ControlPath).
func (e socketEntry) Link(o Object, name string) (Seen, error) {
	if network(e.Path) {
		return Seen{}, advise("link", syscall.EPERM, errAddress)
	}
	var from Ref
	switch o := o.(type) {
	case plainFile:
		from = o.Ref
	case socketEntry:
		if o.Was.Type() == syscall.S_IFREG {
			return Seen{}, advise("link", syscall.EPERM, errOneName)
		}
		from = o.Ref
	default:
		return Seen{}, syscall.EXDEV
	}
	e.names.Lock()
	defer e.names.Unlock()
	seen, err := e.entry.link(from, name)
	return e.marked(seen), err
}

// marked is what the entry of a folder has seen, as it is in /sockets.
func (e socketEntry) marked(seen Seen) Seen {
	if plain(seen.Was) {
		seen.Message = false
	}
	seen.Was = e.shown(seen.Path, seen.Was)
	return seen
}
