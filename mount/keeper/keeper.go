// Package keeper has a mount outlive the process that serves it. A keeper is a small process that holds
// what cannot be opened again: the open /dev/fuse and the ledger (backends.Ledger). It starts the worker,
// which does all the work, waits for its end, and starts the next one, which goes on where the last one
// was. It takes no part in any request.
//
// A Link is what the two talk over. A worker tells that it is ready, and waits for its keeper's word. It
// sends the device once it has mounted, tells when the tree is live, and that it ends because the mount has
// ended, or that it leaves as it was asked to. All else is a crash.
//
// An upgrade (upgrade.go) starts a worker from the program that is on disk now. Only when that is ready is
// the worker that serves asked to leave, and if the new one does not serve then, the program of before goes
// on. In the end the keeper itself becomes the new program (successor.go).
package keeper

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Keeper keeps one mount. Run is to be called once.
type Keeper struct {
	// Command makes the command of a worker, with this program: the keeper's, also when its file is gone.
	Command func(program string) *exec.Cmd
	Program string       // where the next program is found
	Before  *Inheritance // of the keeper that this one goes on for; nil: of none
	Log     *slog.Logger

	// Live is called when the tree is live for the first time in this program. Unmount takes the mount away that
	// nobody serves any more, by its connection, 0 if that is not known; nil if it is away.
	Live    func() error
	Unmount func(connection int) error

	Stopping  func()              // is called when the mount is about to end,
	Upgrading func()              // is called when an upgrade begins,
	Upgraded  func(result string) // and when it has ended
	HungUp    func() bool         // reports whether SIGHUP is for the end of a terminal,
	Deaf      bool                // which is not to end the mount (nohup(1))
	Signals   *Signals
	Level     *slog.LevelVar                    // of the log, which workers have, too
	Louder    func()                            // sets another one
	Argv      func(inheritance string) []string // of a keeper that goes on for this one

	ledger  int
	device  int              // -1 until a worker has mounted
	kept    map[uint64]int   // descriptors of the worker's, by their numbers (kept.go)
	program *os.File         // what workers run
	worker  *worker          // the one that serves
	crashes brake            // how often workers have ended
	count   int              // of them
	last    string           // how and when the last one did
	refused string           // why the next one cannot be started
	again   <-chan time.Time // when the next one is to be started
	ends    chan *worker     // a worker has ended
	tells   chan told        // a worker has said something
	pulse   pulse            // what the look found last
	live    bool             // the tree was live
	own     int              // its connection; 0: that is not known
	alone   error            // why no worker can go on where another one was; nil: it can
	stops   bool             // the mount is to end
	ending  ending

	upgrade  upgrade
	begun    int    // how many upgrades have begun,
	upgrades int    // and ended
	result   string // of the last one, and when
}

// told is a message of a worker.
type told struct {
	from *worker
	message
}

// ErrGaveUp is what Run returns if workers end all the time: the mount is gone then.
var ErrGaveUp = errors.New("the daemon ended again and again")

// Ended is the exit status with which a worker has ended a mount.
type Ended int

func (e Ended) Error() string { return fmt.Sprint("exit status ", int(e)) }

// Run serves until the mount ends, or a signal has it end. SIGHUP has the program that is on disk now put
// into service, SIGUSR1 the log have another level.
func (k *Keeper) Run() error {
	// A worker is killed when this thread ends (prctl(2), PR_SET_PDEATHSIG), which it does with the process.
	runtime.LockOSThread()
	k.ends, k.tells = make(chan *worker), make(chan told)
	var err error
	takeThreads()
	if k.program, err = openProgram("/proc/self/exe"); err != nil {
		return err
	}
	if err := k.begin(); err != nil {
		return err
	}
	beats := time.NewTicker(beatPeriod)
	defer beats.Stop()
	for {
		select {
		case sig := <-k.Signals.end:
			if done, err := k.obey(sig); done {
				return err
			}
		case sig := <-k.Signals.others:
			if done, err := k.obey(sig); done {
				return err
			}
		case t := <-k.tells:
			for t.word == unheard && k.Signals.wait() { // the next program would not know of it
				if done, err := k.obey(k.Signals.next()); done {
					return err
				}
			}
			k.heed(t)
		case <-beats.C:
			k.look()
		case <-k.upgrade.late:
			k.tooLate()
		case <-k.ending.late:
			k.tooLateTwice()
		case <-k.again:
			k.start()
		case w := <-k.ends:
			if done, err := k.ended(w); done {
				return err
			}
		}
	}
}

// spareThreads are more than a keeper ever needs at a time.
const spareThreads = 12

// takeThreads has Go's runtime make its threads now. Where it gets none later (RLIMIT_NPROC, pids.max), it
// would end the process.
func takeThreads() {
	var all, made sync.WaitGroup
	all.Add(1)
	for range spareThreads {
		made.Add(1)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			made.Done()
			all.Wait()
		}()
	}
	made.Wait()
	all.Done()
}

// begin starts the first worker, or goes on with that of an earlier keeper.
func (k *Keeper) begin() (err error) {
	k.device = -1
	if k.Before != nil {
		return k.inherit(k.Before)
	}
	if k.ledger, err = backends.NewLedger(); err != nil {
		return err
	}
	if err = k.pulse.open(k.ledger); err == nil {
		k.start()
	}
	return err
}

