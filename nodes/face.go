package nodes

import (
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// A Truncater is a face for which it means something that its file was opened with O_TRUNC. What it does about it shows when the file
// is closed: a shell's `>` truncates before it writes.
type Truncater interface{ Truncated() }

// A Closer is a face that is told when its file is closed for the last time, used or not.
type Closer interface{ Closed() }

// A keeper is a face that may keep a part of what was written: keeps is how many bytes it keeps now, or less than 0 if it never does.
type keeper interface{ keeps() int }

// wrapped is what a face has in common with the one it is made around.
type wrapped struct{ Face }

// put is Put of the face inside, which does not know the path of the object that its errors are about.
func (f *wrapped) put(end backends.Endpoint, p []byte, path string) (int, error) {
	n, err := f.Face.Put(end, p)
	if known, ok := err.(*Error); ok {
		known.Path = path
	}
	return n, err
}

// Finish is Finisher.Finish.
func (f *wrapped) Finish(end backends.Endpoint) error {
	if last, ok := f.Face.(Finisher); ok {
		return last.Finish(end)
	}
	return nil
}

// Room is Batcher.Room; 0: it is none.
func (f *wrapped) Room(end backends.Endpoint) int {
	if many, ok := f.Face.(Batcher); ok {
		return many.Room(end)
	}
	return 0
}

// Patience is Patient.Patience.
func (f *wrapped) Patience() time.Duration {
	if p, ok := f.Face.(Patient); ok {
		return p.Patience()
	}
	return 0
}

func (f *wrapped) keeps() int {
	if k, ok := f.Face.(keeper); ok {
		return k.keeps()
	}
	return -1
}

func (f *wrapped) whole() bool {
	_, plain := f.Face.(*Plain)
	return plain
}
