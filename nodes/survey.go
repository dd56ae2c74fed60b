package nodes

import (
	"path"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// maxMeasured is how many objects of a class are looked at one by one; to look at more would cost a reader
// more than it tells.
const maxMeasured = 1000

// Surveyed is one object as it was looked at.
type Surveyed struct {
	Class, Name string
	Seen        Seen
	Facts       []Fact // what its status says; nil if it does not tell
}

// survey is a look at the objects of a class that a reader may know of. It runs on a worker, or wherever
// nobody else waits.
type survey struct {
	kind  Kind
	may   func(way ...Attr) bool // which directories the reader may search
	looks *backends.Looks
	tell  func(Surveyed)
	left  int // how many more are looked at
}

// objects tells of the objects of a class, up to maxMeasured, and returns how many directories were left out
// as they take too long to look into. A directory that others can lock too, and keep locked, is not waited
// for long. Of what is elsewhere it tells what was heard last.
func objects(k Kind, may func(way ...Attr) bool, looks *backends.Looks, tell func(Surveyed)) (skipped int) {
	if k.Elsewhere != nil {
		k.Elsewhere.heard(k, tell)
		return 0
	}
	v := &survey{k, may, looks, tell, maxMeasured}
	dir := k.Class.At(Seen{})
	if k.Watch == nil {
		return v.all(dir, "", v.share)
	}
	a, err := k.Watch.Stat(Ref{})
	if err != nil || !v.part(looks.OfClass, a, func(part *survey) { skipped = part.all(dir, "", part.share) }) {
		return 1
	}
	return skipped
}

// all tells of what is in a directory, and has below tell of each directory in it. It returns how many of
// those were left out.
func (v *survey) all(dir Object, at string, below func(s Seen, name string) bool) (skipped int) {
	d, ok := dir.(Directory)
	if !ok {
		return 0
	}
	list, err := d.List()
	if err != nil {
		return 0
	}
	for _, e := range list {
		if v.left <= 0 {
			break
		}
		s, err := d.Find(e.Name)
		if err != nil {
			continue // it is gone meanwhile
		}
		name := path.Join(at, e.Name)
		if e.Type == syscall.S_IFDIR {
			if v.may(s.Was) && !below(s, name) {
				skipped++
			}
			continue
		}
		v.left--
		one := Surveyed{Class: v.kind.Name, Name: name, Seen: s}
		if reporter, ok := v.kind.Class.At(s).(reporter); ok {
			if facts, err := reporter.Report(); err == nil {
				one.Facts = facts
			}
		}
		v.tell(one)
	}
	return skipped
}

// share tells of what is in a directory and below, where its owner can have one wait: false if it was left
// out, as it takes too long.
func (v *survey) share(s Seen, name string) bool {
	return v.part(v.looks.Into, s.Was, func(part *survey) { part.whole(s, name) })
}

// part tells of what a look at a directory finds, if that ends soon.
func (v *survey) part(looks func(a Attr, look func()) bool, a Attr, look func(part *survey)) bool {
	var found []Surveyed
	part := *v
	part.tell = func(one Surveyed) { found = append(found, one) }
	if !looks(a, func() { look(&part) }) {
		return false
	}
	for _, one := range found {
		v.tell(one)
	}
	v.left = part.left
	return true
}

// whole tells of what is in a directory and below.
func (v *survey) whole(s Seen, name string) bool {
	v.all(v.kind.Class.At(s), name, v.whole)
	return true
}
