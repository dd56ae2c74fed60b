package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ipcfs/ipcfs/nodes"
	"github.com/spf13/pflag"
)

// tried are words that people try as commands, and what does that.
var tried = []struct{ words, do string }{
	{"stop kill end exit detach", "ipcfs umount MOUNTPOINT"},
	{"start serve", "ipcfs MOUNTPOINT"},
	{"restart reload", "ipcfs upgrade MOUNTPOINT, of a tree with a keeper; else umount, and mount again"},
	{"create make add touch mkdir", "ipcfs new CLASS/NAME, or touch MOUNTPOINT/CLASS/NAME"},
	{"delete remove del unlink", "rm MOUNTPOINT/CLASS/NAME"},
	{"list ps dir", "ipcfs ls"},
	{"info show stat stats", "ipcfs status of a tree, ipcfs ls -l CLASS/NAME of an object"},
	{"cat read recv receive get take", "cat MOUNTPOINT/queues/NAME, or ctl/queues/NAME/next for one message"},
	{"write send put echo", "echo MESSAGE > MOUNTPOINT/queues/NAME"},
	{"publish pub", "echo MESSAGE > MOUNTPOINT/topics/NAME"},
	{"subscribe sub", "cat MOUNTPOINT/topics/NAME"},
	{"chmod chown chgrp mv cp", "the same of files: chmod MODE MOUNTPOINT/CLASS/NAME"},
	{"set config", "ipcfs ctl CLASS/NAME KEY=VALUE"},
	{"log logs", "less STATE_DIR/ipcfs.log (grep state_dir MOUNTPOINT/ctl/status), or journalctl -u ipcfs"},
	{"check diagnose", "ipcfs doctor"},
}

// triedFlags are flags of ls(1) that people try with ipcfs ls, and what does that.
var triedFlags = map[string]string{
	"t": "--sort age", "S": "--sort bytes", "R": "ipcfs ls CLASS lists all that is below it",
	"d": "ipcfs ls CLASS/NAME is one object", "1": "ipcfs ls has one a line",
	"r": "--sort KEY has the largest first",
}

// noFlag is the error of a flag that a command does not have. It tells what was perhaps meant.
func (c command) noFlag(err error) error {
	var none *pflag.NotExistError
	if c.name == "ls" && errors.As(err, &none) {
		if do := triedFlags[none.GetSpecifiedName()]; do != "" {
			return usagef("%w; what does it: %s", err, do)
		}
	}
	if errors.As(err, &none) {
		var names []string
		for _, flag := range c.visibleFlags() {
			names = append(names, flag.Name)
		}
		if best := nodes.Meant(none.GetSpecifiedName(), names); best != "" && none.GetSpecifiedShortnames() == "" {
			err = fmt.Errorf("%w, did you mean --%s?", err, best)
		}
	}
	if c.name == "" {
		err = ofMount{err}
	}
	return exit{exitUsage, err}
}

// ofMount is an error in the flags of mounting, which the help of all commands does not show.
type ofMount struct{ error }

// instead is what does what people mean by a word that is no command; "" if that is not known.
func instead(word string) string {
	for _, t := range tried {
		for w := range strings.FieldsSeq(t.words) {
			if w == word {
				return t.do
			}
		}
	}
	return ""
}

// noCommand is the error of a word that is no command. It tells what was perhaps meant.
func noCommand(word string) error {
	if do := instead(word); do != "" {
		return usagef("%s: no such command; what does it: %s", word, do)
	}
	if best := meant(word); best != "" {
		return usagef("%s: no such command, did you mean `ipcfs %s`?", word, best)
	}
	return usagef("%s: no such command, and no mount point that exists (mkdir %s)", word, word)
}

// meant is the public command whose name is most like a word, "" if none is like it.
func meant(word string) string {
	var names []string
	for _, c := range commands() {
		if c.public() {
			names = append(names, c.name, c.also)
		}
	}
	best, _ := find(nodes.Meant(word, names))
	return best.name
}
