package keeper

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// worker is a process that serves the mount, has served it, or waits to.
type worker struct {
	process *os.Process
	state   *os.ProcessState // how it has ended
	link    *Link
	box     *Link    // what it has kept, and no more
	said    *os.File // what one that waits has to say (stderr(3)); nil: the log has it
	live    bool
	over    bool   // it has ended because the mount did
	why     string // it could not go on
	cause   string // why the keeper has ended it, which says more than the signal does
	err     error  // it could not be started
	stuck   bool   // it was killed, and a thread of it has still to end
}

// killed reports whether it was SIGKILL that ended it.
func (w *worker) killed() bool {
	if w.state == nil {
		return w.stuck
	}
	status := w.state.Sys().(syscall.WaitStatus)
	return status.Signaled() && status.Signal() == unix.SIGKILL
}

// crashStatus is with what Go's runtime ends a process, after it has said why: of a panic, a fatal error, or a
// signal that it writes all stacks at.
const crashStatus = 2

// end is how the worker has ended, in words.
func (w *worker) end() string {
	if w.cause != "" {
		return w.cause
	}
	text := "could not be started"
	if w.state != nil {
		text = w.state.String()
	}
	if w.stuck {
		text = "signal: killed, while it waited for its own mount"
	}
	switch {
	case w.err != nil:
		text += ": " + w.err.Error()
	case w.why != "":
		text += ": " + w.why
	case w.said != nil:
		b, _ := io.ReadAll(io.NewSectionReader(w.said, 0, maxText))
		first, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
		if first = strings.TrimPrefix(first, "ipcfs: "); first != "" {
			text += ": " + backends.Line(first)
		}
	case w.state != nil && w.state.ExitCode() == crashStatus:
		text += ", as of a panic, a fatal error or a signal: the log has its stacks"
	}
	return text
}

// tooLong is why the keeper ends a worker that takes too long for something.
func tooLong(what string, limit time.Duration) string {
	return fmt.Sprintf("%s %v, and its keeper ended it", what, limit)
}

// kill ends the process, and those that it has started. One of these may have left the process group
// (setsid(2)) and have the other end of the link: nobody waits for that.
func (w *worker) kill() {
	if w.process == nil || w.process.Kill() != nil {
		return
	}
	_ = unix.Kill(-w.process.Pid, unix.SIGKILL)
	if fd, err := w.link.descriptor(); err == nil {
		_ = unix.Shutdown(fd, unix.SHUT_RD) // what was sent before is heard
	}
}

// tell sends messages, in the order in which they are told. It does not wait for a worker that does not hear.
func (w *worker) tell(list ...message) {
	if w.link != nil {
		w.link.post(list...)
	}
}

// spawn starts a worker. One that cannot be started has ended.
func (k *Keeper) spawn(program *os.File, said *os.File) *worker {
	w := &worker{said: said}
	if w.err = k.launch(w, program); w.err != nil {
		go func() { k.ends <- w }()
		return w
	}
	go k.attend(w)
	return w
}

func (k *Keeper) launch(w *worker, program *os.File) error {
	ours, theirs, err := newLink()
	if err != nil {
		return err
	}
	defer theirs.Close()
	box, end, err := newBox()
	if err != nil {
		ours.Close()
		return err
	}
	defer end.Close()
	defer func() {
		if w.box == nil {
			box.Close()
		}
	}()
	ledger, err := unix.FcntlInt(uintptr(k.ledger), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		ours.Close()
		return fmt.Errorf("dup: %w", err)
	}
	file := os.NewFile(uintptr(ledger), "ledger")
	defer file.Close()
	cmd := k.Command(fmt.Sprintf("/proc/self/fd/%d", programFd))
	cmd.ExtraFiles = []*os.File{theirs, file, os.Stderr, program, end}
	if cmd.Stderr = os.Stderr; w.said != nil {
		cmd.Stderr = w.said
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		ours.Close()
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err // its name is ours
		}
		return err
	}
	w.process, w.link, w.box = cmd.Process, ours, box
	return nil
}

// attend hears what a worker says, and waits for its end, or until it is told to stop.
func (k *Keeper) attend(w *worker) {
	over := false
	for {
		m, err := w.link.receive()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			k.tells <- told{w, message{word: unheard, fd: -1}}
			return
		}
		if err != nil {
			break
		}
		over = over || m.word == "over"
		k.tells <- told{w, m}
	}
	w.link.Close()
	w.await(over)
	k.ends <- w
}

// reapLimit is how long it may take from the end of a worker's link to that of its process.
const reapLimit = 200 * time.Millisecond

// await waits for the end of the process, which has closed the link. A thread that has a request of its own
// in the mount (socket.connectThrough) ends when the next worker has answered that: nobody waits for it then.
func (w *worker) await(over bool) {
	ended := make(chan *os.ProcessState, 1)
	go func() {
		state, _ := w.process.Wait()
		ended <- state
	}()
	if over {
		w.state = <-ended
		return
	}
	late := time.NewTimer(reapLimit)
	defer late.Stop()
	select {
	case w.state = <-ended:
	case <-late.C:
		w.kill()
		w.stuck = true
	}
}
