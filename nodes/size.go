package nodes

import (
	"sync"

	"github.com/ipcfs/ipcfs/backends"
)

// sizes are what stat(2) tells of control files. As in sysfs(5) a size is a multiple of the page, never 0,
// and at least as long as the text. Programs which ask for the length and then read that much get the text
// whole, and those that know sysfs (wc, tail, cp) read to the end. A text is made when it is read and not
// before, so its size is taken from how long it was last; most are shorter than a page. It is safe for
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

// told is the size that the file tells, which is at least least bytes.
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
		o.seldom().size = s
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

// leastSize is how many bytes may come at once from a face of end: one unit, or all that waits there. The
// size that is told is at least that. A message of a topic may have 1 MiB, and hardly ever has.
func leastSize(end backends.Endpoint, a Attr) int64 {
	if _, lends := end.(backends.Lender); lends {
		return a.Size
	}
	return max(a.Size, int64(end.Unit()))
}
