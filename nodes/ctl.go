package nodes

import (
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Ctl is /ctl: everything that is about an object and is not the object. Each kind has a directory in it, each object of the kind a
// directory in that, at the object's own path, and in it are the object's control files.
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

	Elsewhere bool // its objects are kept elsewhere: whatever is asked about them may take long
	OpensLong bool // opening one may take long: it looks at the caller's process, and connects
}

// Part says which file of the control tree something is. It is about the object whose identity it has (Seen.Was.ID).
type Part struct {
	Kind string // of the object; empty for a file of the daemon's
	Dir  bool   // the object is a directory, or the kind itself
	Name string // the control file, or the directory of some, as listed in the object's own directory; empty for that
}

// A Control is one control file, a directory of them, or a link.
type Control struct {
	Name string // may be two words, "prio/7", if "prio" is a directory
	Perm uint32 // of a file
	Dir  bool
	Link string // of a symbolic link: where it leads
	Open func(flags int, by Caller) (Open, error)

	// Or instead of Open, a text:
	Text     func() (string, error)
	For      func(by Caller) func() (string, error) // instead of Text, where it depends on who opened the file
	Watches  string                                 // it has no end, and is the text of the file of this name
	Restless []string                               // how keys of facts begin that change as anybody looks: that is no news of the text
	Do       func(line string, by Caller) error     // what it does with a line that is written; nil: it cannot be written
}

// NewCtl makes the control tree of kinds with global in its root.
func NewCtl(kinds []Kind, env *Env, global ...Control) *Ctl {
	c := &Ctl{kinds: kinds, env: env, began: time.Now()}
	c.global = append(global, c.errControl(), CommandControl("new", 0222, noText, c.create))
	return c
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
	if d.path != "" {
		return list, nil
	}
	return append(list, entries(d.ctl.global)...), nil
}

// ctlObject is the directory of an object's control files, or of objects.
type ctlObject struct {
	ctl  *Ctl
	kind *Kind
	Seen // its own, with the identity of the object
}

// path is that of the object inside its class.
func (o ctlObject) path() string {
	p := strings.TrimPrefix(o.Path, o.kind.Name)
	p = strings.TrimSuffix(p, o.Part.Name)
	return strings.Trim(p, "/")
}

// base is the object, by its identity alone.
func (o ctlObject) base() Object { return o.object(Attr{ID: o.Was.ID}) }

// object is the object with these attributes.
func (o ctlObject) object(a Attr) Object {
	return o.kind.Class.At(Seen{Ref: Ref{Path: o.path(), Was: a}})
}

// seen is what was seen of the control directory of an object.
func (o ctlObject) seen(path string, s Seen) (Seen, error) {
	a, dir := s.Was, s.Path == "" || s.Was.Type() == syscall.S_IFDIR
	if s.Path == "" {
		a = o.ctl.dirAttr()
		a.ID.Ino = 0
	}
	a.Mode = syscall.S_IFDIR | ctlPerm(a, dir && s.Path != "")
	a.Nlink, a.Size, a.Blocks = 2, 0, 0
	return Seen{Ref: Ref{Path: path, Was: a}, Part: Part{Kind: o.kind.Name, Dir: dir}}, nil
}

// ctlPerm is who may search and list the control directory of an object, or of a directory of objects: who may not search that may not
// reach their control files either.
func ctlPerm(a Attr, dir bool) uint32 {
	if dir {
		return a.Mode & 0755
	}
	return 0755
}

// Stat is Object.Stat.
func (o ctlObject) Stat(bool) (Attr, error) {
	if o.path() == "" {
		s, err := o.seen(o.Path, Seen{})
		return s.Was, err
	}
	a, err := o.base().Stat(false)
	if err != nil {
		return a, err
	}
	s, err := o.seen(o.Path, Seen{Ref: Ref{Path: o.path(), Was: a}})
	return s.Was, err
}

// Open refuses.
func (ctlObject) Open(int, Caller) (Open, error) { return nil, syscall.EISDIR }

