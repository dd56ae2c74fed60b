package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// A viewer reads files of one tree. Another process does the reading (see reader). It is for one goroutine.
type viewer struct {
	m    *mountinfo.Info
	cmd  *exec.Cmd
	in   io.WriteCloser
	pipe *os.File
	out  *json.Decoder

	hasty  []uint32 // whose processes were not all looked at, as they hold too much
	unseen []string // why objects that are attached did not come with the others
}

// A wish asks for a text (Read), for one that is another than the last that was asked for so, as soon as
// there is one (Next), for all objects below a directory, up to Most of them (Walk), or for Text to be
// written (Write). Paths and texts are bytes, here and in answers, and not always UTF-8.
type wish struct {
	Read, Walk  []byte
	Next        []byte
	Most        int
	Write, Text []byte
}

// seen is one answer. Paths are from the root of the tree.
type seen struct {
	Path           []byte
	Text           []byte
	Errno          syscall.Errno
	Mode, Uid, Gid uint32
	Dev, Ino       uint64
	Size           int64
	Sent, Received int64 // s since 1970: mtime and atime
	Left           int   // of the last answer to Walk: how many objects were not looked at
	Last           bool
}

// lookAtPlace is lookAt of the tree that the arguments of a command name.
func lookAtPlace(args []string) (place, *viewer, error) {
	p, err := placeOf(args)
	if err != nil {
		return p, nil, err
	}
	v, err := lookAt(p.Info)
	return p, v, err
}

// lookAt starts a viewer.
func lookAt(m *mountinfo.Info) (*viewer, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	v := &viewer{m: m, cmd: reader(m, w, "_look", m.Mountpoint), pipe: r, out: json.NewDecoder(r)}
	if v.in, err = v.cmd.StdinPipe(); err == nil {
		err = v.cmd.Start()
	}
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	return v, nil
}

// Close ends the viewer.
func (v *viewer) Close() {
	v.in.Close()
	endReader(v.cmd)
	v.pipe.Close()
}

// answer is the next answer, or errSilent if that does not come in time.
func (v *viewer) answer() (seen, error) { return v.answerBy(time.Now().Add(askLimit)) }

// answerBy is answer with another end of the time; zero: none.
func (v *viewer) answerBy(end time.Time) (s seen, err error) {
	if err := v.pipe.SetReadDeadline(end); err != nil {
		return s, err
	}
	switch err := v.out.Decode(&s); {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return s, errSilent
	case err != nil:
		return s, err
	case s.Errno != 0:
		return s, &os.PathError{Op: "read", Path: path.Join(v.m.Mountpoint, string(s.Path)), Err: s.Errno}
	}
	return s, nil
}

func (v *viewer) ask(w wish) error {
	if err := json.NewEncoder(v.in).Encode(w); err != nil {
		return errSilent // its process has ended
	}
	return nil
}

// read reads a control file.
func (v *viewer) read(name string) (string, error) {
	if err := v.ask(wish{Read: []byte(name)}); err != nil {
		return "", err
	}
	s, err := v.answer()
	return string(s.Text), err
}

// next is facts, but for the first time when they have changed, until a time.
func (v *viewer) next(name string, end time.Time) (facts, error) {
	if err := v.ask(wish{Next: []byte(name)}); err != nil {
		return nil, err
	}
	s, err := v.answerBy(end)
	if err != nil {
		return nil, err
	}
	return factsOf(s.Text)
}

// facts reads a status.json.
func (v *viewer) facts(name string) (facts, error) {
	text, err := v.read(name)
	if err != nil {
		return nil, err
	}
	return factsOf([]byte(text))
}

// walk tells of the object at a path or of all below it, at most so many, and of how many
// there are more. What may not be looked at is left out.
func (v *viewer) walk(dir string, most int) (list []seen, left int, err error) {
	if err := v.ask(wish{Walk: []byte(dir), Most: most}); err != nil {
		return nil, 0, err
	}
	for {
		s, err := v.answer()
		if s.Last || errors.Is(err, errSilent) {
			return list, s.Left, err
		}
		if err == nil {
			list = append(list, s)
		}
	}
}

// lookCommand does what a viewer asks for on stdin, for the tree at args[0].
func lookCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		if len(args) != 1 {
			return usagef("one mount point is needed")
		}
		l := looker{args[0], json.NewEncoder(out), map[string]int{}}
		for in := json.NewDecoder(os.Stdin); ; {
			var w wish
			err := in.Decode(&w)
			switch {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
			case len(w.Read) > 0:
				err = l.tell(l.text(string(w.Read)))
			case len(w.Next) > 0:
				err = l.tell(l.next(string(w.Next)))
			case len(w.Write) > 0:
				err = l.tell(l.put(string(w.Write), string(w.Text)))
			default:
				left := 0
				if err = l.from(string(w.Walk), &w.Most, &left); err == nil {
					err = l.tell(seen{Path: w.Walk, Left: left, Last: true})
				}
			}
			if err != nil {
				return err
			}
		}
	}
}

type looker struct {
	mountpoint string
	out        *json.Encoder
	open       map[string]int // texts that next was asked for
}

func (l looker) tell(s seen) error { return l.out.Encode(s) }

// text is a file as it is now.
func (l looker) text(name string) seen {
	text, err := os.ReadFile(path.Join(l.mountpoint, name))
	s := seen{Path: []byte(name), Text: text}
	errors.As(err, &s.Errno)
	return s
}

// next is a text as it is now, and for the next time as it is when it has changed: so control files read that
// stay open, from their beginning.
func (l looker) next(name string) (s seen) {
	s.Path = []byte(name)
	fd, ok := l.open[name]
	if !ok {
		var err error
		if fd, err = unix.Open(path.Join(l.mountpoint, name), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			errors.As(err, &s.Errno)
			return s
		}
		l.open[name] = fd
	}
	b := make([]byte, 1<<16)
	for {
		switch n, err := unix.Pread(fd, b, int64(len(s.Text))); {
		case err == unix.EINTR:
		case err != nil:
			errors.As(err, &s.Errno)
			return s
		case n == 0:
			return s
		default:
			s.Text = append(s.Text, b[:n]...)
		}
	}
}

// from tells of the object at a path, or of those below it.
func (l looker) from(name string, most, left *int) error {
	var st unix.Stat_t
	if err := unix.Lstat(path.Join(l.mountpoint, name), &st); err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return l.walk(name, most, left)
	}
	return l.tell(l.object(name))
}

// walk tells of the objects below a directory, up to most, and counts the others in left.
func (l looker) walk(dir string, most, left *int) error {
	list, err := os.ReadDir(path.Join(l.mountpoint, dir))
	if err != nil {
		return nil // one that may not be listed, or went just now
	}
	for _, e := range list {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = l.walk(name, most, left)
		case *most == 0:
			*left++
		default:
			*most--
			err = l.tell(l.object(name))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// object is an object with its status.json, and empty text if that may not be read.
func (l looker) object(name string) seen {
	s := l.text("ctl/" + name + "/status.json")
	s.Path, s.Errno = []byte(name), 0
	var st unix.Stat_t
	if err := unix.Lstat(path.Join(l.mountpoint, name), &st); err != nil {
		s.Errno = err.(syscall.Errno)
		return s
	}
	s.Dev, s.Ino = uint64(st.Dev), st.Ino
	s.Mode, s.Uid, s.Gid, s.Size = st.Mode, st.Uid, st.Gid, st.Size
	s.Sent, s.Received = st.Mtim.Sec, st.Atim.Sec
	return s
}
