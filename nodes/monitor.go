package nodes

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
)

// Monitor is a tree as those see it who watch it from outside, without a file of it. What it tells is judged
// for a viewer as the tree judges for those who read there. It is safe for concurrent use. Its calls may
// take long where directories do; nobody who uses the tree waits for them.
type Monitor struct {
	Kinds    []Kind
	Daemon   func() ([]Fact, error) // what ctl/status says
	Limits   func() []backends.Limit
	OpStats  func() []OpStats
	Failures *Failures

	looks backends.Looks
}

// Viewer is who watches a tree, and what that viewer is told of objects by name.
type Viewer struct {
	By    Caller // as whom the tree would judge it
	Names Names
}

// Nobody is a viewer of whom nothing is known: any user of the machine, in no group.
var Nobody = Caller{Uid: 1<<32 - 2, Gid: 1<<32 - 2, remembers: true}

// Names say which objects are told of by name: none if it is "", all of "*", or those whose path, CLASS/NAME,
// or one of the directories above it, is what the pattern is (path.Match).
type Names string

// ParseNames reads what a person says: off, on, or a pattern.
func ParseNames(text string) (Names, error) {
	switch text {
	case "", "off":
		return "", nil
	case "on":
		return "*", nil
	}
	if _, err := path.Match(text, ""); err != nil {
		return "", errors.New("neither on nor off, and no pattern as queues/job* is")
	}
	return Names(text), nil
}

// Has reports whether an object is told of by its name.
func (n Names) Has(class, name string) bool {
	if n == "" || n == "*" {
		return n == "*"
	}
	for at := class + "/" + name; at != "." && at != "/"; at = path.Dir(at) {
		if ok, _ := path.Match(string(n), at); ok {
			return true
		}
	}
	return false
}

// Objects tells of all objects that the viewer may know of, with their names whether or not the viewer is to
// be told those: up to 1000 of each class, and of what is elsewhere up to 200, as was heard last. It returns
// which classes have directories that were left out, and how many, as they take too long to look into.
func (m *Monitor) Objects(v Viewer, tell func(Surveyed)) (skipped map[string]int) {
	may := v.By.maySearch()
	skipped = map[string]int{}
	for _, k := range m.Kinds {
		if n := objects(k, may, &m.looks, tell); n > 0 {
			skipped[k.Name] = n
		}
	}
	return skipped
}

// Places are the attachments, which tell of the way there.
func (m *Monitor) Places() []*Elsewhere {
	return slices.DeleteFunc(places(m.Kinds), func(e *Elsewhere) bool { return e.Facts == nil })
}

// LastFailures are the last failures of objects that the viewer is told of by name, the newest first.
func (m *Monitor) LastFailures(v Viewer, most int) []string {
	may := v.By.maySearch()
	return m.Failures.Newest(most, func(at string) bool {
		for _, k := range m.Kinds {
			if name, ok := strings.CutPrefix(at, k.Name+"/"); ok {
				return v.Names.Has(k.Name, name) && (v.By.Uid == 0 || k.Elsewhere != nil || leads(k, name, may))
			}
		}
		return v.Names == "*" && slices.ContainsFunc(m.Kinds, func(k Kind) bool { return at == k.Name })
	})
}
