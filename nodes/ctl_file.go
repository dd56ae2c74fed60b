package nodes

import (
	"slices"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// A Control is one control file, a directory of them, or a link.
type Control struct {
	Name string // may be two words, "prio/7", if "prio" is a directory
	Perm uint32 // of a file
	Dir  bool
	Link string // of a symbolic link: where it leads
	Open func(flags int, by Caller) (Open, error)
	// which side of what Open gives may take long, so that workers do it: reads (In), writes (Out)
	Long backends.Ready

	// Or instead of Open, a text:
	Text    func() (string, error)
	For     func(by Caller) func() (string, error) // instead of Text, where it depends on who opened the file
	Watches string                                 // it has no end, and is the text of the file of this name
	// how the keys of those facts begin that change because somebody looks: that is no news of the text
	Restless []string
	// what it does with a line that is written; nil: it cannot be written
	Do func(line string, by Caller) error
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

// seen is what was seen of the control file, given the object's path and attributes. A control file belongs
// to the object's owner.
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
	if by.again && f.about.kind != nil && backends.IsGone(err) {
		// The object's name is gone, and the object may be there for those who have it open. A directory may also
		// have another name, which is to be asked first: by.gone.
		was := f.about.Was
		if f.about.Part.Dir {
			was.Mode = syscall.S_IFDIR | was.Mode&0777
		}
		gone, e := f.about.control(f.about.object(was), f.about.Part.Name)
		if e == nil && (by.gone || gone.Open != nil && !f.about.Part.Dir) {
			one, err = gone, nil
		}
	}
	var open Open
	switch {
	case err != nil:
		return nil, err
	case one.Text != nil || one.For != nil:
		open, err = one.show(f.about.ctl.env, f.about.texts(), f.key(), flags, by)
	case one.Open != nil:
		open, err = one.Open(flags, by)
		if file, ok := open.(*File); ok && one.Long != 0 {
			file.Aside(f.about.texts().work, by.Uid, one.Long)
		}
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
