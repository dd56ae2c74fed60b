package keeper

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ending is the end of the mount that is under way: a signal has asked for it, the worker has said so, or the
// kernel has. The zero ending is none.
type ending struct {
	signals int              // that asked for it
	began   time.Time        // since when it is; zero: the mount is not about to end
	since   time.Time        // since when the worker has done nothing for it
	used    time.Duration    // the processor's time that the worker has used
	shot    time.Time        // when it was asked for its stacks; zero: it was not
	late    <-chan time.Time // when one that was asked twice has taken too long
}

const (
	// busyTime is what a worker uses of a processor between two looks that still does something: it may have
	// many files to close, and messages on lease to put back.
	busyTime = 20 * time.Millisecond
	// endLimit is how long one may take that does, which is more than it needs for as many as there may be.
	endLimit = time.Minute
	// twiceLimit is how long one may take to end that was asked twice.
	twiceLimit = 500 * time.Millisecond
)

// errTwice is what Run returns if a second signal has ended it.
var errTwice = errors.New("ended by a second signal")

// stop has the worker end the mount, the second time at once, and reports whether there is none to do so.
func (k *Keeper) stop(sig os.Signal) (bool, error) {
	e := &k.ending
	e.signals++
	k.stops = true
	k.Log.Info("the mount is to end", "signal", sig.String(), "count", e.signals)
	if e.signals == 1 {
		k.Stopping()
		k.endUpgrade(nil)
	}
	if k.worker == nil {
		return true, k.giveUp(fmt.Errorf("%v while no worker ran", sig))
	}
	k.endsSoon()
	if k.worker.process != nil {
		k.signal(sig) // it may have ended just now
	}
	if e.signals == 2 {
		e.late = time.After(twiceLimit)
	}
	return false, nil
}

// endsSoon is called when the mount is about to end, once or more: the worker has its time to end from then on.
func (k *Keeper) endsSoon() {
	e := &k.ending
	if !e.began.IsZero() {
		return
	}
	e.began = time.Now()
	e.since = e.began
	if k.worker != nil && k.worker.process != nil {
		e.used = processorTime(k.worker.process.Pid)
	}
}

// lookEnding ends a worker that does nothing to end, or takes too long, though the mount does end. Go's runtime
// writes all stacks at SIGQUIT.
func (k *Keeper) lookEnding(now time.Time) {
	e := &k.ending
	used := processorTime(k.worker.process.Pid)
	if used > e.used+busyTime {
		e.since = now
	}
	e.used = used
	switch {
	case !e.shot.IsZero():
		if now.Sub(e.shot) > stackLimit {
			k.worker.kill()
		}
	case now.Sub(e.since) > hangLimit, now.Sub(e.began) > endLimit:
		limit := hangLimit
		if now.Sub(e.since) <= hangLimit {
			limit = endLimit
		}
		e.shot = now
		k.stops = true
		k.endUpgrade(nil)
		k.Log.Error("the worker does not end, and is killed", "pid", k.worker.process.Pid, "for", limit)
		k.worker.cause = tooLong("it did not end within", limit)
		k.signal(unix.SIGQUIT)
	}
}

// tooLateTwice kills a worker that a second signal has not ended.
func (k *Keeper) tooLateTwice() {
	k.ending.late = nil
	if w := k.worker; w != nil && w.process != nil {
		k.Log.Error("the worker does not end, and is killed", "pid", w.process.Pid, "for", twiceLimit)
		w.cause = tooLong("it did not end at a second signal within", twiceLimit)
		w.kill()
	}
}

// leave is called when the worker was killed, or has crashed, as the mount was to end. It takes the mount away
// if it is still there, also after the connection was aborted (fusectl).
func (k *Keeper) leave() (err error) {
	if k.ending.signals > 1 {
		err = errTwice
	}
	if k.device < 0 {
		return err
	}
	_ = unix.Close(k.device) // which ends all who wait
	return errors.Join(err, k.Unmount(k.own))
}

// gone reports whether the kernel has ended the connection, as it does when the mount is gone and nobody has
// anything of it any more.
func (k *Keeper) gone() bool { return k.polled()&unix.POLLERR != 0 }

// polled is what poll(2) finds at the device. It does not wait.
func (k *Keeper) polled() int16 {
	fds := []unix.PollFd{{Fd: int32(k.device), Events: unix.POLLIN}}
	_, _ = unix.Poll(fds, 0)
	return fds[0].Revents
}

// processorTime is how long a process has run on processors, 0 if that is not known. The clock is that of
// clock_getcpuclockid(3).
func processorTime(pid int) time.Duration {
	var used unix.Timespec
	_ = unix.ClockGettime(int32(^pid)<<3|2, &used)
	return time.Duration(used.Nano())
}
