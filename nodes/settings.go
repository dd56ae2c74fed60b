package nodes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
)

// settings are the commands that bring about the present state of an object.
func settings(c Class, object Object) (string, error) {
	a, err := object.Stat(false)
	if err != nil {
		return "", err
	}
	list := []Command{{Verb: setVerb.Name, Options: []Option{
		{"mode", "0" + strconv.FormatUint(uint64(a.Mode&07777), 8)},
		{"uid", strconv.Itoa(int(a.Uid))}, {"gid", strconv.Itoa(int(a.Gid))},
	}}}
	for _, v := range verbsOf(c, object) {
		if v.show == nil {
			continue
		}
		options, err := v.show(object)
		if err != nil {
			return "", err
		}
		if options != nil {
			list = append(list, Command{v.Name, options})
		}
	}
	var b strings.Builder
	for _, c := range list {
		b.WriteString(c.String() + "\n")
	}
	return b.String(), nil
}

// do does one command on the object. What was wrong with it is noted for the object's err file.
func (o ctlObject) do(line string, by Caller) error {
	err := o.ctl.env.Acts.Command(by.request, func() error { return o.command(line, by) })
	if err == nil {
		return nil
	}
	err = located(o.where(), advise("ctl", errnoOr(err, syscall.EINVAL), err))
	o.ctl.env.Failures.AddBy(o.where(), err, by.Uid)
	return err
}

func (o ctlObject) command(line string, by Caller) error {
	command, err := parseCommand(line)
	if err != nil || command.Verb == "" {
		return err
	}
	a, err := o.base().Stat(false)
	if err != nil || a.Uid != o.Was.Uid && by.Uid != 0 {
		// the name is another object's by now, or the object another user's (reused_ctl.txtar)
		return backends.ErrRemoved
	}
	object := o.object(a)
	verbs := verbsOf(o.kind.Class, object)
	if command.Verb == setVerb.Name || strings.Contains(command.Verb, "=") {
		return set(object, verbs, a, command, by)
	}
	v, ok := verbNamed(verbs, command.Verb)
	if !ok {
		return errUnknown(command, verbs)
	}
	return v.run(object, command, by)
}

// set is the command that does what chmod and chown do, and that changes options
// of the class's own. The word set may be left out.
func set(object Object, verbs []Verb, a Attr, c Command, by Caller) error {
	if key, value, ok := strings.Cut(c.Verb, "="); ok {
		if _, twice := c.Get(key); twice {
			return fmt.Errorf("%s is given twice", key)
		}
		c = Command{setVerb.Name, append([]Option{{key, value}}, c.Options...)}
	}
	own, _ := verbNamed(verbs, setVerb.Name)
	keys := append(setVerb.keys(), own.keys()...)
	for _, v := range verbs {
		for _, key := range v.keys() {
			if _, given := c.Get(key); given && !slices.Contains(keys, key) {
				return fmt.Errorf("%s is not for set: write `%s %s=…`", key, v.Name, key)
			}
		}
	}
	if err := c.Only(keys...); err != nil {
		return err
	}
	if len(c.Options) == 0 {
		return errNothing(c, keys)
	}
	attrs, rest := Command{Verb: c.Verb}, Command{Verb: c.Verb}
	for _, o := range c.Options {
		if slices.Contains(setVerb.keys(), o.Key) {
			attrs.Options = append(attrs.Options, o)
		} else {
			rest.Options = append(rest.Options, o)
		}
	}
	if len(rest.Options) > 0 {
		if err := own.run(object, rest, by); err != nil {
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
