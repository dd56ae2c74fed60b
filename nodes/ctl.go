package nodes

import (
	"hash/fnv"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Ctl is /ctl: everything that is about an object and is not the object. Each class has a directory in it, each object of the class a
// directory in that, at the object's own path, and in it are the object's control files.
type Ctl struct {
	kinds  []Kind
	global []Control
	env    *Env
	began  time.Time
}

// Kind is a class under the name it has in the root of the tree.
type Kind struct {
	Name  string
	Class Class
}

// A Control is one control file, a directory of them, or a link.
type Control struct {
	Name string // may be two words, "prio/7", if "prio" is a directory
	Perm uint32 // of a file
	Dir  bool
	Link string // of a symbolic link: where it leads
	Open func(flags int, by Caller) (Open, error)
}

// A Controller has control files besides those every object has.
type Controller interface {
	// Controls are those that are listed.
	Controls(path string, a Attr) []Control
	// Control finds one that is not, as prio/7; false if there is none of that name.
	Control(path string, a Attr, name string) (Control, bool)
}

// A Namer has objects that several names lead to, and tells the one they are listed by.
type Namer interface{ Name(path string) string }

// A DirController has control files for its directories. An object of the same name as one of them hides it.
type DirController interface {
	DirControls(dir string, a Attr) []Control
}

// NewCtl makes the control tree of kinds with global in its root.
func NewCtl(kinds []Kind, env *Env, global ...Control) *Ctl {
	c := &Ctl{kinds: kinds, env: env, began: time.Now()}
	c.global = append(global, env.Notes.control(""), CommandControl("new", 0222, noText, c.create))
	return c
}

// place is what a path in the control tree leads to.
type place struct {
	kind    *Kind
	object  string   // path inside the kind's class
	attr    Attr     // of the object
	control *Control // nil: the directory of an object or of objects
}

func (c *Ctl) find(p string) (place, error) {
	if p == "" {
		return place{}, nil
	}
	name, rest, _ := strings.Cut(p, "/")
	for i := range c.global {
		if c.global[i].Name == p {
			return place{control: &c.global[i]}, nil
		}
	}
	for i := range c.kinds {
		if c.kinds[i].Name == name {
			return c.findIn(&c.kinds[i], rest)
		}
	}
	return place{}, syscall.ENOENT
}

// findIn finds the object that p begins with, and the control file that the rest of p names.
func (c *Ctl) findIn(k *Kind, p string) (place, error) {
	for object, file := p, ""; ; {
		a, err := k.Class.Stat(object)
		if namer, ok := k.Class.(Namer); ok && err == nil {
			object = namer.Name(object)
		}
		switch {
		case err == nil && file == "":
			return place{kind: k, object: object, attr: a}, nil
		case err == nil && a.Type() != syscall.S_IFDIR:
			control, ok := c.control(k, object, a, file)
			if !ok {
				return place{}, syscall.ENOENT
			}
			return place{kind: k, object: object, attr: a, control: &control}, nil
		case err == nil:
			control, ok := named(dirControls(k, object, a), file)
			if !ok {
				return place{}, syscall.ENOENT
			}
			return place{kind: k, object: object, attr: a, control: &control}, nil
		case object == "":
			return place{}, syscall.ENOENT
		}
		dir, base := path.Split(object)
		object, file = strings.TrimSuffix(dir, "/"), path.Join(base, file)
	}
}

func (c *Ctl) control(k *Kind, object string, a Attr, name string) (Control, bool) {
	if control, ok := named(c.controls(k, object, a), name); ok {
		return control, true
	}
	if more, ok := k.Class.(Controller); ok {
		return more.Control(object, a, name)
	}
	return Control{}, false
}

func named(list []Control, name string) (Control, bool) {
	i := slices.IndexFunc(list, func(c Control) bool { return c.Name == name })
	if i < 0 {
		return Control{}, false
	}
	return list[i], true
}

// dirControls are the control files of a directory.
func dirControls(k *Kind, dir string, a Attr) []Control {
	if class, ok := k.Class.(DirController); ok {
		return class.DirControls(dir, a)
	}
	return nil
}

// controls are the listed control files of an object.
func (c *Ctl) controls(k *Kind, object string, a Attr) []Control {
	list := []Control{c.env.Notes.control(k.Name + "/" + object)}
	if r, ok := k.Class.(Reporter); ok {
		list = append(list, reports(r, object)...)
	}
	if _, ok := k.Class.(Changer); ok {
		control := CommandControl("ctl", 0644,
			func() (string, error) { return settings(k.Class, object) },
			func(line string, by Caller) error { return c.do(k, object, a, line, by) })
		open := control.Open
		control.Open = func(flags int, by Caller) (Open, error) {
			if writes(flags) {
				by = by.remembered()
			}
			return open(flags, by)
		}
		list = append(list, control)
	}
	if more, ok := k.Class.(Controller); ok {
		list = append(list, more.Controls(object, a)...)
	}
	return list
}

// reports are the status files of an object.
func reports(r Reporter, object string) []Control {
	status := func() (string, error) {
		facts, err := r.Report(object)
		return Render(facts), err
	}
	return []Control{
		TextControl("status", status),
		WatchControl("watch", status),
		TextControl("status.json", func() (string, error) {
			facts, err := r.Report(object)
			if err != nil {
				return "", err
			}
			return RenderJSON(facts)
		}),
	}
}

// Stat is Class.Stat. Control files belong to the object's owner.
func (c *Ctl) Stat(p string) (Attr, error) {
	at, err := c.find(p)
	if err != nil {
		return Attr{}, err
	}
	a := Attr{Ino: ino(p), Nlink: 1, Uid: at.attr.Uid, Gid: at.attr.Gid, Mtime: at.attr.Mtime, Ctime: at.attr.Ctime}
	if at.kind == nil || at.object == "" {
		a = ourDir(0755, c.began)
		a.Ino, a.Nlink = ino(p), 1
	}
	switch {
	case at.control == nil && at.attr.Type() == syscall.S_IFDIR:
		// Who may not search a directory of objects may not reach their control files either.
		a.Mode, a.Nlink = syscall.S_IFDIR|at.attr.Mode&0755, 2
	case at.control == nil || at.control.Dir:
		a.Mode, a.Nlink = syscall.S_IFDIR|0755, 2
	case at.control.Link != "":
		a.Mode, a.Size = syscall.S_IFLNK|0777, int64(len(at.control.Link))
	default:
		a.Mode = syscall.S_IFREG | at.control.Perm
	}
	return a, nil
}

// ino gives a path an inode number; two paths that share one only look like hard links.
func ino(p string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(p))
	return h.Sum64()
}

