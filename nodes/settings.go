package nodes

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// A Settler has settings: commands that bring about the present state of an object, and those that change it.
type Settler interface {
	Settings(path string) ([]Command, error)
	// Do does a command, and what is left of set when the options that all objects know are done. An error that is no errno is what
	// the caller did wrong.
	Do(path string, c Command, by Caller) error
}

// settings are the commands that bring about the present state.
func settings(class Class, object string) (string, error) {
	a, err := class.Stat(object)
	if err != nil {
		return "", err
	}
	list := []Command{{Verb: "set", Options: []Option{
		{"mode", "0" + strconv.FormatUint(uint64(a.Mode&07777), 8)},
		{"uid", strconv.Itoa(int(a.Uid))}, {"gid", strconv.Itoa(int(a.Gid))},
	}}}
	if more, ok := class.(Settler); ok {
		own, err := more.Settings(object)
		if err != nil {
			return "", err
		}
		list = append(list, own...)
	}
	var b strings.Builder
	for _, c := range list {
		b.WriteString(c.String() + "\n")
	}
	return b.String(), nil
}

// do does one command on an object, which was first when its ctl file was opened. What was wrong with it is noted for the object's err
// file.
func (c *Ctl) do(k *Kind, object string, first Attr, line string, by Caller) error {
	command, err := ParseCommand(line)
	if now, e := k.Class.Stat(object); e == nil && (now.Ino != first.Ino || now.Uid != first.Uid && by.Uid != 0) {
		err = backends.ErrRemoved // the name is another object's by now, or the object another user's (reused_ctl.txtar)
	}
	switch settler, ok := k.Class.(Settler); {
	case err != nil || command.Verb == "":
	case command.Verb == "set" || strings.Contains(command.Verb, "="):
		err = set(k.Class, object, command, by)
	case ok:
		err = settler.Do(object, command, by)
	default:
		err = errUnknown(command)
	}
	if err == nil {
		return nil
	}
	err = advise("ctl", k.Name+"/"+object, errnoOr(err, syscall.EINVAL), err)
	c.env.Notes.Note(k.Name+"/"+object, err)
	return err
}

func errUnknown(c Command) error { return errors.New("unknown command " + c.Verb) }

// set is the command that chmod and chown are, and that changes the options of the class's own. The word may be left out.
func set(class Class, object string, c Command, by Caller) error {
	if key, value, ok := strings.Cut(c.Verb, "="); ok {
		if _, twice := c.Get(key); twice {
			return fmt.Errorf("%s is given twice", key)
		}
		c = Command{"set", append([]Option{{key, value}}, c.Options...)}
	}
	settler, own := class.(Settler)
	var keys []string
	if own {
		commands, err := settler.Settings(object)
		if err != nil {
			return err
		}
		for _, known := range commands {
			for _, o := range known.Options {
				if known.Verb == "set" {
					keys = append(keys, o.Key)
				} else if _, given := c.Get(o.Key); given {
					return fmt.Errorf("%s is not for set: write `%s %s=…`", o.Key, known.Verb, o.Key)
				}
			}
		}
	}
	all := []string{"mode", "uid", "gid"}
	if err := c.Only(append(all, keys...)...); err != nil {
		return err
	}
	attrs, rest := Command{Verb: "set"}, Command{Verb: "set"}
	for _, o := range c.Options {
		if slices.Contains(all, o.Key) {
			attrs.Options = append(attrs.Options, o)
		} else {
			rest.Options = append(rest.Options, o)
		}
	}
	if len(rest.Options) > 0 {
		if err := settler.Do(object, rest, by); err != nil {
			return err
		}
	}
	if len(attrs.Options) == 0 {
		return nil
	}
	return setAttrs(class, object, attrs, by)
}

func setAttrs(class Class, object string, c Command, by Caller) error {
	a, err := class.Stat(object)
	if err != nil {
		return err
	}
	newMode, err := c.Mode(a.Mode & 07777)
	if err != nil {
		return err
	}
	newUid, err := c.ID("uid", a.Uid)
	if err != nil {
		return err
	}
	newGid, err := c.ID("gid", a.Gid)
	if err != nil {
		return err
	}
	change, err := by.permitted(a, Change{Mode: given(c, "mode", &newMode), Uid: &newUid, Gid: &newGid})
	if err != nil || change == (Change{}) {
		return err
	}
	return class.(Changer).Change(object, change)
}

// given is what an option of a command says; nil if it is not there.
func given[T any](c Command, key string, value *T) *T {
	if _, ok := c.Get(key); !ok {
		return nil
	}
	return value
}
