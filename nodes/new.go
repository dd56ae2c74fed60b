package nodes

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// noText is the text of a file that is only for writing.
func noText() (string, error) { return "", nil }

// create does one line of /ctl/new: `queues/jobs maxmsg=50 msgsize=1024 mode=0660` makes an object with
// attributes, for whoever wrote the line. The object must not exist.
func (c *Ctl) create(line string, by Caller) error {
	command, err := parseCommand(line)
	if err != nil || command.Verb == "" {
		return c.refuse("new", err, by)
	}
	command.Verb = strings.TrimPrefix(command.Verb, "/") // of the tree
	if err := checkPath(command.Verb); err != nil {
		return c.refuse(command.Verb, err, by)
	}
	names := make([]string, len(c.kinds))
	for i, k := range c.kinds {
		if path, ok := strings.CutPrefix(command.Verb, k.Name+"/"); ok {
			return c.refuse(command.Verb, createIn(k, path, command, by, c.env.Acts), by)
		}
		names[i] = k.Name
	}
	return c.refuse("new", fmt.Errorf("%w: %s: write CLASS/NAME key=value…; the classes are %s",
		syscall.ENOENT, command.Verb,
		strings.Join(names, ", ")), by)
}

func (c *Ctl) refuse(path string, err error, by Caller) error {
	if err == nil {
		return nil
	}
	err = located(path, advise("create", errnoOr(err, syscall.EINVAL), err))
	c.env.Failures.add(path, err, &by.Uid)
	return err
}

func createIn(k Kind, path string, command Command, by Caller, acts *Acts) error {
	mode, err := command.Mode(0644)
	if err != nil {
		return err
	}
	dir, name, err := walk(k, path, by)
	if err != nil {
		return err
	}
	if err := command.Only(append([]string{"mode"}, keysOf(describe(k.Class).New)...)...); err != nil {
		return err
	}
	o := Owner{Uid: by.Uid, Gid: by.Gid, Mode: mode, Pid: by.Pid}
	once := func(do func(Owner) (Seen, error)) (Seen, error) {
		_, _, made, err := acts.Once(by.request, Act{Dir: dir, Name: name, Class: k.Class, For: o, Do: do})
		return made, err
	}
	if newer, ok := dir.(newer); ok {
		return newer.New(name, o, command, once)
	}
	maker, ok := dir.(Maker)
	if !ok {
		return fmt.Errorf("%w: nothing is made in %s", syscall.EPERM, k.Name)
	}
	_, err = once(func(o Owner) (Seen, error) {
		seen, open, err := maker.Create(name, o, writeOnly, by)
		if open != nil {
			err = open.Close()
		}
		return seen, err
	})
	return err
}

// walk finds the directory that a path ends in, and the name in it.
func walk(k Kind, path string, by Caller) (dir Directory, name string, err error) {
	dir = k.Class.At(Seen{}).(Directory)
	parts := strings.Split(path, "/")
	for _, part := range parts[:len(parts)-1] {
		s, err := dir.Find(part)
		if _, ok := dir.(Folders); err != nil && !ok {
			err = Flat(err, k.Name)
		}
		if err != nil {
			return nil, "", err
		}
		if by.Uid != 0 && int(by.Uid) != os.Geteuid() && !s.Ours {
			// The kernel checks a directory that users made when a name is made in it by open(2). It knows
			// nothing of the name that is made here, unless it is made by the user who runs the daemon.
			return nil, "", fmt.Errorf("%w: only root makes objects in directories this way", syscall.EPERM)
		}
		below, ok := k.Class.At(s).(Directory)
		if !ok {
			return nil, "", syscall.ENOTDIR
		}
		dir = below
	}
	return dir, parts[len(parts)-1], nil
}
