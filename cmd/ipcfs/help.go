package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// find finds a command by its name, or by another name that people try.
func find(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name || name != "" && c.also == name {
			return c, true
		}
	}
	return command{}, false
}

func (c command) title() string { return strings.TrimSpace("ipcfs " + c.name) }

// public reports whether people give a command, and not only ipcfs itself.
func (c command) public() bool { return c.name == "" || c.short != "" }

// help is the text of `ipcfs --help` or `ipcfs COMMAND --help`.
func (c command) help() string {
	var b strings.Builder
	if c.name == "" {
		return overview()
	}
	flags := c.flagUsages()
	if flags != "" && !strings.HasPrefix(c.args, "[FLAG") {
		c.args = strings.TrimSpace("[FLAG...] " + c.args)
	}
	fmt.Fprintf(&b, "Usage: %s\n\n%s%s.\n",
		strings.TrimSpace(c.title()+" "+c.args), strings.ToUpper(c.short[:1]), c.short[1:])
	if c.long != "" {
		b.WriteString("\n" + c.long)
	}
	if flags != "" {
		b.WriteString("\nFlags:\n" + flags)
	}
	return b.String()
}

// overviewForm is how wide the column of commands is.
const overviewForm = 26

// overview is the text of `ipcfs --help`.
func overview() string {
	var b strings.Builder
	b.WriteString("Usage: ipcfs [FLAG...] MOUNTPOINT        the flags: ipcfs help mount\n" +
		"       ipcfs COMMAND [ARGUMENT...]\n\n" +
		"Serves IPC as files: queues, topics, shm, fifos and sockets.\n\n" +
		"Commands (ipcfs help COMMAND tells more):\n")
	for _, c := range commands() {
		if c.short == "" {
			continue
		}
		args := strings.TrimSuffix(strings.TrimPrefix(c.args, "[FLAG...] "), " [ARGUMENT...]")
		form := strings.TrimSpace(c.name + " " + args)
		if strings.Contains(form, " PATH") {
			form = c.name + " PATH"
		}
		if len(form) > overviewForm {
			form = strings.TrimSuffix(form, " [PATH]")
		}
		fmt.Fprintf(&b, "  %-*s %s\n", overviewForm, form, c.short)
	}
	return b.String()
}

// flagUsages is a line for each flag.
func (c command) flagUsages() string {
	var b strings.Builder
	for _, flag := range c.visibleFlags() {
		short := "    "
		if flag.Shorthand != "" {
			short = "-" + flag.Shorthand + ", "
		}
		value, usage := pflag.UnquoteUsage(flag)
		if flag.Value.Type() == "bool" {
			value = ""
		}
		fmt.Fprintf(&b, "  %s%-17s %s\n", short, strings.TrimSpace("--"+flag.Name+" "+value), usage)
	}
	return b.String()
}

// visibleFlags are the flags of a command that people give, in the order of the help.
func (c command) visibleFlags() (list []*pflag.Flag) {
	f := pflag.NewFlagSet(c.title(), pflag.ContinueOnError)
	f.SortFlags = false
	c.flags(f)
	f.VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			list = append(list, flag)
		}
	})
	return list
}

// helpCommand is `ipcfs help [COMMAND]`. What comes behind the command is left
// alone: people put `help` before a whole command line.
func helpCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		name := ""
		if len(args) > 0 {
			name = args[0]
		}
		c, ok := find(name)
		if !ok || !c.public() {
			text := about(name)
			switch {
			case text != "":
			case instead(name) != "", meant(name) != "":
				return noCommand(name)
			default:
				return usagef("%s: no such command or word; ipcfs help files, limits, … lists the words", name)
			}
			_, err := io.WriteString(out, text)
			return err
		}
		_, err := io.WriteString(out, c.help())
		return err
	}
}

// exists reports whether there is something by a name. It asks nothing of a file
// system that is mounted there, which may be dead or hang.
func exists(name string) bool {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err != unix.ENOENT
}

// mistaken is the error of a command line that begins with no command's name, and with no
// mount point either; nil if it may be about mounting.
func mistaken(args []string) error {
	switch {
	case len(args) == 0 || args[0] == "" || strings.Contains(args[0], "/"):
		return nil
	case !exists(args[0]):
		return noCommand(args[0])
	case len(args) > 1 && !slices.Contains(args[1:], ""):
		return usagef("unexpected argument %q (with a source: ipcfs mount SOURCE MOUNTPOINT)", args[1])
	}
	return nil
}
