package keeper

import (
	"os"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// pulse tells whether the worker takes up requests: it counts them in the ledger.
type pulse struct {
	beat  *uint64
	last  uint64
	since time.Time // since when requests wait and none is taken up; zero: that is not so
	shot  bool      // the worker was asked for its stacks
}

const (
	beatPeriod = time.Second
	// hangLimit is how long requests may wait before the worker is taken for one that hangs,
	hangLimit = 10 * time.Second
	// and stackLimit how long it may write its stacks then.
	stackLimit = 2 * time.Second
)

func (p *pulse) open(ledger int) (err error) {
	p.beat, err = backends.LedgerBeat(ledger)
	return err
}

func (p *pulse) began() { p.since, p.shot = time.Time{}, false }

// look ends a worker that takes up no requests though some wait. Go's runtime writes all stacks at SIGQUIT.
func (k *Keeper) look() {
	if k.worker == nil || k.device < 0 || !k.worker.live {
		return
	}
	p, now := &k.pulse, time.Now()
	fds := []unix.PollFd{{Fd: int32(k.device), Events: unix.POLLIN}}
	n, _ := unix.Poll(fds, 0)
	switch beat := *p.beat; {
	case n < 1 || fds[0].Revents&unix.POLLIN == 0 || beat != p.last:
		p.last, p.since = beat, time.Time{}
	case p.since.IsZero():
		p.since = now
	case now.Sub(p.since) > hangLimit+stackLimit:
		k.signal(unix.SIGKILL)
	case now.Sub(p.since) > hangLimit && !p.shot:
		p.shot = true
		k.Log.Error("the worker takes up no requests", "pid", k.worker.cmd.Process.Pid, "for", hangLimit)
		k.signal(unix.SIGQUIT)
	}
}

func (k *Keeper) signal(sig os.Signal) { _ = k.worker.cmd.Process.Signal(sig) }
