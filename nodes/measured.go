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

// wasAsked reports whether somebody has asked how long the text is that the file shows.
func (f *File) wasAsked() bool {
	t := f.measured()
	return t != nil && t.wasAsked()
}

// reread counts a read of a text, which got as much as it asked for (whole) or has met the end.
func (f *File) reread(off int64, whole bool) {
	switch {
	case off == 0 && f.again > 0 && whole:
		f.again--
	case !whole:
		if f.again /= 2; off == 0 { // 1 is left where the beginning was not read
			f.again = 0
		}
	}
}

// Measures reports whether Measure has something to do.
func (f *File) Measures() bool { return f.measured() != nil }

// Measure is called before Stat: it has a text made whose length Stat then tells. ErrUnsettled: it is to be
// called again when the file is ready to be read.
func (f *File) Measure() error { return f.measured().Measure() }

// Unprobe tells that nobody waits for an answer of Probe or Measure any more.
func (f *File) Unprobe() {
	if p, ok := f.end.(backends.Prober); ok {
		p.Unprobe()
	}
}
