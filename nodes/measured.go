package nodes

import "github.com/ipcfs/ipcfs/backends"

// measured is the text that the file shows, if it is one whose length fstat(2) tells exactly: it has an end,
// and nobody writes by the same open file.
func (f *File) measured() *Text {
	t, ok := f.end.(*Text)
	if !ok || f.how != ReadText || f.moves != backends.In {
		return nil
	}
	return t
}

// Measures reports whether Measure has something to do.
func (f *File) Measures() bool { return f.measured() != nil }

// Measure is called before Stat: it has a text made whose length Stat then tells. ErrUnsettled: it is to be
// called again when the file is ready to be read.
func (f *File) Measure() error { return f.measured().Measure() }

// Unprobe tells that nobody waits for an answer of Probe or Measure any more.
func (f *File) Unprobe() {
	if u, ok := f.end.(interface{ Unprobe() }); ok {
		u.Unprobe()
	}
}