// List is Class.List.
func (c *Ctl) List(dir string) ([]Entry, error) {
	at, err := c.find(dir)
	if err != nil {
		return nil, err
	}
	var list []Entry
	controls := c.global
	switch {
	case at.control != nil:
		return nil, nil // what is in a directory of control files is found by name
	case at.kind == nil:
		for _, k := range c.kinds {
			list = append(list, Entry{Name: k.Name, Type: syscall.S_IFDIR})
		}
	case at.attr.Type() == syscall.S_IFDIR:
		objects, err := at.kind.Class.List(at.object)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			list = append(list, Entry{Name: o.Name, Type: syscall.S_IFDIR})
		}
		controls = slices.DeleteFunc(dirControls(at.kind, at.object, at.attr), func(c Control) bool {
			return slices.ContainsFunc(objects, func(o Entry) bool { return o.Name == c.Name })
		})
	default:
		controls = c.controls(at.kind, at.object, at.attr)
	}
	for _, control := range controls {
		typ := uint32(syscall.S_IFREG)
		switch {
		case control.Link != "":
			typ = syscall.S_IFLNK
		case control.Dir:
			typ = syscall.S_IFDIR
		}
		list = append(list, Entry{Name: control.Name, Type: typ})
	}
	return list, nil
}

// Message is Class.Message: control files are served by the daemon, and some of them wait.
func (*Ctl) Message(a Attr) bool { return a.Type() == syscall.S_IFREG }

// Readlink is Pointer.Readlink.
func (c *Ctl) Readlink(p string) (string, error) {
	at, err := c.find(p)
	if err != nil {
		return "", err
	}
	if at.control == nil || at.control.Link == "" {
		return "", syscall.EINVAL
	}
	return at.control.Link, nil
}

// Open is Opener.Open.
func (c *Ctl) Open(p string, flags int, by Caller) (Open, error) {
	at, err := c.find(p)
	if err != nil {
		return nil, err
	}
	if at.control == nil || at.control.Open == nil {
		return nil, syscall.EISDIR
	}
	return at.control.Open(flags, by)
}

// Change is Changer.Change: `>` truncates a control file, which does nothing, and nothing else can be set.
func (c *Ctl) Change(_ string, change Change) error {
	change.Size, change.Atime, change.Mtime = nil, nil, nil
	if change != (Change{}) {
		return syscall.EPERM
	}
	return nil
}