// Change refuses.
func (ctlObject) Change(Change) error { return syscall.EPERM }

// Find is Directory.Find: a control file, or in a directory of objects the control directory of one. An object hides a control file of its
// directory that has the same name.
func (o ctlObject) Find(name string) (Seen, error) {
	if o.Part.Dir {
		s, err := o.base().(Directory).Find(name)
		if err == nil {
			return o.seen(Name{Dir: o.Ref, Base: path.Base(s.Path)}.Path(), s)
		}
		if err != syscall.ENOENT && err != syscall.ESTALE {
			return s, err
		}
	}
	a, err := o.base().Stat(false)
	if err != nil {
		return Seen{}, err
	}
	return o.found(Name{Dir: o.Ref, Base: name}.Path(), name, a)
}

// found is the control file of a name.
func (o ctlObject) found(path, name string, a Attr) (Seen, error) {
	one, err := o.control(o.object(a), name)
	if err != nil {
		return Seen{}, err
	}
	part := Part{Kind: o.kind.Name, Dir: o.Part.Dir, Name: name}
	return one.seen(Seen{Ref: Ref{Path: path, Was: o.owned(a)}, Part: part}), nil
}

// owned are the attributes of the object, or those of the directory of a kind, which is the daemon's.
func (o ctlObject) owned(a Attr) Attr {
	if o.path() == "" {
		a = o.ctl.dirAttr()
		a.ID.Ino = 0
	}
	return a
}

// List is Directory.List.
func (o ctlObject) List() ([]Entry, error) {
	a, err := o.base().Stat(false)
	if err != nil {
		return nil, err
	}
	files := entries(o.controls(o.object(a)))
	if !o.Part.Dir {
		return files, nil
	}
	objects, err := o.base().(Directory).List()
	if err != nil {
		return nil, err
	}
	list := make([]Entry, 0, len(objects)+len(files))
	hidden := map[string]bool{}
	for _, one := range objects {
		hidden[one.Name] = true
		list = append(list, Entry{Name: one.Name, Type: syscall.S_IFDIR})
	}
	return append(list, slices.DeleteFunc(files, func(e Entry) bool { return hidden[e.Name] })...), nil
}

// control finds a control file of an object.
func (o ctlObject) control(object Object, name string) (Control, error) {
	if one, ok := named(o.controls(object), name); ok {
		return one, nil
	}
	if more, ok := object.(Controller); ok {
		if one, ok := more.Control(name); ok {
			return one, nil
		}
	}
	return Control{}, syscall.ENOENT
}

// controls are the listed control files of an object.
func (o ctlObject) controls(object Object) []Control {
	more, controller := object.(Controller)
	if o.Part.Dir {
		if !controller {
			return nil
		}
		list := more.Controls()
		if r, ok := object.(Reporter); ok && len(list) > 0 {
			list = append(list, reports(r)...)
		}
		return list
	}
	list := []Control{o.ctl.env.Notes.control(o.where())}
	if r, ok := object.(Reporter); ok {
		list = append(list, reports(r)...)
	}
	list = append(list, CommandControl("ctl", 0644, func() (string, error) { return settings(o.base()) }, o.do))
	if controller {
		list = append(list, more.Controls()...)
	}
	return list
}

// where is the path of the object from the root of the tree.
func (o ctlObject) where() string { return o.kind.Name + "/" + o.path() }

// reports are the status files of an object.
func reports(r Reporter) []Control {
	status := func() (string, error) {
		facts, err := r.Report()
		return Render(facts), err
	}
	return []Control{
		TextControl("status", status),
		WatchControl("watch", "status", status),
		TextControl("status.json", func() (string, error) {
			facts, err := r.Report()
			if err != nil {
				return "", err
			}
			return RenderJSON(facts)
		}),
	}
}

func named(list []Control, name string) (Control, bool) {
	i := slices.IndexFunc(list, func(c Control) bool { return c.Name == name })
	if i < 0 {
		return Control{}, false
	}
	return list[i], true
}

