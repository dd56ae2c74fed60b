package keeper

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Inheritance is what a keeper goes on from that runs in the process of an earlier one (execve(2)):
// descriptors and what they are, and what there is to tell. The worker stays this process's child.
type Inheritance struct {
	Device, Ledger, Link int
	Box                  int // of the worker
	Kept                 int // which descriptors are kept for the worker, and by which numbers
	Worker               int // its process id
	Own                  int // its connection
	Restarts             int
	Last                 string
	Upgrades             int
	Again                bool        // another upgrade is to follow
	Deaf                 bool        // as the keeper is
	Level                *slog.Level // of the log; nil: the one that was asked for
}

// unheard is the word for that nobody listens for the worker any more.
const unheard = "unheard"

// succeed has the program that the worker runs go on as the keeper, in this process. If that cannot be, this
// keeper goes on.
func (k *Keeper) succeed(w *worker) {
	if k.stops { // the worker is about to end the mount
		k.listen(w)
		return
	}
	level := k.Level.Level()
	link, err := w.link.descriptor()
	if err == nil {
		err = k.become(Inheritance{
			Device: k.device, Ledger: k.ledger, Link: link, Box: int(w.box.f.Fd()), Worker: w.process.Pid,
			Own: k.own, Restarts: k.count, Last: k.last, Upgrades: k.upgrades, Again: k.upgrade.again,
			Deaf: k.Deaf, Level: &level,
		})
	}
	k.listen(w)
	k.keeps(err)
}

// listen has somebody listen for the worker again.
func (k *Keeper) listen(w *worker) {
	_ = w.link.f.SetReadDeadline(time.Time{})
	go k.attend(w)
}

// keeps ends an upgrade after which this keeper goes on.
func (k *Keeper) keeps(why error) {
	k.finish(fmt.Sprintf("%s, but for the keeper, which stays the program that it was: %v", Done, why))
}

// become is execve(2).
func (k *Keeper) become(i Inheritance) error {
	kept, err := k.bequeath()
	if err != nil {
		return err
	}
	defer kept.Close()
	i.Kept = int(kept.Fd())
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	for _, fd := range slices.AppendSeq([]int{i.Device, i.Ledger, i.Link, i.Box, i.Kept}, maps.Values(k.kept)) {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("fcntl: %w", err)
		}
		defer unix.CloseOnExec(fd)
	}
	undo, err := k.Signals.hush()
	if err != nil {
		return err
	}
	defer undo()
	err = unix.Exec(fmt.Sprintf("/proc/self/fd/%d", k.program.Fd()), k.Argv(string(text)), os.Environ())
	return fmt.Errorf("execve: %w", err)
}

// inherit goes on for an earlier keeper.
func (k *Keeper) inherit(i *Inheritance) error {
	for _, fd := range []int{i.Device, i.Ledger, i.Link, i.Box} {
		unix.CloseOnExec(fd)
	}
	process, err := os.FindProcess(i.Worker)
	if err != nil {
		return err
	}
	if err := k.inheritKept(i.Kept); err != nil {
		return err
	}
	k.device, k.ledger, k.own = i.Device, i.Ledger, i.Own
	k.count, k.last, k.upgrades = i.Restarts, i.Last, i.Upgrades
	if err := k.pulse.open(k.ledger); err != nil {
		return err
	}
	if i.Level != nil {
		k.Level.Set(*i.Level)
	}
	w := &worker{process: process, link: &Link{f: os.NewFile(uintptr(i.Link), "worker")}, live: true}
	w.box = boxAt(i.Box)
	k.worker = w
	go k.attend(w)
	k.reap()
	k.isLive(w)
	k.upgrade.again, k.Deaf, k.begun = i.Again, i.Deaf, i.Upgrades+1
	k.finish(Done)
	return nil
}

// reap waits for the ends of processes that the program of before has started and that are no workers.
func (k *Keeper) reap() {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range lists {
		text, _ := os.ReadFile(name)
		for word := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil && pid != k.worker.process.Pid {
				go func() { _, _ = unix.Wait4(pid, nil, 0, nil) }()
			}
		}
	}
}
