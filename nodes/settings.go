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

// settings are the commands that bring about the present state of an object.
func settings(object Object) (string, error) {
	a, err := object.Stat(false)
	if err != nil {
		return "", err
	}
	list := []Command{{Verb: "set", Options: []Option{
		{"mode", "0" + strconv.FormatUint(uint64(a.Mode&07777), 8)},
		{"uid", strconv.Itoa(int(a.Uid))}, {"gid", strconv.Itoa(int(a.Gid))},
	}}}
	if more, ok := object.(Settler); ok {
		own, err := more.Settings()
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

// do does one command on the object. What was wrong with it is noted for the object's err file.
func (o ctlObject) do(line string, by Caller) error {
	err := o.command(line, by)
	if err == nil {
		return nil
	}
	err = Located(o.where(), advise("ctl", errnoOr(err, syscall.EINVAL), err))
	o.ctl.env.Notes.Note(o.where(), err)
	return err
}

func (o ctlObject) command(line string, by Caller) error {
	command, err := ParseCommand(line)
	if err != nil || command.Verb == "" {
		return err
	}
	a, err := o.base().Stat(false)
	if err != nil || a.Uid != o.Was.Uid && by.Uid != 0 {
		return backends.ErrRemoved // the name is another object's by now, or the object another user's (reused_ctl.txtar)
	}
	object := o.object(a)
	settler, ok := object.(Settler)
	switch {
	case command.Verb == "set" || strings.Contains(command.Verb, "="):
		return set(object, a, command, by)
	case ok:
		return settler.Do(command, by)
	}
	return errUnknown(command)
}

func errUnknown(c Command) error { return errors.New("unknown command " + c.Verb) }

// set is the command that chmod and chown are, and that changes the options of the class's own. The word may be left out.
func set(object Object, a Attr, c Command, by Caller) error {
	if key, value, ok := strings.Cut(c.Verb, "="); ok {
		if _, twice := c.Get(key); twice {
			return fmt.Errorf("%s is given twice", key)
		}
		c = Command{"set", append([]Option{{key, value}}, c.Options...)}
	}
	settler, own := object.(Settler)
	var keys []string
	if own {
		commands, err := settler.Settings()
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
		if err := settler.Do(rest, by); err != nil {
			return err
		}
	}
	if len(attrs.Options) == 0 {
		return nil
	}
	return setAttrs(object, a, attrs, by)
}

func setAttrs(object Object, a Attr, c Command, by Caller) error {
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
	return object.Change(change)
}

// given is what an option of a command says; nil if it is not there.
func given[T any](c Command, key string, value *T) *T {
	if _, ok := c.Get(key); !ok {
		return nil
	}
	return value
}
