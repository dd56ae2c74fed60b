// Ipcfs serves inter-process communication as a file tree: see ipcfs --help, or begin with ipcfs demo.
// This package is what a person meets: flags, output and advice.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/spf13/pflag"
)

func main() {
	args := make([]string, 0, len(os.Args))
	for _, arg := range os.Args[1:] {
		args = append(args, strings.Clone(arg)) // their memory may be written over (title)
	}
	os.Exit(execute(args, os.Stdout, os.Stderr))
}

// Exit statuses beside 0. Those of `ipcfs run` are env(1)'s, to tell its own failures from its command's.
const (
	exitFailure       = 1
	exitUsage         = 2
	exitRun           = 125
	exitNotExecutable = 126
	exitNotFound      = 127
)

// exit is an error that says with which status the program ends. Without err there is nothing more to say.
type exit struct {
	status int
	err    error
}

func (e exit) Error() string {
	if e.err == nil {
		return fmt.Sprint("exit status ", e.status)
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// usagef is an error in the command line.
func usagef(format string, a ...any) error { return exit{exitUsage, fmt.Errorf(format, a...)} }

// execute runs one command line and returns its exit status.
func execute(args []string, stdout, stderr io.Writer) int {
	c, rest := choose(args)
	err := c.execute(rest, stdout)
	if err == nil {
		return 0
	}
	e := exit{exitFailure, err}
	errors.As(err, &e)
	if e.err == nil {
		return e.status // that of a command, who has said what there was to say
	}
	for line := range strings.SplitSeq(fmt.Sprintf("ipcfs: %v", e.err), "\n") {
		fmt.Fprintln(stderr, backends.Line(line)) // names in it were chosen by anybody
	}
	if e.status == exitUsage {
		if _, ok := e.err.(ofMount); ok {
			c, _ = find("mount")
		}
		fmt.Fprintf(stderr, "Try '%s --help'.\n", c.title())
	}
	return e.status
}

// choose finds the command a command line is for. One that begins with no command's name is about
// mounting; a mount point that has such a name is given as ./name.
func choose(args []string) (command, []string) {
	c, _ := find("")
	if len(args) == 0 {
		return c, args
	}
	if args[0] == "-h" || args[0] == "--help" {
		c, _ = find("help")
		return c, nil
	}
	if named, ok := find(args[0]); ok && named.name != "" {
		return named, args[1:]
	}
	return c, args
}

func (c command) execute(args []string, stdout io.Writer) error {
	f := pflag.NewFlagSet(c.title(), pflag.ContinueOnError)
	f.Usage = func() {}
	f.SortFlags = false
	run := c.flags(f)
	switch err := f.Parse(args); {
	case errors.Is(err, pflag.ErrHelp):
		_, err := io.WriteString(stdout, c.help())
		return err
	case err != nil:
		var e exit
		if errors.As(err, &e) {
			return e
		}
		return c.noFlag(err)
	}
	return run(stdout, f.Args())
}
