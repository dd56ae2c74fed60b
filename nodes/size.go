package nodes

import (
	"sync"

	"github.com/ipcfs/ipcfs/backends"
)

// sizes are what stat(2) tells of control files: as in sysfs(5) a multiple of the page, never 0, and as much as the text, so that programs
// which ask for the length and then read that much get it whole, and those that know sysfs (wc, tail, cp) read to the end. A text is
// made when it is read and not before. So it is taken to be as long as it was last, and most are shorter than a page. It is safe for
// concurrent use.
type sizes struct {
	mu    sync.Mutex
	pages map[textKey]int // of texts that are longer than one page
}

// A size is that of one control file; nil is none.
type size struct {
	all *sizes
	key textKey
}

const (
	sizePage  = 4096
	sizeMore  = 16   // bytes by which a text may have grown since: its numbers have more digits
	sizesKept = 1024 // of other long texts it is forgotten how long they were
)

// pagesOf is how many pages n bytes take, at least one.
func pagesOf(n int64) int { return max(1, int((n+sizePage-1)/sizePage)) }

// note is told how long the text was.
func (s *size) note(n int) {
	if s == nil {
		return
	}
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	delete(s.all.pages, s.key)
	if pages := pagesOf(int64(n) + sizeMore); pages > 1 {
		for key := range s.all.pages {
			if len(s.all.pages) < sizesKept {
				break
			}
			delete(s.all.pages, key)
		}
		if s.all.pages == nil {
			s.all.pages = map[textKey]int{}
		}
		s.all.pages[s.key] = pages
	}
}

// told is the size of the file, if it has least bytes at least.
func (s *size) told(least int64) int64 {
	if s == nil {
		return 0
	}
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	return int64(max(s.all.pages[s.key], pagesOf(least))) * sizePage
}

// sized has what was opened tell its size.
func sized(open Open, s *size) Open {
	switch o := open.(type) {
	case *File:
		o.size = s
		if t, ok := o.end.(*Text); ok {
			t.size = s
		}
	case *Pending:
		try := o.Try
		o.Try = func() (Open, error) {
			open, err := try()
			return sized(open, s), err
		}
	}
	return open
}

// leastSize is how long that may be which a face of end gives next, or all that waits there. A message of a topic may have 1 MiB, and has
// not.
func leastSize(end backends.Endpoint, a Attr) int64 {
	if _, lends := end.(backends.Lender); lends {
		return a.Size
	}
	return max(a.Size, int64(end.Unit()))
}
