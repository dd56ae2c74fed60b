// Package ipctool is the program of that name, which does for scripts and tests what a C
// program would do: one system call for each step, and errors by their names in errno.h. A
// command has a line in the table below, and a file of its own or with others of its family. It
// runs in a test binary that calls Main under the name ipctool.
package ipctool

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// commands are the subcommands.
var commands = map[string]struct {
	usage string
	run   func(args []string) error
}{
	"file":          {"FLAG,… PATH OP…", fileCommand},
	"map":           {"PATH OP…", mapCommand},
	"mq-create":     {"NAME MAXMSG MSGSIZE", mqCreateCommand},
	"mq-send":       {"NAME PRIO MSG…", mqSendCommand},
	"mq-recv":       {"NAME [COUNT]", mqRecvCommand},
	"mq-attr":       {"NAME", mqAttrCommand},
	"mq-unlink":     {"NAME", mqUnlinkCommand},
	"mq-ls":         {"", mqLsCommand},
	"mq-used":       {"", mqUsedCommand},
	"sysv-key":      {"FILE ID", sysvKeyCommand},
	"sysv-new":      {"KEY|IPC_PRIVATE", sysvNewCommand},
	"sysv-send":     {"KEY|id=N TYPE MSG…", sysvSendCommand},
	"sysv-recv":     {"KEY|id=N TYPE|!TYPE [COUNT]", sysvRecvCommand},
	"sysv-rm":       {"KEY|id=N", sysvRmCommand},
	"sysv-ls":       {"", sysvLsCommand},
	"poll":          {"poll|select|epoll|epollet in|out FLAG COMMAND FILE…", pollCommand},
	"lock":          {"flock|fcntl|ofd wait|try PATH COMMAND", lockCommand},
	"serve":         {"stream|dgram|seqpacket PATH CLIENTS", serveCommand},
	"dial":          {"stream|dgram|seqpacket PATH MSG…", dialCommand},
	"talk":          {"", talkCommand},
	"carry":         {"ROLE=PATH…", carryCommand},
	"says":          {"LAST PATH", saysCommand},
	"pump":          {"OUT IN COUNT TAG", pumpCommand},
	"produce":       {"PATH FROM COUNT", produceCommand},
	"consume":       {"PATH", consumeCommand},
	"as":            {"UID[:GROUP,…] COMMAND…", asCommand},
	"grants":        {"PATH…", grantsCommand},
	"limit":         {"msgqueue|nofile N COMMAND…", limitCommand},
	"may":           {"'UID[:GROUP,…] …' read|write|trunc|creat|cut|stat|list|mkdir|rm|mv|chmod=PATH…", mayCommand},
	"race":          {"MNT CLASS tree|native|dir|new ATTEMPTS", raceCommand},
	"hold":          {"DIR HELD RELEASE", holdCommand},
	"race-move":     {"TREE NATIVE OTHER ATTEMPTS", raceMoveCommand},
	"mix-send":      {"native|mount WHERE ID COUNT", mixSendCommand},
	"mix-recv":      {"native|mount WHERE", mixReceiveCommand},
	"storm-send":    {"plain|lines|mq|msg PATH FROM COUNT", stormSendCommand},
	"storm-talk":    {"dial|accept long|short WHERE COUNT [FROM]", stormTalkCommand},
	"storm-receive": {"plain|lines|lease|mq|msg PATH FILE", stormReceiveCommand},
	"sleepers":      {"COUNT FILE…", sleepersCommand},
	"crowd":         {"COUNT EACH open|stat|create|write|echo PATH", crowdCommand},
	"scramble":      {"QUEUE ROUNDS", scrambleCommand},
	"fifo-burst":    {"PATH LETTER COUNT", fifoBurstCommand},
	"actor":         {"[IN OUT]", actorCommand},
	"fan-read":      {"{file|stream|seqpacket PATH BYTES SIZE}…", fanReadCommand},
	"fan-serve":     {"stream|seqpacket PATH READERS SIZE", fanServeCommand},
	"fan-pub":       {"{file|stream|seqpacket PATH BYTES SIZE}…", fanPublishCommand},
}

// Main runs the command in os.Args. It returns if all went well; else it
// says why on stderr and exits with status 1.
func Main() {
	if len(os.Args) < 2 {
		fail(errors.New("usage: ipctool COMMAND …"))
	}
	c, ok := commands[os.Args[1]]
	if !ok {
		fail(fmt.Errorf("%s: no such command", os.Args[1]))
	}
	err := c.run(os.Args[2:])
	if errors.Is(err, errUsage) {
		err = fmt.Errorf("usage: ipctool %s %s", os.Args[1], c.usage)
	}
	if err != nil {
		fail(err)
	}
}

var errUsage = errors.New("usage")

func fail(err error) {
	fmt.Fprintln(os.Stderr, "ipctool:", name(err))
	os.Exit(1)
}

// name is an error as errno.h calls it.
func name(err error) string {
	if err == nil {
		return "no error"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if s := unix.ErrnoName(errno); s != "" {
			return s
		}
	}
	return err.Error()
}

// Retry repeats a system call that a signal interrupted, as Go's own do.
func Retry[T any](call func() (T, error)) (T, error) {
	for {
		v, err := call()
		if err != unix.EINTR {
			return v, err
		}
	}
}
