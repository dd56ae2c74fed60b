package nodes

import (
	"context"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"
)

// How often the objects of a kind elsewhere are asked about while somebody watches, also when they could not
// be asked, how many of them, and for how long at a time.
const (
	hearPeriod = 5 * time.Second
	hearAgain  = time.Second
	maxHeard   = 200
	hearLimit  = 30 * time.Second
)

// heard is what was heard last of the objects of a kind that is elsewhere. Whoever watches a tree does not
// wait for others, and nothing is asked while nobody watches.
type heard struct {
	mu     sync.Mutex
	list   []Surveyed
	next   time.Time // when they are asked about
	asking bool
}

// heard tells of the objects of one of its kinds as they were heard of last, and has them asked about anew if
// that was a while ago. Directories of an attachment are open to all, so it tells everybody.
func (e *Elsewhere) heard(k Kind, tell func(Surveyed)) {
	e.mu.Lock()
	h := e.kinds[k.Name]
	if h == nil {
		h = &heard{}
		if e.kinds == nil {
			e.kinds = map[string]*heard{}
		}
		e.kinds[k.Name] = h
	}
	e.mu.Unlock()
	h.mu.Lock()
	list := h.list
	if !h.asking && !time.Now().Before(h.next) {
		h.asking = true
		e.Work.Go(Nobody.Uid, func(ctx context.Context) { h.ask(ctx, k) })
	}
	h.mu.Unlock()
	for _, one := range list {
		tell(one)
	}
}

// ask asks about all objects. If that fails, what was heard before stays: of those that do not answer, or of
// all if it is not known which there are.
func (h *heard) ask(ctx context.Context, k Kind) {
	h.mu.Lock()
	a, all := &asking{ctx: ctx, kind: k, before: h.list, until: time.Now().Add(hearLimit)}, false
	h.mu.Unlock()
	defer func() { // also after a panic
		h.mu.Lock()
		defer h.mu.Unlock()
		h.asking, h.next = false, time.Now().Add(hearAgain)
		if all {
			h.list, h.next = a.found, time.Now().Add(hearPeriod)
		}
	}()
	all = a.all(k.Class.At(Seen{}), "") == nil
}

// asking is one round of questions about the objects of a kind.
type asking struct {
	ctx    context.Context
	kind   Kind
	before []Surveyed // heard the last time
	until  time.Time  // then the rest stays as it was heard before
	found  []Surveyed
}

func (a *asking) all(dir Object, at string) error {
	d, ok := dir.(Directory)
	if !ok {
		return nil
	}
	list, err := d.List()
	if err != nil {
		return err
	}
	for _, e := range list {
		if len(a.found) == maxHeard {
			return nil
		}
		if err := a.ctx.Err(); err != nil {
			return err
		}
		name := path.Join(at, e.Name)
		if time.Now().After(a.until) {
			a.keep(name)
			continue
		}
		s, err := d.Find(e.Name)
		if err == nil {
			err = a.one(s, name)
		}
		switch Errno(err) {
		case 0, syscall.ENOENT, syscall.ESTALE, syscall.EIDRM: // it is gone meanwhile
		case syscall.EHOSTDOWN:
			return err // so are the others
		default:
			a.keep(name)
		}
	}
	return nil
}

// keep takes what was heard before of an object, or of all in a directory.
func (a *asking) keep(name string) {
	for _, one := range a.before {
		if one.Name == name || strings.HasPrefix(one.Name, name+"/") {
			a.found = append(a.found, one)
		}
	}
}

func (a *asking) one(s Seen, name string) error {
	object := a.kind.Class.At(s)
	if s.Was.Type() == syscall.S_IFDIR {
		return a.all(object, name)
	}
	one := Surveyed{Class: a.kind.Name, Name: name, Seen: s}
	if reporter, ok := object.(reporter); ok {
		facts, err := reporter.Report()
		if err != nil {
			return err
		}
		one.Facts = facts
	}
	a.found = append(a.found, one)
	return nil
}
