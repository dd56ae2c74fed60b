package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/spf13/pflag"
)

// completions are the scripts that shells load. They ask ipcfs what can stand at a
// place; it answers from its tables and the tree.
var completions = map[string]string{
	"bash": `# bash completion for ipcfs; made by go test ./cmd/ipcfs -update
_ipcfs() {
    local IFS=$'\n'
    local found=$(ipcfs _complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    COMPREPLY=($(compgen -W "$found" -- "${COMP_WORDS[COMP_CWORD]}"))
    [[ ${COMPREPLY[0]} == */ ]] && compopt -o nospace
}
complete -o default -F _ipcfs ipcfs
`,
	"zsh": `#compdef ipcfs
# zsh completion for ipcfs; made by go test ./cmd/ipcfs -update
local -a found
found=(${(f)"$(ipcfs _complete "${(@)words[2,CURRENT]}" 2>/dev/null)"})
compadd -S '' -a found || _files
`,
	"fish": `# fish completion for ipcfs; made by go test ./cmd/ipcfs -update
complete -c ipcfs -a '(ipcfs _complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
}

// completionCommand is `ipcfs completion SHELL`.
func completionCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		text := completions[strings.Join(args, " ")]
		if text == "" {
			return usagef("a shell is needed: bash, zsh or fish")
		}
		_, err := io.WriteString(out, text)
		return err
	}
}

// completeCommand prints what the last of its arguments, the words of
// a command line, can become, a line each.
func completeCommand(f *pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		for _, word := range candidates(args) {
			fmt.Fprintln(out, word)
		}
		return nil
	}
}

// candidates are what the last word can become.
func candidates(words []string) (list []string) {
	if len(words) == 0 {
		words = []string{""}
	}
	last, before := words[len(words)-1], words[:len(words)-1]
	offer := func(all ...string) {
		for _, one := range all {
			if strings.HasPrefix(one, last) {
				list = append(list, one)
			}
		}
	}
	c, _ := choose(before)
	switch {
	case strings.HasPrefix(last, "-"):
		for _, flag := range c.visibleFlags() {
			offer("--" + flag.Name)
		}
	case len(before) == 0 || c.name == "help":
		for _, one := range commands() {
			if one.name != "" && one.public() {
				offer(one.name)
			}
		}
		for _, t := range helpTopics {
			if c.name == "help" {
				offer(t.name)
			}
		}
	case c.name == "completion":
		offer("bash", "fish", "zsh")
	}
	if len(before) > 0 && strings.Contains(c.args, "MOUNTPOINT") {
		all, _ := trees()
		for _, m := range all {
			offer(m.Mountpoint)
		}
	}
	if len(before) > 0 && strings.Contains(c.args, "PATH") {
		offer(objectsFor(last)...)
	}
	return list
}

// objectsFor are the classes, or the objects of the class that a word begins with, for the only tree.
func objectsFor(word string) (list []string) {
	p, err := placeOf(nil)
	if err != nil {
		return nil
	}
	v, err := lookAt(p.Info)
	if err != nil {
		return nil
	}
	defer v.Close()
	daemon, err := v.facts("ctl/status.json")
	if err != nil {
		return nil
	}
	for _, class := range daemon.words("classes") {
		list = append(list, class+"/")
		if !strings.HasPrefix(word, class+"/") {
			continue
		}
		found, _, err := v.walk(class, maxLooked)
		if err != nil {
			return list
		}
		for _, s := range found {
			if name := string(s.Path); backends.Word(name) == name { // others a shell would take apart
				list = append(list, name)
			}
		}
	}
	return list
}
