package nodes

import (
	"hash/fnv"
	"path"
	"strings"
	"syscall"
)

// Ctl is /ctl: everything that is about an object and is not the object. Each class has a directory in it, each object of the class a
// directory in that, at the object's own path, and in it are the object's control files.
type Ctl struct {
	kinds  []Kind
	global []Control
	notes  *Notes
}

// Kind is a class under the name it has in the root of the tree.
type Kind struct {
	Name  string
	Class Class
}

// A Control is one control file: a link, or a file that Open opens.
type Control struct {
	Name string
	Perm uint32 // for a file
	Link string // for a symbolic link
	Open func(flags int, by Caller) (Open, error)
}

// A Controller has control files besides those every object has.
type Controller interface {
	Controls(path string, a Attr) []Control
}

// NewCtl makes the control tree of kinds with global in its root. notes has the last failures.
func NewCtl(kinds []Kind, notes *Notes, global ...Control) *Ctl {
	return &Ctl{kinds: kinds, global: append(global, notes.control("")), notes: notes}
}

// place is what a path in the control tree leads to.
type place struct {
	kind    *Kind
	object  string   // path inside the kind's class
	attr    Attr     // of the object
	control *Control // nil: a directory
}

func (c *Ctl) find(p string) (place, error) {
	if p == "" {
		return place{}, nil
	}
	name, rest, _ := strings.Cut(p, "/")
	for i := range c.global {
		if c.global[i].Name == name && rest == "" {
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

func (c *Ctl) findIn(k *Kind, p string) (place, error) {
	a, err := k.Class.Stat(p)
	if err == nil {
		return place{kind: k, object: p, attr: a}, nil
	}
	object, file := path.Split(p)
	object = strings.TrimSuffix(object, "/")
	if object == "" {
		return place{}, syscall.ENOENT
	}
	a, err = k.Class.Stat(object)
	if err != nil {
		return place{}, err
	}
	if a.Type() == syscall.S_IFDIR {
		return place{}, syscall.ENOENT
	}
	for _, control := range c.controls(k, object, a) {
		if control.Name == file {
			return place{kind: k, object: object, attr: a, control: &control}, nil
		}
	}
	return place{}, syscall.ENOENT
}

// controls are all control files of an object.
func (c *Ctl) controls(k *Kind, object string, a Attr) []Control {
	list := []Control{c.notes.control(k.Name + "/" + object)}
	if r, ok := k.Class.(Reporter); ok {
		list = append(list, TextControl("status", func() (string, error) {
			facts, err := r.Report(object)
			return Render(facts), err
		}))
	}
	if more, ok := k.Class.(Controller); ok {
		list = append(list, more.Controls(object, a)...)
	}
	return list
}

// Stat is Class.Stat. Control files belong to the object's owner.
func (c *Ctl) Stat(p string) (Attr, error) {
	at, err := c.find(p)
	if err != nil {
		return Attr{}, err
	}
	a := Attr{Ino: ino(p), Nlink: 1, Uid: at.attr.Uid, Gid: at.attr.Gid, Mtime: at.attr.Mtime, Ctime: at.attr.Ctime}
	switch {
	case at.control == nil:
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
		return list, nil
	default:
		controls = c.controls(at.kind, at.object, at.attr)
	}
	for _, control := range controls {
		typ := uint32(syscall.S_IFREG)
		if control.Link != "" {
			typ = syscall.S_IFLNK
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

// Render writes facts as a status file shows them.
func Render(facts []Fact) string {
	var b strings.Builder
	for _, f := range facts {
		b.WriteString(f.Key + "=" + quote(f.Value) + "\n")
	}
	return b.String()
}

// quote makes a value safe for a shell's eval.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./:,@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
