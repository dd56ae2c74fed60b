package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
	"github.com/spf13/pflag"
)

// A candidate is what a word of a command line can become. One that ends in / = or , is no whole word.
type candidate struct{ word, what string }

// completeCommand prints what the last of its arguments, the words of a command line, can become, a line
// each, and behind a tab what that is.
func completeCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		for _, c := range candidates(args) {
			fmt.Fprintln(out, strings.TrimSuffix(c.word+"\t"+c.what, "\t"))
		}
		return nil
	}
}

// candidates are what the last word can become.
func candidates(words []string) (list []candidate) {
	if len(words) == 0 {
		words = []string{""}
	}
	last, before := words[len(words)-1], words[:len(words)-1]
	return slices.DeleteFunc(possible(before, last), func(c candidate) bool {
		return !strings.HasPrefix(c.word, last)
	})
}

// possible are words that can stand behind others, where a part of one is there.
func possible(before []string, last string) (list []candidate) {
	c, rest := choose(before)
	if values, ok := c.flagValues(before, last); ok {
		return values
	}
	if strings.HasPrefix(last, "-") {
		for _, flag := range c.visibleFlags() {
			_, usage := flagTerm(flag)
			list = append(list, candidate{"--" + flag.Name, usage})
		}
		return list
	}
	switch {
	case len(before) == 0 || c.name == "help":
		for _, one := range commands() {
			if one.name != "" && one.public() {
				list = append(list, candidate{one.name, one.short})
			}
		}
		if c.name == "help" {
			for _, t := range helpTopics {
				list = append(list, candidate{t.name, t.title})
			}
		}
	case c.name == "completion":
		list = wordsOf("bash", "zsh", "fish")
	}
	if len(before) == 0 || !strings.Contains(c.args, "MOUNTPOINT") {
		return list
	}
	rest = slices.DeleteFunc(slices.Clone(rest), func(word string) bool { return strings.HasPrefix(word, "-") })
	p, behind, err := objectAndWords(rest)
	switch {
	case err == nil && c.name == "new":
		return optionsBehind(behind, "mode=MODE "+classAt(p.path).New)
	case err == nil && c.name == "ctl":
		return commandsOf(classAt(p.path), behind)
	case err == nil:
		return list
	case len(rest) == 0:
		all, _ := trees()
		for _, m := range all {
			if backends.Word(m.Mountpoint) == m.Mountpoint { // others a shell would take apart
				list = append(list, candidate{m.Mountpoint, "a tree"})
			}
		}
	}
	if strings.Contains(c.args, "PATH") {
		list = append(list, objectsFor(rest, last)...)
	}
	return list
}

func wordsOf(words ...string) (list []candidate) {
	for _, word := range words {
		list = append(list, candidate{word, ""})
	}
	return list
}

// flagValues are the values of a flag, and of -o, that the last word is, or ends in behind =.
func (c command) flagValues(before []string, last string) ([]candidate, bool) {
	name, prefix := "", ""
	if len(before) > 0 {
		name = before[len(before)-1]
	}
	if flag, _, ok := strings.Cut(last, "="); ok && strings.HasPrefix(flag, "--") {
		name, prefix = flag, flag+"="
	}
	i := slices.IndexFunc(c.visibleFlags(), func(f *pflag.Flag) bool {
		return name == "--"+f.Name || name == "-"+f.Shorthand && f.Shorthand != ""
	})
	if i < 0 {
		return nil, false
	}
	flag := c.visibleFlags()[i]
	var values []candidate
	if one, ok := flag.Value.(worded); ok {
		values = wordsOf(one.words()...)
	}
	if flag.Name == "options" {
		prefix = last[:max(len(prefix), strings.LastIndexByte(last, ',')+1)]
		for _, row := range settingTable {
			values = append(values, row.options()...)
		}
	}
	for i := range values {
		values[i].word = prefix + values[i].word
	}
	return values, flag.Value.Type() != "bool"
}

// options are the row's option of mount(8), with each value if they are few.
func (row setting) options() []candidate {
	if row.value == "" {
		return []candidate{{row.name, row.about}}
	}
	var s settings
	list := []candidate{{row.name + "=", row.help}}
	if one, ok := row.in(&s).(worded); ok {
		list = nil
		for _, word := range one.words() {
			list = append(list, candidate{row.name + "=" + word, row.help})
		}
	}
	return list
}

// classAt is the class that a path is in. What is attached has those of the same names.
func classAt(path string) nodes.ClassRow {
	classes := fs.Classes()
	for _, name := range []string{path, path[strings.IndexByte(path, '/')+1:]} {
		for _, c := range classes {
			if strings.HasPrefix(name, c.Name+"/") {
				return c
			}
		}
	}
	return nodes.ClassRow{Description: &nodes.Description{}}
}

// commandsOf are the commands that ctl takes for objects of a class, or the options of the one that is
// there.
func commandsOf(class nodes.ClassRow, words []string) (list []candidate) {
	for _, v := range nodes.Known(class.Verbs) {
		switch {
		case len(words) == 0:
			list = append(list, candidate{v.Name, v.Help})
		case words[0] == v.Name:
			list = append(list, optionsBehind(words[1:], v.Args)...)
		}
	}
	return list
}

// optionsBehind are options as tables write them, `retain=on|off keep=N`, without those that are there
// already.
func optionsBehind(words []string, form string) (list []candidate) {
	for arg := range strings.FieldsSeq(form) {
		key, values, _ := strings.Cut(arg, "=")
		if slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(word, key+"=") }) {
			continue
		}
		if !strings.Contains(values, "|") {
			list = append(list, candidate{key + "=", values})
			continue
		}
		for value := range strings.SplitSeq(values, "|") {
			list = append(list, candidate{key + "=" + value, ""})
		}
	}
	return list
}

// objectsFor are the classes, or the objects of the class that a word begins with, in the tree that
// arguments name.
func objectsFor(args []string, word string) (list []candidate) {
	_, v, err := lookAtPlace(args)
	if err != nil {
		return nil
	}
	defer v.Close()
	daemon, err := v.facts("ctl/status.json")
	if err != nil {
		return nil
	}
	for _, class := range daemon.words("classes") {
		list = append(list, candidate{class + "/", classAt(class + "/").What})
		if !strings.HasPrefix(word, class+"/") {
			continue
		}
		found, _, err := v.walk(class, maxLooked)
		if err != nil {
			return list
		}
		for _, s := range found {
			list = append(list, candidate{backends.Word(string(s.Path)), ""})
		}
	}
	return list
}
