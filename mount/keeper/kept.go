package keeper

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A worker has its keeper keep descriptors that cannot be opened again: sockets that listen, with the calls
// that wait there, connections, and what may have lost its name. Each has a number. The next worker gets all
// of them before it goes on. They are no more than the worker has open, which it bounds for each user
// (nodes.Shares), and a keeper has room for them.

// keptSpare are descriptors that a keeper has for itself, and to start the next worker. A worker has as many
// at least that it does not have kept: those it works with, and the spare ones (backends.MayStay).
const keptSpare = 36

// collect takes what is in the box of a worker.
func (k *Keeper) collect(w *worker) {
	for {
		m, err := w.box.tryReceive()
		if err != nil {
			return // there is no more
		}
		if m.word == "keep" {
			k.keep(m.number, m.fd)
		} else if k.drop(m.number); m.text != "" {
			w.tell(message{word: "dropped", number: m.number, fd: -1})
		}
	}
}

// keep keeps one.
func (k *Keeper) keep(number uint64, fd int) {
	if fd < 0 {
		return // there was no room for it
	}
	if len(k.kept) >= backends.MaxDescriptors()-keptSpare {
		_ = unix.Close(fd)
		return
	}
	k.drop(number)
	if k.kept == nil {
		k.kept = map[uint64]int{}
	}
	k.kept[number] = fd
}

// drop closes one.
func (k *Keeper) drop(number uint64) {
	if fd, ok := k.kept[number]; ok {
		delete(k.kept, number)
		_ = unix.Close(fd)
	}
}

// handKept are messages that tell a worker what is kept.
func (k *Keeper) handKept() (list []message) {
	for numbers := range slices.Chunk(slices.Sorted(maps.Keys(k.kept)), maxRights) {
		var text []byte
		var fds []int
		for _, n := range numbers {
			text, fds = binary.LittleEndian.AppendUint64(text, n), append(fds, k.kept[n])
		}
		list = append(list, message{word: "kept", text: string(text), fd: fds[0], more: fds[1:]})
	}
	return list
}

// kept are the descriptors of a message of handKept.
func (m *message) kept() map[uint64]int {
	all := map[uint64]int{}
	for i, fd := range append([]int{m.fd}, m.more...) {
		if at := 8 * i; fd >= 0 && at+8 <= len(m.text) {
			all[binary.LittleEndian.Uint64([]byte(m.text[at:at+8]))] = fd
		}
	}
	return all
}

// bequeath writes which descriptors are kept, for the program that this process becomes.
func (k *Keeper) bequeath() (*os.File, error) {
	f, err := memory("kept")
	if err == nil {
		if err = json.NewEncoder(f).Encode(k.kept); err != nil {
			f.Close()
		}
	}
	return f, err
}

// inheritKept reads it.
func (k *Keeper) inheritKept(fd int) error {
	f := os.NewFile(uintptr(fd), "kept")
	defer f.Close()
	if err := json.NewDecoder(io.NewSectionReader(f, 0, 1<<30)).Decode(&k.kept); err != nil {
		return fmt.Errorf("kept: %w", err)
	}
	for _, fd := range k.kept {
		unix.CloseOnExec(fd)
	}
	return nil
}
