package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/moby/sys/mountinfo"
)

// A place is a tree, and something in it: an object, a class or a directory, by
// its path from the root; "" is the whole tree.
type place struct {
	*mountinfo.Info
	path string
}

// word is the path as commands print it and take it.
func (p place) word() string { return backends.Word(p.path) }

// trees are all ipcfs mounts; at each mount point, the uppermost.
func trees() (list []*mountinfo.Info, err error) {
	all, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, err
	}
	for i, m := range all {
		covered := slices.ContainsFunc(all[i+1:], func(o *mountinfo.Info) bool {
			return o.Mountpoint == m.Mountpoint
		})
		again := slices.ContainsFunc(list, func(o *mountinfo.Info) bool {
			return o.Major == m.Major && o.Minor == m.Minor
		})
		if ours(m) && m.Root == "/" && !covered && !again {
			list = append(list, m)
		}
	}
	return list, nil
}

// errNoTree says that nothing is mounted.
var errNoTree = errors.New("no tree is mounted " +
	"(ipcfs MOUNTPOINT mounts one, ipcfs run -- COMMAND a private one)")

// placeOf is what the arguments of a command lead to: a mount point, a path in a tree, or both. Without a
// mount point it is the tree at $IPCFS, the one the current directory is in, or the only one.
func placeOf(args []string) (place, error) {
	if len(args) > 2 {
		return place{}, usagef("unexpected argument %q", args[2])
	}
	var p place
	for _, arg := range args {
		below, ok := inClass(arg)
		switch {
		case ok && p.path == "":
			p.path = below
		case ok && !exists(arg):
			return p, usagef("unexpected argument %q: one PATH at a time; a directory is all that is in it", arg)
		case p.Info == nil:
			at, err := treeAround(arg)
			if errors.Is(err, syscall.ENOENT) && !beginsTree([]string{arg}) {
				err = exit{exitDead, fmt.Errorf("%w; %s", err, classForm())}
			}
			if err != nil {
				return p, err
			}
			if p.Info = at.Info; at.path != "" {
				p.path = at.path
			}
		default:
			return p, usagef("unexpected argument %q", arg)
		}
	}
	if p.Info != nil {
		return p, nil
	}
	m, err := onlyTree()
	p.Info = m
	return p, err
}

// onlyTree is the tree that a command without a mount point is about.
func onlyTree() (*mountinfo.Info, error) {
	if at := os.Getenv("IPCFS"); at != "" {
		p, err := treeAround(at)
		if err != nil {
			return nil, exit{exitDead, fmt.Errorf("$IPCFS: %w", err)}
		}
		return p.Info, nil
	}
	list, err := trees()
	if err != nil {
		return nil, err
	}
	wd, _ := os.Getwd()
	for _, m := range list {
		if within(wd, m.Mountpoint) {
			return m, nil
		}
	}
	switch len(list) {
	case 0:
		return nil, exit{exitDead, errNoTree}
	case 1:
		return list[0], nil
	}
	points := make([]string, len(list))
	for i, m := range list {
		points[i] = m.Mountpoint
	}
	return nil, usagef("which tree? %s", strings.Join(points, "  "))
}

// ownClasses are how the paths of objects begin, but those of what is attached.
var ownClasses = []string{"queues", "topics", "shm", "fifos", "sockets", "sysv"}

// inClass reports whether an argument is a path in a tree, and no file outside: then it begins with the name
// of a class, or is that of the object's control files, and is a word (backends.Word), in which what needs no
// care may stand for itself, too. What is attached is called NAME/queues and NAME/topics.
func inClass(arg string) (string, bool) {
	arg = strings.TrimPrefix(arg, "ctl/")
	first, rest, _ := strings.Cut(arg, "/")
	second, _, _ := strings.Cut(rest, "/")
	return path.Clean(backends.Unword(arg)),
		slices.Contains(ownClasses, first) ||
			first != "" && first[0] != '.' && (second == "queues" || second == "topics") && !exists(arg)
}

// treeAround finds the tree that a file lies in, or is the mount point of. It asks nothing of the tree.
func treeAround(name string) (place, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return place{}, err
	}
	if m, err := mountAt(abs); err == nil && m != nil && ours(m) {
		return place{m, ""}, nil
	}
	list, err := trees()
	if err != nil {
		return place{}, err
	}
	for _, m := range list {
		if below, ok := strings.CutPrefix(abs, m.Mountpoint+"/"); ok {
			return place{m, strings.TrimPrefix(below, "ctl/")}, nil
		}
	}
	for i := range abs { // a symbolic link on the way may lead to a tree
		if abs[i] != '/' || i == 0 {
			continue
		}
		if m, err := mountAt(abs[:i]); err == nil && m != nil && ours(m) {
			return place{m, strings.TrimPrefix(abs[i+1:], "ctl/")}, nil
		}
	}
	if !exists(abs) {
		return place{}, exit{exitDead, fmt.Errorf("%s: %w", name, syscall.ENOENT)}
	}
	return place{}, exit{exitDead, fmt.Errorf("%s: not mounted, or no ipcfs mount", name)}
}

// whole is an error if arguments of a command that is about whole trees name something in one.
func (p place) whole(command string) error {
	if p.path == "" {
		return nil
	}
	return usagef("%s is of a whole tree; of an object: ipcfs ls -l %s", command, p.word())
}

// notLive is why a tree cannot be looked at, in words for people, with the exit status that says so.
func notLive(m *mountinfo.Info, err error) error {
	do, why := dead(m, err)
	if why == nil {
		return err
	}
	if do != "" {
		why = fmt.Errorf("%w (%s)", why, do)
	}
	return exit{exitDead, why}
}

// dead is what mends a tree that cannot be looked at, "" if nothing does, and why it cannot; nil for another error.
func dead(m *mountinfo.Info, err error) (do string, why error) {
	at := m.Mountpoint
	switch {
	case !mounted(m):
		return "", fmt.Errorf("%s: not mounted any more", at)
	case errors.Is(err, syscall.ENOTCONN), errors.Is(err, syscall.ECONNABORTED):
		return "ipcfs umount " + at, fmt.Errorf("%s: dead: its daemon has ended", at)
	case errors.Is(err, errSilent):
		return silent(at)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "", fmt.Errorf("%s: %w (its owner keeps it)", at, err)
	}
	return "", nil
}
