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
	start time.Time // of the worker
}

const (
	beatPeriod = time.Second
	// hangLimit is how long requests may wait before the worker is taken for one that hangs,
	hangLimit = 10 * time.Second
	// and stackLimit how long it may write its stacks then.
	stackLimit = 2 * time.Second
	// startLimit is how long one may take that does not serve yet.
	startLimit = time.Minute
)

func (p *pulse) open(ledger int) (err error) {
	p.beat, err = backends.LedgerBeat(ledger)
	return err
}

func (p *pulse) began() { p.since, p.shot, p.start = time.Time{}, false, time.Now() }

// look ends a worker that takes up no requests though some wait. Go's runtime writes all stacks at SIGQUIT.
func (k *Keeper) look() {
	if k.worker == nil || k.worker.process == nil {
		return
	}
	p, now := &k.pulse, time.Now()
	if k.device >= 0 && k.gone() {
		k.endsSoon()
	}
	if !k.ending.began.IsZero() {
		k.lookEnding(now)
		return
	}
	if k.device < 0 {
		return
	}
	if !k.worker.live {
		if now.Sub(p.start) > startLimit {
			k.worker.cause = tooLong("it did not serve within", startLimit)
			k.signal(unix.SIGKILL)
		}
		return
	}
	switch beat := *p.beat; {
	case k.polled()&unix.POLLIN == 0 || beat != p.last:
		p.last, p.since = beat, time.Time{}
	case p.since.IsZero():
		p.since = now
	case now.Sub(p.since) > hangLimit+stackLimit:
		k.signal(unix.SIGKILL)
	case now.Sub(p.since) > hangLimit && !p.shot:
		p.shot = true
		k.worker.cause = tooLong("it took up no requests for", hangLimit)
		k.Log.Error("the worker takes up no requests", "pid", k.worker.process.Pid, "for", hangLimit)
		k.signal(unix.SIGQUIT)
	}
}

func (k *Keeper) signal(sig os.Signal) { _ = k.worker.process.Signal(sig) }
