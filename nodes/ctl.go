package nodes

import (
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// Ctl is /ctl: everything that is about an object and is not the object. Each kind has a directory in it,
// each object of the kind a directory in that, at the object's own path, and in it are the object's control
// files.
type Ctl struct {
	kinds  []Kind
	global []Control
	env    *Env
	began  time.Time
	sizes  sizes
}

// Kind is a class under the path it has in the tree.
type Kind struct {
	Name  string // "queues", "sysv/queues"
	Class Class
	Space func() (Space, error) // what room there is for objects; nil: that is not known
	// the directory in which its objects are made, removed and renamed, for /ctl/events; nil: none
	Watch *backends.Dir

	// who asks about its objects, if they are kept elsewhere and that may take long; nil: they are here
	Elsewhere *Elsewhere
	// other programs use the directories that they lie in, and may hold the kernel's locks of those long
	Shared    bool
	OpensLong bool // opening one may take long: it looks at the caller's process, and connects
}

// Part says which file of the control tree something is. It is about the object whose identity it has
// (Seen.Was.ID).
type Part struct {
	Kind string // of the object; empty for a file of the daemon's
	Dir  bool   // the object is a directory, or the kind itself
	// the control file, or the directory of some, as listed in the object's own directory; empty for that
	Name string
}

// NewCtl makes the control tree of kinds with global in its root.
func NewCtl(kinds []Kind, env *Env, global ...Control) *Ctl {
	c := &Ctl{kinds: kinds, env: env, began: time.Now()}
	c.global = append(global, c.errControl(), commandControl("new", 0222, noText, c.create))
	return c
}

// Why the tree itself refuses to make, rename or remove a name.
var (
	ErrTree    error = &backends.Refusal{Err: syscall.EPERM, Why: whyTree}
	ErrClass   error = &backends.Refusal{Err: syscall.EPERM, Why: whyClass}
	ErrControl error = &backends.Refusal{Err: syscall.EPERM, Why: whyControl}
	ErrSymlink error = &backends.Refusal{Err: syscall.EPERM, Why: whyNoSymlinks}
)

// Flat is err where a kind has neither directories nor other names for its objects.
func Flat(err error, kind string) error {
	return &backends.Refusal{Err: err, Why: whyFlat, Name: kind}
}

// OneName is why an object of a kind gets no second name.
func OneName(kind string) error {
	return &backends.Refusal{Err: syscall.EPERM, Why: whyOneNameHere, Name: kind}
}

// kind finds a kind by its path; nil if that is none.
func (c *Ctl) kind(name string) *Kind {
	i := slices.IndexFunc(c.kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return nil
	}
	return &c.kinds[i]
}

// At is Class.At.
func (c *Ctl) At(s Seen) Object {
	about := ctlObject{c, c.kind(s.Part.Kind), s}
	switch {
	case s.Part.Name != "":
		return ctlFile{about}
	case about.kind == nil:
		return ctlDir{c, s.Path}
	}
	return about
}

func (c *Ctl) dirAttr() Attr { return ourDir(1, 0755, c.began) }

// ctlDir is a directory between the root of the control tree and its kinds, or the root.
type ctlDir struct {
	ctl  *Ctl
	path string
}

// Stat is Object.Stat.
func (d ctlDir) Stat(bool) (Attr, error) { return d.ctl.dirAttr(), nil }

// Open refuses.
func (ctlDir) Open(int, Caller) (Open, error) { return nil, syscall.EISDIR }

// Change refuses.
func (ctlDir) Change(Change) error { return syscall.EPERM }

// Find is Directory.Find.
func (d ctlDir) Find(name string) (Seen, error) {
	path := Name{Dir: Ref{Path: d.path}, Base: name}.Path()
	if k := d.ctl.kind(path); k != nil {
		return ctlObject{d.ctl, k, Seen{}}.seen(path, Seen{})
	}
	below := func(k Kind) bool { return strings.HasPrefix(k.Name, path+"/") }
	if slices.ContainsFunc(d.ctl.kinds, below) {
		return Seen{Ref: Ref{Path: path, Was: d.ctl.dirAttr()}, Part: Part{Kind: path, Dir: true}}, nil
	}
	one, ok := named(d.ctl.global, path)
	if !ok {
		if why := mistyped(name, d.ctl.global); why != nil && d.path == "" {
			return Seen{}, &Error{Op: "open", Path: "ctl", Errno: syscall.ENOENT, Why: why}
		}
		return Seen{}, syscall.ENOENT
	}
	return one.seen(Seen{Ref: Ref{Path: path, Was: d.ctl.dirAttr()}, Part: Part{Name: path}}), nil
}

// List is Directory.List.
func (d ctlDir) List() ([]Entry, error) {
	var list []Entry
	for _, k := range d.ctl.kinds {
		below, ok := k.Name, d.path == ""
		if !ok {
			below, ok = strings.CutPrefix(k.Name, d.path+"/")
		}
		first, _, _ := strings.Cut(below, "/")
		e := Entry{Name: first, Type: syscall.S_IFDIR}
		if ok && !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	for _, e := range entries(d.ctl.global) {
		if dir, name := path.Split(e.Name); strings.TrimSuffix(dir, "/") == d.path {
			list = append(list, Entry{Name: name, Type: e.Type})
		}
	}
	return list, nil
}
