package keeper

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// upgrade is one that is under way: a worker of the program on disk starts and tells that it is ready, the
// worker that serves leaves, the new one takes over. The zero upgrade is none.
type upgrade struct {
	next    *worker // until it takes over
	program *os.File
	said    *os.File
	leaves  bool             // the worker that serves was asked to leave
	takes   bool             // the new one was told to go on with the mount
	late    <-chan time.Time // when the step that is under way has taken too long
	again   bool             // another one is to follow
	over    bool             // it has gone well but for the keeper, which is about to become the new program
}

const (
	readyLimit = 10 * time.Second // for a program to start,
	leaveLimit = 3 * time.Second  // for a worker to finish what it is doing,
	takeLimit  = 20 * time.Second // and for one to serve what the other has left
)

// beginUpgrade starts a worker of the program that is on disk now. It serves when the one that does now has
// left.
func (k *Keeper) beginUpgrade() {
	switch {
	case k.upgrade.program != nil || k.upgrade.over:
		k.upgrade.again = true
		return
	case k.stops || !k.live:
		return
	}
	k.Upgrading()
	k.begun = k.upgrades + 1
	if k.worker != nil {
		k.worker.tell(k.begunText())
	}
	if k.alone != nil {
		k.endUpgrade(k.alone)
		return
	}
	k.Log.Info("an upgrade begins", "program", k.Program)
	u := &k.upgrade
	var err error
	if u.program, err = openProgram(k.Program); err == nil {
		u.said, err = memory("said")
	}
	if err != nil {
		k.endUpgrade(err)
		return
	}
	u.late = time.After(readyLimit)
	u.next = k.spawn(u.program, u.said)
}

// openProgram opens a program to be run. It need not be readable (O_PATH, open(2)), and nobody waits if it is
// a FIFO.
func openProgram(name string) (*os.File, error) {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// memory is a file in memory (memfd_create(2)).
func memory(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// isReady is called when a worker has started and would serve. The message has the version of the link that
// it speaks, its own, and the program that it is, which a script has started perhaps. It reports whether it
// keeps that.
func (k *Keeper) isReady(w *worker, m message) bool {
	u := &k.upgrade
	if w != u.next {
		return false
	}
	if m.number != linkVersion {
		w.cause = fmt.Sprintf("ipcfs %s works with a keeper of another kind: unmount and mount anew", m.text)
		w.kill()
		return false
	}
	if m.fd >= 0 {
		u.program.Close()
		u.program = os.NewFile(uintptr(m.fd), k.Program)
	}
	if k.worker == nil {
		k.takeOver() // the other one has ended by itself
		return true
	}
	u.leaves = true
	u.late = time.After(leaveLimit)
	k.worker.tell(message{word: "leave", fd: -1})
	return true
}

// takeOver has the new worker go on with the mount, which nobody serves now.
func (k *Keeper) takeOver() {
	u := &k.upgrade
	next := u.next
	u.next, u.leaves, u.takes = nil, false, true
	u.late = time.After(takeLimit)
	k.again = nil
	k.serve(next)
}

// tooLate is called when a step of an upgrade has taken too long.
func (k *Keeper) tooLate() {
	u := &k.upgrade
	u.late = nil
	switch {
	case u.takes:
		k.worker.cause = tooLong("it did not serve within", takeLimit)
		k.worker.kill()
	case u.leaves && k.worker != nil:
		k.worker.kill() // what it is doing is done once more
	case u.next != nil:
		u.next.cause = tooLong("it was not ready within", readyLimit)
		u.next.kill()
	}
}

// goBack has the program of before go on, as the new one took over and could not.
func (k *Keeper) goBack(why error) {
	k.upgrade.takes = false
	k.start()
	k.endUpgrade(fmt.Errorf("%w; the program of before goes on", why))
}

// tookOver is called when the new worker serves.
func (k *Keeper) tookOver() {
	u := &k.upgrade
	k.program.Close()
	k.program, u.program = u.program, nil
	u.takes, u.over, u.late = false, true, nil
	u.said.Close()
	k.worker.said, u.said = nil, nil
	// Nobody may be listening for the worker when this process becomes another program.
	_ = k.worker.link.f.SetReadDeadline(time.Now())
}

// endUpgrade ends an upgrade, if one is under way, that cannot be, or is not to be as the mount is to end.
func (k *Keeper) endUpgrade(why error) {
	u := &k.upgrade
	if u.next != nil {
		u.next.kill()
	}
	for _, f := range []*os.File{u.program, u.said} {
		if f != nil {
			f.Close()
		}
	}
	if k.stops {
		k.upgrade = upgrade{}
		return
	}
	k.finish(why.Error())
}

// finish tells how an upgrade has ended.
func (k *Keeper) finish(result string) {
	again := k.upgrade.again
	k.upgrade = upgrade{}
	k.upgrades++
	k.result = fmt.Sprintf("%s, %s", time.Now().Format(time.RFC3339), result)
	if result == Done {
		k.Log.Info("an upgrade is done", "upgrades", k.upgrades)
	} else {
		k.Log.Error("an upgrade is not done", "program", k.Program, "why", result)
	}
	k.Upgraded(result)
	if again { // this is told first: who reads both never finds that none is to come
		k.begun = k.upgrades + 1
	}
	if k.worker != nil {
		k.worker.tell(k.begunText(), k.upgradeText())
	}
	if again {
		k.beginUpgrade()
	}
}

// Done is the result of an upgrade that all went well with.
const Done = "done"

// begunText is how many upgrades have begun.
func (k *Keeper) begunText() message {
	return message{word: "begun", number: uint64(max(k.begun, k.upgrades)), fd: -1}
}

// upgradeText is how the last upgrade ended.
func (k *Keeper) upgradeText() message {
	return message{word: "upgrade", number: uint64(k.upgrades), text: k.result, fd: -1}
}
