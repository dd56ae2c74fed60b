package main

import (
	"io"

	"github.com/spf13/pflag"
)

// A command is what `ipcfs NAME` does; the one with no name mounts. Help comes from the table of commands.
type command struct {
	name  string
	also  string // another name that people try; none: ""
	args  string // as the usage line shows them
	short string // what `ipcfs --help` says of it; nothing of a command that ipcfs calls itself
	long  string // what its own --help says besides
	flags func(*pflag.FlagSet) func(out io.Writer, args []string) error
}

// aboutTree is the end of the help of commands that look at a tree.
const aboutTree = "\nWithout MOUNTPOINT: the tree at $IPCFS, or around the current directory, or the\n" +
	"only one. PATHs are as ls prints them: queues/two%20words.\n"

// commands is the table of commands, in the order of the help.
func commands() []command {
	return []command{
		{
			flags: mountBare,
		}, {
			name:  "mount",
			args:  "[SOURCE] MOUNTPOINT",
			short: "mount a tree; the word mount may be left out",
			long: "Returns when the tree is live, and leaves the daemon in the background. As\n" +
				"mount(8) calls it: ipcfs SOURCE MOUNTPOINT -o OPTION,...\n",
			flags: mountCommand,
		}, {
			name:  "umount",
			also:  "unmount",
			args:  "MOUNTPOINT",
			short: "unmount, and end the daemon",
			long: "Ends the daemon and waits until nothing is mounted. If the daemon is dead or\n" +
				"does not answer, detaches what it left. Those who wait for messages get ENODEV\n" +
				"or ENOTCONN, and are named; the objects stay.\n",
			flags: umountCommand,
		}, {
			name:  "upgrade",
			args:  "MOUNTPOINT",
			short: "put the program on disk into service",
			long: "The tree has to have a keeper (no --keeper=off). Programs that use it notice\n" +
				"nothing. A program that does not start, or does not serve, is given up, and the\n" +
				"one of before goes on. SIGHUP to the keeper does the same, and ctl/status says\n" +
				"how it ended.\n" +
				"\n" +
				"Exit status: 0 done, 1 not done, and why, 3 there is no daemon that answers.\n",
			flags: upgradeCommand,
		}, {
			name:  "status",
			args:  "[MOUNTPOINT]",
			short: "tell how a tree is",
			long: "What there is and who waits, class by class, limits that are nearly used up, and\n" +
				"the last error.\n" +
				"\n" +
				"Exit status: 0 all is well, 1 there are warnings (!), 3 there is no daemon that\n" +
				"answers.\n" + aboutTree,
			flags: statusCommand,
		}, {
			name:  "ls",
			args:  "[MOUNTPOINT] [PATH]",
			short: "list objects, and who uses them",
			long: "PATH is a class, a directory or an object: queues, topics/plant. WAIT messages\n" +
				"wait of CAP that fit, R and W have it open to read and to write, PARK of them\n" +
				"wait; 2L are two names of one object.\n" +
				"\n" +
				"Exit status: 0 done, 1 failed, 3 there is no daemon that answers.\n" + aboutTree,
			flags: lsCommand,
		}, {
			name:  "top",
			args:  "[MOUNTPOINT] [PATH]",
			short: "watch objects, busiest first",
			long: "Keys: q quits, s sorts by the next column, c shows the next class only, / only\n" +
				"names that have what you type, arrows and Enter one object with who uses it and\n" +
				"its last calls, Esc goes back, p pauses. Without a terminal it prints look after\n" +
				"look. NO_COLOR takes the colours away.\n" + aboutTree,
			flags: topCommand,
		}, {
			name:  "trace",
			args:  "[MOUNTPOINT] [PATH]",
			short: "show each read and write as it happens",
			long: "Of all objects, or of what is at and below PATH: root sees all, a user what they\n" +
				"do themselves. FACE is the control file through which it went (lines, prio/3),\n" +
				"- the object's own file. TOOK is how long the daemon had the call, or how long\n" +
				"the call waited. Shared memory and FIFOs do not show: the kernel carries them.\n" + aboutTree,
			flags: traceCommand,
		}, {
			name:  "new",
			args:  "[MOUNTPOINT] PATH [KEY=VALUE...]",
			short: "make an object, with options",
			long: "What echo into ctl/new does: ipcfs new queues/jobs maxmsg=50 mode=660. `ipcfs\n" +
				"help classes` has the options of each class. Says why it failed, if so.\n" + aboutTree,
			flags: newCommand,
		}, {
			name:  "ctl",
			args:  "[MOUNTPOINT] PATH [COMMAND [KEY=VALUE...]]",
			short: "show the settings of an object, or change it",
			long: "What cat and echo do with the object's ctl file: ipcfs ctl queues/jobs set\n" +
				"mode=600. `ipcfs help verbs` has the commands. Says why it failed, if so.\n" + aboutTree,
			flags: ctlCommand,
		}, {
			name:  "rm",
			args:  "--stale [MOUNTPOINT] [PATH]",
			short: "list what nobody uses any more, and remove it",
			long: "Nobody has it open, in the tree or natively, and nobody has used it for --older.\n" +
				"Natively used means open or mapped in /proc, where only root sees all processes.\n" +
				"Those of others are left out, and what is attached, which programs on other\n" +
				"machines may use. Nothing is removed without --yes.\n" + aboutTree,
			flags: rmCommand,
		}, {
			name:  "doctor",
			args:  "[MOUNTPOINT]",
			short: "find what is wrong with the machine or a tree",
			long: "Looks at /dev/fuse, the kernel, its limits, and all trees, and tells what mends\n" +
				"what. Exit status: 0 nothing has failed, 1 something has (FAIL).\n",
			flags: doctorCommand,
		}, {
			name:  "run",
			args:  "[FLAG...] -- COMMAND [ARGUMENT...]",
			short: "run COMMAND, without root, with a tree at $IPCFS",
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
			name:  "broker",
			args:  "[FLAG...]",
			short: "keep queues and topics that machines share",
			long: "Writes the configuration of a nats-server with JetStream, prints how to attach\n" +
				"to it, and becomes the nats-server that is in PATH. Its token is made the first\n" +
				"time, in DIR/token. DIR/local.conf may have more of its configuration.\n",
			flags: brokerCommand,
		}, {
			name:  "completion",
			args:  "bash|zsh|fish",
			short: "print what completes command lines in a shell",
			long: "bash: source <(ipcfs completion bash). zsh: the same behind compinit, or save it\n" +
				"as _ipcfs in a directory of $fpath. fish: ipcfs completion fish | source.\n" +
				"Packages have it installed.\n",
			flags: completionCommand,
		}, {
			name:  "version",
			short: "print the version",
			flags: versionCommand,
		}, {
			name:  "help",
			args:  "[COMMAND|WORD]",
			short: "tell more about a command, or a word",
			long: "WORD is a class, a control file, a command of ctl, a limit, an errno (EDQUOT,\n" +
				"122, 'disk quota exceeded'), a setting; classes, files, verbs, events, limits,\n" +
				"errors and settings are all of those.\n",
			flags: helpCommand,
		},
		{name: "_init", flags: initCommand},
		{name: "_bench", flags: benchProcess},
		{name: "_demo", flags: demoStepsCommand},
		{name: "_pid", flags: pidCommand},
		{name: "_look", flags: lookCommand},
		{name: "_complete", flags: completeCommand},
		{name: "_manual", flags: manualCommand},
		{name: "_follow", flags: followCommand},
	}
}
