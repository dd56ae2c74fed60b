package nodes

// hooks are what the face or the end of a file is told, where it wants to know; nil: it does not.
type hooks struct {
	cut    func()               // the file was opened with O_TRUNC
	ending func()               // it is closed, used or not
	looked func()               // it may have been opened only to ask what file it is
	lives  func()               // it is written down as open: until then what it opened is nobody's
	asking func(request uint64) // which request the next write is
}

// Truncated tells the file that it was opened with O_TRUNC. When it returns, that is written down.
func (f *File) Truncated() {
	if r := f.rare; r != nil && r.cut != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		r.cut()
		if f.lasts() && f.away() == nil {
			f.save(nil, f.note.step)
		}
	}
}

// Ending tells the file, once, that it is closed, before what the ledger has of it is dropped.
func (f *File) Ending() {
	f.mu.Lock()
	var told func()
	if r := f.rare; r != nil {
		told, r.ending = r.ending, nil
	}
	f.mu.Unlock()
	if told != nil {
		told()
	}
}

// LookedAt tells the file that it may have been opened only to ask what file it is.
func (f *File) LookedAt() {
	if r := f.rare; r != nil && r.looked != nil {
		r.looked()
	}
}