// obey does what a signal asks for, and reports whether the mount has ended.
func (k *Keeper) obey(sig os.Signal) (bool, error) {
	switch sig {
	case unix.SIGHUP:
		return k.reload(sig)
	case unix.SIGUSR1:
		k.Louder()
		if k.worker != nil {
			k.worker.tell(k.levelText())
		}
		return false, nil
	}
	return k.stop(sig)
}

// levelText is the level of the log.
func (k *Keeper) levelText() message {
	return message{word: "level", number: uint64(k.Level.Level()), fd: -1}
}

// reload begins an upgrade, or has the worker end the mount, as the terminal has hung up, and reports whether
// there is none to do so.
func (k *Keeper) reload(sig os.Signal) (bool, error) {
	switch {
	case !k.HungUp():
		k.beginUpgrade()
	case k.Deaf:
		k.Log.Info("the terminal has hung up, and the mount goes on")
	default:
		return k.stop(sig)
	}
	return false, nil
}

// ended is called when a process has ended, and reports whether the mount has too.
func (k *Keeper) ended(w *worker) (bool, error) {
	if w.box != nil {
		k.collect(w)
		w.box.Close()
	}
	switch {
	case w == k.upgrade.next:
		how := w.end()
		if w.err == nil && w.why == "" && w.cause == "" {
			how = "it ended before it was ready, " + how
		}
		k.endUpgrade(errors.New(how))
		return false, nil
	case w != k.worker:
		return false, nil
	case k.upgrade.leaves && !w.over:
		k.takeOver()
		return false, nil
	}
	if done, err := k.over(w); done {
		return true, err
	}
	if k.alone != nil {
		return true, k.giveUp(fmt.Errorf("%s, and no other worker can go on: %w", w.end(), k.alone))
	}
	if k.upgrade.takes {
		k.goBack(errors.New(w.end()))
		return false, nil
	}
	if k.upgrade.over {
		k.keeps(errors.New("the worker has ended"))
	}
	wait, many := k.crashes.pause(time.Now(), w)
	if many != "" {
		return true, k.giveUp(fmt.Errorf("%s; %s", w.end(), many))
	}
	k.again = time.After(wait)
	return false, nil
}

// over is called when the worker has ended, and reports whether the mount has too.
func (k *Keeper) over(w *worker) (bool, error) {
	k.worker = nil
	status := 1
	if w.state != nil && w.state.Exited() {
		status = w.state.ExitCode()
	}
	switch {
	case w.over && status == 0:
		return true, nil
	case w.cause != "" && k.stops, k.ending.signals > 1:
		return true, k.leave()
	case w.err != nil && !k.live:
		return true, fmt.Errorf("starting the worker: %w", w.err)
	case w.over || !k.live && !w.live && k.device < 0:
		return true, Ended(status) // it has said why
	case k.stops:
		return true, k.leave()
	case k.upgrade.takes:
		return false, nil // that is told as the end of the upgrade
	}
	how := w.end()
	if w.err != nil {
		if k.refused != how {
			k.refused = how // it is said once, and tried often
			k.Log.Error("a worker cannot be started", "why", how)
		}
		return false, nil
	}
	k.count++
	k.refused = ""
	k.last = fmt.Sprintf("%s, %s", time.Now().Format(time.RFC3339), how)
	k.Log.Error("the worker has ended, another one goes on", "how", how, "restarts", k.count)
	return false, nil
}

func (k *Keeper) giveUp(why error) error {
	k.Log.Error("unmounting, as nobody serves the mount any more", "why", why)
	_ = unix.Close(k.device) // which ends all who wait
	return errors.Join(fmt.Errorf("%w: %w", ErrGaveUp, why), k.Unmount(k.own))
}

// start starts a worker, which serves.
func (k *Keeper) start() {
	k.again = nil
	k.serve(k.spawn(k.program, nil))
}

// serve has a worker go on with the mount, or make it.
func (k *Keeper) serve(w *worker) {
	k.worker = w
	k.pulse.began()
	k.ending.began = time.Time{}
	list := k.handKept()
	if k.device >= 0 {
		list = append(list, message{word: "device", fd: k.device})
	}
	list = append(list, k.begunText(), k.upgradeText(), k.levelText(),
		message{word: "go", number: uint64(k.count), text: k.last, fd: -1})
	w.tell(list...)
}

// heed does what a worker says.
func (k *Keeper) heed(t told) {
	m, w := t.message, t.from
	switch m.word {
	case "device":
		if k.device < 0 {
			k.device, k.own = m.fd, int(m.number)
			return
		}
	case "box":
		k.collect(w)
	case "ready":
		if k.isReady(w, m) {
			return
		}
	case "live":
		k.collect(w)
		w.live = true
		k.isLive(w)
	case "alone":
		k.alone = errors.New(m.text)
	case "failed":
		w.why = backends.Line(m.text)
	case "over":
		w.over = true
		k.endsSoon()
	case unheard:
		k.succeed(w)
	}
	if m.fd >= 0 {
		_ = unix.Close(m.fd)
	}
}

// isLive is called when a worker serves.
func (k *Keeper) isLive(w *worker) {
	if w != k.worker {
		return
	}
	if k.live {
		k.Log.Info("another worker serves", "pid", w.process.Pid, "restarts", k.count)
	} else if err := k.Live(); err != nil {
		k.Log.Warn("cannot tell that the tree is live", "err", err)
	}
	k.live = true
	if k.upgrade.takes {
		k.tookOver()
	}
}
