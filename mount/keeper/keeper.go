// Package keeper has a mount outlive the process that serves it. A keeper is a small process that holds what
// cannot be opened again: the open /dev/fuse and the ledger (backends.Ledger). It starts the worker, which
// does all the work, waits for its end, and starts the next one, which goes on where the last one was. It takes
// no part in any request.
//
// A Link is what the two talk over. A worker sends its keeper the device once it has mounted, tells when the
// tree is live, and that it ends because the mount has ended. All else is a crash.
package keeper

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Keeper keeps one mount. Run is to be called once.
type Keeper struct {
	// Command makes the command of a worker, with this program: the keeper's, also when its file is gone.
	Command func(program string) *exec.Cmd
	Live    func() error // is called when the tree is live for the first time
	Unmount func() error // takes the mount away that nobody serves any more
	Log     *slog.Logger

	ledger  int
	device  int          // -1 until a worker has mounted
	program *os.File     // what workers run
	worker  *worker      // the one that serves
	crashes brake        // how often workers have ended
	count   int          // of them
	last    string       // how and when the last one did
	ends    chan *worker // a worker has ended
	tells   chan told    // a worker has said something
	pulse   pulse        // what the look found last
	live    bool         // the tree was live
	stops   bool         // the mount is to end
}

// worker is a process that serves, or has served, the mount.
type worker struct {
	cmd  *exec.Cmd
	link *Link
	live bool
	over bool // it has ended because the mount did
	err  error
}

// killed reports whether it was SIGKILL that ended it.
func (w *worker) killed() bool {
	st := w.cmd.ProcessState
	if st == nil {
		return false
	}
	status := st.Sys().(syscall.WaitStatus)
	return status.Signaled() && status.Signal() == unix.SIGKILL
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

// Run serves until the mount ends, or a signal of stop has it end.
func (k *Keeper) Run(stop <-chan os.Signal) error {
	// A worker is killed when this thread ends (prctl(2), PR_SET_PDEATHSIG), which it does with the process.
	runtime.LockOSThread()
	k.device = -1
	k.ends, k.tells = make(chan *worker), make(chan told)
	var err error
	if k.ledger, err = backends.NewLedger(); err != nil {
		return err
	}
	if k.program, err = os.Open("/proc/self/exe"); err != nil {
		return err
	}
	if err := k.pulse.open(k.ledger); err != nil {
		return err
	}
	beats := time.NewTicker(beatPeriod)
	defer beats.Stop()
	k.start()
	var again <-chan time.Time
	for {
		select {
		case sig := <-stop:
			k.stops = true
			if k.worker == nil {
				return k.giveUp(fmt.Errorf("%v while no worker ran", sig))
			}
			_ = k.worker.cmd.Process.Signal(sig) // it may have ended just now
		case t := <-k.tells:
			k.heed(t)
		case <-beats.C:
			k.look()
		case <-again:
			again = nil
			k.start()
		case w := <-k.ends:
			if w != k.worker {
				continue
			}
			if done, err := k.over(w); done {
				return err
			}
			wait, ok := k.crashes.pause(time.Now(), w.live, w.killed())
			if !ok {
				return k.giveUp(errors.New(k.last))
			}
			again = time.After(wait)
		}
	}
}

// over is called when the worker has ended, and reports whether the mount has too.
func (k *Keeper) over(w *worker) (bool, error) {
	k.worker = nil
	status := 1
	if st := w.cmd.ProcessState; st != nil && st.Exited() {
		status = st.ExitCode()
	}
	switch {
	case w.over && status == 0:
		return true, nil
	case w.err != nil && !k.live:
		return true, fmt.Errorf("starting the worker: %w", w.err)
	case w.over || !k.live && !w.live && k.device < 0:
		return true, Ended(status) // it has said why
	case k.stops:
		return true, k.Unmount()
	}
	k.count++
	why := "could not be started"
	if w.cmd.ProcessState != nil {
		why = w.cmd.ProcessState.String()
	}
	if w.err != nil {
		why += ": " + w.err.Error()
	}
	k.last = fmt.Sprintf("%s, %s", time.Now().Format(time.RFC3339), why)
	k.Log.Error("the worker has ended, another one goes on", "how", why, "restarts", k.count)
	return false, nil
}

func (k *Keeper) giveUp(why error) error {
	k.Log.Error("unmounting, as nobody serves the mount any more", "why", why)
	_ = unix.Close(k.device) // which ends all who wait
	return errors.Join(fmt.Errorf("%w: %w", ErrGaveUp, why), k.Unmount())
}

// start starts a worker. One that cannot be started has ended.
func (k *Keeper) start() {
	w := &worker{}
	k.worker = w
	program := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), k.program.Fd())
	w.cmd = k.Command(program)
	ours, theirs, err := newLink()
	if err == nil {
		defer theirs.Close()
		w.link = ours
		files := []*os.File{theirs, os.NewFile(uintptr(dup(k.ledger)), "ledger")}
		w.cmd.ExtraFiles = files
		w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
		err = w.cmd.Start()
		for _, f := range files[1:] {
			f.Close()
		}
	}
	if err != nil {
		w.err = err
		go func() { k.ends <- w }()
		return
	}
	k.pulse.began()
	if k.device >= 0 {
		w.link.queue(message{word: "device", fd: k.device})
	}
	w.link.queue(message{word: "go", number: uint64(k.count), text: k.last, fd: -1})
	go k.attend(w)
}

func dup(fd int) int {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return -1
	}
	return n
}

// attend sends the worker what it needs, hears what it says, and waits for its end.
func (k *Keeper) attend(w *worker) {
	w.link.flush()
	for {
		m, err := w.link.receive()
		if err != nil {
			break
		}
		k.tells <- told{w, m}
	}
	w.err = nil
	_ = w.cmd.Wait() // ProcessState has it
	w.link.Close()
	k.ends <- w
}

// heed does what a worker says.
func (k *Keeper) heed(t told) {
	m := t.message
	switch m.word {
	case "device":
		if k.device < 0 {
			k.device = m.fd
			return
		}
	case "live":
		t.from.live = true
		k.isLive()
	case "over":
		t.from.over = true
	}
	if m.fd >= 0 {
		_ = unix.Close(m.fd)
	}
}

// isLive is called when a worker serves.
func (k *Keeper) isLive() {
	if k.live {
		k.Log.Info("another worker serves", "pid", k.worker.cmd.Process.Pid, "restarts", k.count)
	} else if err := k.Live(); err != nil {
		k.Log.Warn("cannot tell that the tree is live", "err", err)
	}
	k.live = true
}
