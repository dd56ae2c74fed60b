package nodes

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

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

// texts are those about the object.
func (o ctlObject) texts() *Texts {
	if o.kind != nil && o.kind.Elsewhere != nil {
		return o.kind.Elsewhere.Texts
	}
	return o.ctl.env.Texts
}

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

// ctlPerm is who may search and list the control directory of an object, or of a directory of objects.
// Users who may not search a directory may not reach the control files of what is in it either.
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

// Find is Directory.Find: a control file, or in a directory of objects the control directory of one. An
// object hides a control file of its directory that has the same name.
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

// control finds a control file of an object. ENOENT has a reason where somebody wrote the name wrongly.
func (o ctlObject) control(object Object, name string) (Control, error) {
	list := o.controls(object)
	if one, ok := named(list, name); ok {
		return one, nil
	}
	var err error = syscall.ENOENT
	if more, ok := object.(controller); ok {
		var one Control
		if one, err = more.Control(name); err == nil {
			return one, nil
		}
	}
	if err == syscall.ENOENT {
		if err = mistyped(name, list); err == nil || o.Part.Dir {
			return Control{}, syscall.ENOENT
		}
	}
	return Control{}, &Error{Op: "open", Path: o.where(), Errno: syscall.ENOENT, Why: err}
}

// notOne is controller.Control's error for a name whose last part should be something else: what it is not,
// and what is one.
func notOne(part, what, are string) error {
	return fmt.Errorf("%s is no %s: %s", cmp.Or(backends.Word(part), "nothing"), what, are)
}

// controls are the listed control files of an object.
func (o ctlObject) controls(object Object) []Control {
	more, controller := object.(controller)
	if o.Part.Dir {
		if !controller {
			return nil
		}
		list := more.Controls()
		if r, ok := object.(reporter); ok && len(list) > 0 {
			list = append(list, reports(r)...)
		}
		return list
	}
	list := []Control{o.ctl.env.Failures.control(o.where())}
	if r, ok := object.(reporter); ok {
		list = append(list, reports(r)...)
	}
	list = append(list, commandControl("ctl", 0644, func() (string, error) {
		return settings(o.kind.Class, o.base())
	}, o.do))
	if controller {
		list = append(list, more.Controls()...)
	}
	return list
}

// where is the path of the object from the root of the tree.
func (o ctlObject) where() string { return o.kind.Name + "/" + o.path() }

// reports are the status files of an object.
func reports(r reporter) []Control {
	status := func() (string, error) {
		facts, err := r.Report()
		return Render(facts), err
	}
	return []Control{
		TextControl("status", status),
		watchControl("watch", "status", status),
		TextControl("status.json", func() (string, error) {
			facts, err := r.Report()
			if err != nil {
				return "", err
			}
			return RenderJSON(facts)
		}),
	}
}
