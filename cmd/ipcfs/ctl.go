package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/spf13/pflag"
)

// ctlCommand is `ipcfs ctl`: the object's ctl file, by the object's own path, and what its err file says.
func ctlCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		p, words, err := objectAndWords(args)
		if err != nil {
			return err
		}
		dir := "ctl/" + p.path
		if len(words) > 0 {
			if do := p.byFile(words); do != "" {
				return usagef("%s is done to the file itself: %s", words[0], do)
			}
			return p.tell("ctl", dir+"/ctl", strings.Join(words, " "), dir+"/err")
		}
		v, err := lookAt(p.Info)
		if err != nil {
			return err
		}
		defer v.Close()
		text, err := v.read(dir + "/ctl")
		if err != nil {
			return p.untold(v, "ctl", err)
		}
		_, err = io.WriteString(out, text)
		return err
	}
}

// newCommand is `ipcfs new`: a line of ctl/new, and what ctl/err says.
func newCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(_ io.Writer, args []string) error {
		p, words, err := objectAndWords(args)
		if err != nil {
			return err
		}
		line := strings.Join(append([]string{p.word()}, words...), " ")
		return p.tell("create", "ctl/new", line, "ctl/err")
	}
}

// objectAndWords takes arguments apart that begin with [MOUNTPOINT] PATH.
func objectAndWords(args []string) (place, []string, error) {
	for n := 1; n <= min(2, len(args)); n++ {
		p, err := placeOf(args[:n])
		if err != nil && !beginsTree(args[n-1:]) && (n == 2 || errors.Is(err, syscall.ENOENT)) {
			err = noClass(args[n-1])
		}
		if err != nil || p.path != "" {
			return p, args[n:], err
		}
	}
	return place{}, nil, usagef("the path of an object is needed: queues/jobs")
}

// beginsTree reports whether the first of some words is meant for an object by its path in a tree, or for a
// file outside: it is a path of a class, or one from / or ., or before a path of a class.
func beginsTree(words []string) bool {
	_, classed := inClass(words[0])
	if len(words) > 1 && !classed {
		_, classed = inClass(words[1])
	}
	return classed || strings.HasPrefix(words[0], "/") || strings.HasPrefix(words[0], ".")
}

// noClass says that a path is of no class.
func noClass(path string) error {
	return usagef("%s: %s", path, classForm())
}

// classForm tells how paths of objects begin.
func classForm() string {
	return "the path of an object begins with its class: " + strings.Join(ownClasses, ", ") +
		", or NAME/queues and NAME/topics of what is attached"
}

// tell writes a line to a control file. If the daemon does not do it, the error is what the file of failures
// says. It does not wait for a daemon that does not answer; for one that does, as long as that takes.
func (p place) tell(op, file, line, failures string) error {
	v, err := lookAt(p.Info)
	if err != nil {
		return err
	}
	defer v.Close()
	if _, err := v.read("ctl/pid"); err != nil {
		return notLive(p.Info, err)
	}
	err = v.write(file, line+"\n")
	if err == nil {
		return nil
	}
	if op == "create" && errors.Is(err, syscall.ENOENT) && p.inNoDirectory(v) {
		dir := path.Dir(p.path)
		return fmt.Errorf("%s %s: no directory %s (mkdir %s)", op, p.word(), backends.Word(dir),
			path.Join(p.Mountpoint, dir))
	}
	said, _ := v.read(failures)
	_, why, _ := strings.Cut(said, " ")
	_, classed := inClass(p.path)
	var errno syscall.Errno
	errors.As(err, &errno)
	for _, what := range []string{p.word(), "new"} { // new: the line is none
		// One of another errno is of an earlier failure: what the kernel itself refuses has no line.
		about, ok := strings.CutPrefix(why, op+" "+what+": ")
		if ok && classed && strings.HasPrefix(about, errno.Error()) {
			return fmt.Errorf("%s %s: %s", op, p.word(), strings.TrimSuffix(about, "\n"))
		}
	}
	return p.untold(v, op, err)
}

// byFile is what does to the object's file what people try as a command of ctl; "" if words are no such.
func (p place) byFile(words []string) string {
	do := strings.Join(words, " ")
	switch words[0] {
	case "chmod", "chown", "chgrp", "rm":
	case "remove", "delete", "unlink":
		do = "rm"
	default:
		return ""
	}
	return do + " " + path.Join(p.Mountpoint, p.path)
}

// inNoDirectory reports whether the directory is missing that the object would be in, and mkdir(2) makes it.
func (p place) inNoDirectory(v *viewer) bool {
	class, _, _ := strings.Cut(p.path, "/")
	if !slices.Contains([]string{"topics", "shm", "fifos"}, class) {
		return false
	}
	_, err := v.read(path.Dir(p.path)) // EISDIR if it is there
	return errors.Is(err, syscall.ENOENT)
}

// untold is the error of a control file of an object, of which the daemon has not said more.
func (p place) untold(v *viewer, op string, err error) error {
	var errno syscall.Errno
	_, classed := inClass(p.path)
	switch {
	case !errors.As(err, &errno), errno == syscall.ENOTCONN, errno == syscall.ECONNABORTED:
		return notLive(p.Info, err)
	case errno == syscall.ENOENT && !classed:
		return noClass(p.word())
	case errno == syscall.ENOENT:
		return fmt.Errorf("%s: no such object", p.word())
	case errno == syscall.EACCES:
		return fmt.Errorf("%s %s: %w: only its owner may", op, p.word(), errno)
	}
	return fmt.Errorf("%s %s: %w", op, p.word(), errno)
}

// write writes a text to a control file, however long that takes.
func (v *viewer) write(name, text string) error {
	if err := v.ask(wish{Write: []byte(name), Text: []byte(text)}); err != nil {
		return err
	}
	_, err := v.answerBy(time.Time{})
	return err
}

// put does what write asks for.
func (l looker) put(name, text string) seen {
	s := seen{Path: []byte(name)}
	f, err := os.OpenFile(path.Join(l.mountpoint, name), os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	errors.As(err, &s.Errno)
	return s
}
