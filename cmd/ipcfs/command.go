package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// A command is what `ipcfs NAME` does; the one with no name mounts. Help comes from the table of commands.
type command struct {
	name  string
	args  string // as the usage line shows them
	short string // what `ipcfs --help` says of it; nothing of a command that ipcfs calls itself
	long  string // what its own --help says besides
	flags func(*pflag.FlagSet) func(out io.Writer, args []string) error
}

// commands is the table of commands, in the order of the help.
func commands() []command {
	return []command{
		{
			args:  "MOUNTPOINT",
			flags: mountCommand,
		}, {
			name:  "umount",
			args:  "MOUNTPOINT",
			short: "unmount, and end the daemon",
			long: "Ends the daemon and waits until nothing is mounted. If the daemon is dead or\n" +
				"does not answer, detaches what it left. Those who wait for messages get ENODEV\n" +
				"or ENOTCONN; the objects stay.\n",
			flags: umountCommand,
		}, {
			name:  "run",
			args:  "[FLAG...] -- COMMAND [ARGUMENT...]",
			short: "run COMMAND with a private tree at $IPCFS, without root",
			long: "Runs COMMAND in private mount, ipc and pid namespaces (and, unless root, a user\n" +
				"namespace) in which a tree is mounted at $IPCFS. Queues and /dev/shm are its\n" +
				"own, users and files those outside. All of it, processes too, ends with COMMAND.\n" +
				"\n" +
				"Exit status: COMMAND's, or 128 + N if signal N ended it; 125 if ipcfs failed,\n" +
				"126 if COMMAND cannot be executed, 127 if it is not found, 2 for wrong usage.\n",
			flags: runCommand,
		}, {
			name:  "demo",
			short: "see every mechanism work, in a private tree",
			long: "Shows each command and what it printed, and checks it. Exit status: 0 if all was\n" +
				"as it should be, else 1.\n",
			flags: demoCommand,
		}, {
			name:  "bench",
			args:  "[FLAG...] [MOUNTPOINT]",
			short: "measure the tree beside the kernel's own calls",
			long: "Measures each way into a tree, the private one that it mounts or the one at\n" +
				"MOUNTPOINT, beside the native interface to the same kind of object. They take\n" +
				"turns, and what counts is the median; it takes about 20 seconds. All runs on one\n" +
				"processor, as wake-ups across processors can take longer than all the rest.\n",
			flags: benchCommand,
		}, {
			name:  "version",
			short: "print the version",
			flags: versionCommand,
		}, {
			name:  "help",
			args:  "[COMMAND]",
			short: "tell more about a command",
			flags: helpCommand,
		},
		{name: "_init", flags: initCommand},
		{name: "_bench", flags: benchProcess},
		{name: "_demo", flags: demoStepsCommand},
		{name: "_pid", flags: pidCommand},
	}
}

func find(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

func (c command) title() string { return strings.TrimSpace("ipcfs " + c.name) }

// help is the text of `ipcfs --help` or `ipcfs COMMAND --help`.
func (c command) help() string {
	var b strings.Builder
	if c.name != "" {
		flags := c.flagUsages()
		if flags != "" && !strings.HasPrefix(c.args, "[FLAG") {
			c.args = strings.TrimSpace("[FLAG...] " + c.args)
		}
		fmt.Fprintf(&b, "Usage: %s\n\n%s%s.\n", strings.TrimSpace(c.title()+" "+c.args), strings.ToUpper(c.short[:1]), c.short[1:])
		if c.long != "" {
			b.WriteString("\n" + c.long)
		}
		if flags != "" {
			b.WriteString("\nFlags:\n" + flags)
		}
		return b.String()
	}
	b.WriteString("Usage: ipcfs [FLAG...] MOUNTPOINT\n" +
		"       ipcfs SOURCE MOUNTPOINT -o OPTION,...     as mount(8) calls it\n" +
		"       ipcfs COMMAND [ARGUMENT...]\n\n" +
		"Serves IPC as files: queues, shm, fifos and sockets, all true kernel objects.\n\n" +
		"Commands (ipcfs help COMMAND tells more):\n")
	for _, c := range commands() {
		if c.short == "" {
			continue
		}
		args := strings.TrimSuffix(strings.TrimPrefix(c.args, "[FLAG...] "), " [ARGUMENT...]")
		fmt.Fprintf(&b, "  %-21s %s\n", strings.TrimSpace(c.name+" "+args), c.short)
	}
	b.WriteString("\nFlags:\n" + c.flagUsages() + "\nExit status: 0 done, 1 failed, 2 wrong usage.\n")
	return b.String()
}

// flagUsages is a line for each flag.
func (c command) flagUsages() string {
	f := pflag.NewFlagSet(c.title(), pflag.ContinueOnError)
	f.SortFlags = false
	c.flags(f)
	var b strings.Builder
	f.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		short := "    "
		if flag.Shorthand != "" {
			short = "-" + flag.Shorthand + ", "
		}
		value, usage := pflag.UnquoteUsage(flag)
		if flag.Value.Type() == "bool" {
			value = ""
		}
		fmt.Fprintf(&b, "  %s%-17s %s\n", short, strings.TrimSpace("--"+flag.Name+" "+value), usage)
	})
	return b.String()
}

func helpCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		name := strings.Join(args, " ")
		c, ok := find(name)
		if !ok || c.name != "" && c.short == "" {
			return usagef("no command %q", name)
		}
		_, err := io.WriteString(out, c.help())
		return err
	}
}
