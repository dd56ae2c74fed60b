package nodes

import (
	"github.com/ipcfs/ipcfs/backends"
)

// An Op is a request that may have to wait, whatever it asks for. Its methods never block, and are called by
// one goroutine at a time.
type Op interface {
	// Try begins it or goes on with it. The answer stands at the beginning of buf then, n bytes of it. After
	// backends.ErrWouldBlock nothing was done yet. After backends.ErrUnsettled it is on its way, and even a
	// caller that must not wait waits for its end. Any other error is the answer.
	Try(buf []byte) (n int, err error)
	// For tells what Try waits for after either of the two, and for which direction.
	For() (backends.Waiter, backends.Ready)
	// Stop is called when the caller went away or may wait no longer; why says which. It returns the
	// answer as Try does: why if the operation was taken back, or what was done until now. ErrUnsettled
	// says that it is too late: it goes on, and Try will tell.
	Stop(buf []byte, why error) (n int, err error)
}

// Waits reports whether err is one of the two that an Op answers before its end.
func Waits(err error) bool { return err == backends.ErrWouldBlock || err == backends.ErrUnsettled }

// Pending is an Open that is not there yet: a call is to be accepted, or to be answered. Its functions never
// block.
type Pending struct {
	For backends.Waiter      // In when it is worth trying again
	Try func() (Open, error) // begins and goes on; ErrWouldBlock or ErrUnsettled: it is not there yet
	// Stop gives up, unless Try has succeeded. false: it is too late, and Try will tell. nil: there is
	// nothing to undo.
	Stop func() bool
}

// Stat has nothing to tell yet.
func (*Pending) Stat() (Attr, error) { return Attr{}, backends.ErrWouldBlock }

// Close gives up.
func (p *Pending) Close() error {
	if p.Stop != nil {
		p.Stop()
	}
	return nil
}
