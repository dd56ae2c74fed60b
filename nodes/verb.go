package nodes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
)

// A Verb is a command that objects of a class take in their ctl file: a row of the class's table. From the
// row come what is done, which options are refused, what reading ctl shows, the list in the refusal of an
// unknown command, and the rows of the documents' table and of help.
type Verb struct {
	Name string
	Args string // its options as people write them: "maxmsg=N msgsize=BYTES"
	Help string // what it does, in one line
	Of   string // which objects of the class take it; empty: all
	Who  string // who may do it; empty: the owner

	of   func(Object) bool
	do   func(Object, Command, Caller) error
	show func(Object) ([]Option, error)
}

// A Description says what there is to know of a class before there is an object of it.
type Description struct {
	What   string               // its objects: "POSIX message queues"
	New    string               // the options that /ctl/new takes for them besides mode, as Verb.Args
	Verbs  []Verb               // in the order in which ctl shows settings
	Events []backends.EventKind // which lines of /ctl/events tell of them
}

// A described is a Class that has a description. Without one its objects take set alone.
type described interface{ Describe() *Description }

// describe is the description of a class.
func describe(c Class) *Description {
	if d, ok := c.(described); ok {
		return d.Describe()
	}
	return &Description{}
}

// verb is a row for objects of type O. A command that do gets has no options but those of the
// row. An error of do that is no errno says what the caller did wrong. show is for settings:
// the options as they are now, nil if the object has none.
func verb[O Object](row Verb, do func(O, Command, Caller) error, show func(O) ([]Option, error)) Verb {
	row.of = func(o Object) bool {
		_, ok := o.(O)
		return ok
	}
	row.do = func(o Object, c Command, by Caller) error { return do(o.(O), c, by) }
	if show != nil {
		row.show = func(o Object) ([]Option, error) { return show(o.(O)) }
	}
	return row
}

// where bounds a row to some of its objects.
func (v Verb) where(some func(Object) bool) Verb {
	all := v.of
	v.of = func(o Object) bool { return all(o) && some(o) }
	return v
}

// Form is how people write the command.
func (v Verb) Form() string { return strings.TrimSpace(v.Name + " " + v.Args) }

// keys are the names of its options.
func (v Verb) keys() []string { return keysOf(v.Args) }

func keysOf(args string) []string {
	keys := strings.Fields(args)
	for i, arg := range keys {
		keys[i], _, _ = strings.Cut(arg, "=")
	}
	return keys
}

// setVerb is the command that all objects take. A class may have a row set besides, for options of its own.
var setVerb = Verb{
	Name: "set", Args: "mode=MODE uid=UID gid=GID",
	Help: "chmod(2) and chown(2), with their rules; what is left out stays; the word `set` may be left out",
	Who:  "the owner: mode, and a group of theirs; root: all",
}

// verbsOf are the rows of a class that an object has.
func verbsOf(c Class, o Object) []Verb {
	return slices.DeleteFunc(slices.Clone(describe(c).Verbs), func(v Verb) bool { return !v.of(o) })
}

// Known are the commands that objects take which have these rows: set of all objects is one with that of the
// class.
func Known(verbs []Verb) []Verb {
	list := []Verb{setVerb}
	for _, v := range verbs {
		if v.Name == setVerb.Name {
			list[0].Args += " " + v.Args
		} else {
			list = append(list, v)
		}
	}
	return list
}

// verbNamed finds a row.
func verbNamed(verbs []Verb, name string) (Verb, bool) {
	i := slices.IndexFunc(verbs, func(v Verb) bool { return v.Name == name })
	if i < 0 {
		return Verb{}, false
	}
	return verbs[i], true
}

// run does a command on the object, if its options are those of the row.
func (v Verb) run(o Object, c Command, by Caller) error {
	if err := c.Only(v.keys()...); err != nil {
		return err
	}
	if v.show != nil && len(c.Options) == 0 {
		return errNothing(c, v.keys())
	}
	return v.do(o, c, by)
}

// errNothing refuses a setting that sets nothing.
func errNothing(c Command, keys []string) error {
	return fmt.Errorf("%s sets nothing: it takes %s", c.Verb, strings.Join(keys, ", "))
}

// errUnknown says which commands an object takes.
func errUnknown(c Command, verbs []Verb) error {
	var forms []string
	for _, v := range Known(verbs) {
		forms = append(forms, v.Form())
	}
	return fmt.Errorf("unknown command %s; known: %s",
		c.Verb, strings.Join(forms, ", "))
}