func entries(controls []Control) []Entry {
	list := make([]Entry, len(controls))
	for i, c := range controls {
		list[i] = Entry{Name: c.Name, Type: c.typ()}
	}
	return list
}

func (c Control) typ() uint32 {
	switch {
	case c.Link != "":
		return syscall.S_IFLNK
	case c.Dir:
		return syscall.S_IFDIR
	}
	return syscall.S_IFREG
}

// seen is what was seen of the control file, given the object's path and attributes. A control file belongs to the object's owner.
func (c Control) seen(s Seen) Seen {
	s.Was = c.attr(s.Was)
	s.Message, s.Link = c.typ() == syscall.S_IFREG, c.Link
	return s
}

// attr are the attributes of the control file of an object with these.
func (c Control) attr(a Attr) Attr {
	made := Attr{ID: a.ID, Nlink: 1, Uid: a.Uid, Gid: a.Gid, Mtime: a.Mtime, Ctime: a.Ctime}
	switch c.typ() {
	case syscall.S_IFLNK:
		made.Mode, made.Size = syscall.S_IFLNK|0777, int64(len(c.Link))
	case syscall.S_IFDIR:
		made.Mode, made.Nlink = syscall.S_IFDIR|0755, 2
	default:
		made.Mode = syscall.S_IFREG | c.Perm
	}
	return made
}

// ctlFile is a control file, or a directory of some, of the object that it is about.
type ctlFile struct{ about ctlObject }

// now is the control file of the very object as it is now, with its attributes.
func (f ctlFile) now() (Control, Attr, error) {
	if f.about.kind == nil {
		one, ok := named(f.about.ctl.global, f.about.Part.Name)
		if !ok {
			return one, Attr{}, syscall.ENOENT
		}
		return one, one.attr(f.about.ctl.dirAttr()), nil
	}
	a, err := f.about.base().Stat(false)
	if err != nil {
		return Control{}, a, err
	}
	one, err := f.about.control(f.about.object(a), f.about.Part.Name)
	return one, one.attr(f.about.owned(a)), err
}

// Stat is Object.Stat.
func (f ctlFile) Stat(bool) (Attr, error) {
	one, a, err := f.now()
	if one.typ() == syscall.S_IFREG {
		a.Size = f.size().told(0)
	}
	return a, err
}

func (f ctlFile) key() textKey { return textKey{Part: f.about.Part, of: f.about.Was.ID} }

func (f ctlFile) size() *size { return &size{&f.about.ctl.sizes, f.key()} }

// Open is Object.Open.
func (f ctlFile) Open(flags int, by Caller) (Open, error) {
	one, a, err := f.now()
	if err == nil {
		err = f.about.Judged(a)
	}
	var open Open
	switch {
	case err != nil:
		return nil, err
	case one.Text != nil || one.For != nil:
		open, err = one.show(f.about.ctl.env, f.key(), flags, by)
	case one.Open != nil:
		open, err = one.Open(flags, by)
	default:
		return nil, syscall.EISDIR
	}
	return sized(open, f.size()), err
}

// Change is Object.Change: `>` truncates a control file, which does nothing, and nothing else can be set.
func (ctlFile) Change(c Change) error {
	c.Size, c.Atime, c.Mtime = nil, nil, nil
	if c != (Change{}) {
		return syscall.EPERM
	}
	return nil
}

// Find is Directory.Find in a directory of control files.
func (f ctlFile) Find(name string) (Seen, error) {
	if f.about.kind == nil {
		return Seen{}, syscall.ENOENT
	}
	a, err := f.about.base().Stat(false)
	if err != nil {
		return Seen{}, err
	}
	return f.about.found(Name{Dir: f.about.Ref, Base: name}.Path(), f.about.Part.Name+"/"+name, a)
}

// List is Directory.List: what is in a directory of control files is found by name.
func (ctlFile) List() ([]Entry, error) { return nil, nil }
