package nodes

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
)

// noText is the text of a file that is only for writing.
func noText() (string, error) { return "", nil }

// create does one line of /ctl/new: `queues/jobs maxmsg=50 msgsize=1024 mode=0660` makes an object with attributes, for whoever wrote
// the line. The object must not exist.
func (c *Ctl) create(line string, by Caller) error {
	command, err := ParseCommand(line)
	if err != nil || command.Verb == "" {
		return c.refuse("new", err)
	}
	command.Verb = strings.TrimPrefix(command.Verb, "/") // of the tree
	kind, path, _ := strings.Cut(command.Verb, "/")
	var classes []string
	for i := range c.kinds {
		if c.kinds[i].Name == kind && path != "" {
			err := c.createIn(&c.kinds[i], path, command, by)
			var made *Made
			if errors.As(err, &made) {
				return nil
			}
			return c.refuse(command.Verb, err)
		}
		classes = append(classes, c.kinds[i].Name)
	}
	return c.refuse("new", fmt.Errorf("%w: %s: write CLASS/NAME key=value…; the classes are %s", syscall.ENOENT, command.Verb,
		strings.Join(classes, ", ")))
}

func (c *Ctl) refuse(path string, err error) error {
	if err == nil {
		return nil
	}
	err = advise("create", path, errnoOr(err, syscall.EINVAL), err)
	c.env.Notes.Note(path, err)
	return err
}

func (c *Ctl) createIn(k *Kind, path string, command Command, by Caller) error {
	if err := checkPath(path); err != nil {
		return err
	}
	mode, err := command.Mode(0644)
	if err != nil {
		return err
	}
	o := Owner{Uid: by.Uid, Gid: by.Gid, Mode: mode}
	if by.Uid != 0 && inFolder(k.Class, path) {
		// The kernel checks a directory that somebody made when a name is made in it, and here it does not know of it.
		return fmt.Errorf("%w: only root makes objects in directories this way", syscall.EPERM)
	}
	if class, ok := k.Class.(Newer); ok {
		return class.New(path, o, command)
	}
	if err := command.Only("mode"); err != nil {
		return err
	}
	class, ok := k.Class.(Creator)
	if !ok {
		return fmt.Errorf("%w: nothing is made in %s", syscall.EPERM, k.Name)
	}
	if err := class.Create(path, o, false); err != ErrNative {
		return err
	}
	return nil
}

// inFolder reports whether a path is in a directory that somebody made.
func inFolder(class Class, p string) bool {
	_, folders := class.(Folders)
	dir := path.Dir(p)
	keeper, ok := class.(Keeper)
	return folders && dir != "." && !(ok && keeper.Keeps(dir))
}
