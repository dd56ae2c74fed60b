package nodes

import (
	"slices"
	"strings"
)

// A ClassRow is a class in the table of what there is in the tree (fs.Classes).
type ClassRow struct {
	Name string // its path
	*Description
}

// The functions below print tables for documents and for help: a head and rows, in markdown.

// VerbRows are the commands that ctl takes.
func VerbRows(classes []ClassRow) [][]string {
	type printed struct{ form, who, help string }
	rows := []printed{{setVerb.Form(), setVerb.Who, setVerb.Help}}
	of := map[printed][]string{rows[0]: {"all"}}
	for _, c := range classes {
		for _, v := range c.Verbs {
			p := printed{v.Form(), v.Who, v.Help}
			if of[p] == nil {
				rows = append(rows, p)
			}
			of[p] = append(of[p], strings.TrimSpace(c.Name+" "+v.Of))
		}
	}
	table := [][]string{{"command", "of", "who may", "what it does"}}
	for _, p := range rows {
		who := p.who
		if who == "" {
			who = "the owner"
		}
		table = append(table, []string{"`" + p.form + "`", strings.Join(of[p], ", "), who, p.help})
	}
	return table
}

// ClassRows are the classes, with the options that new takes for them.
func ClassRows(classes []ClassRow) [][]string {
	table := [][]string{{"class", "objects", "options of `new` besides `mode=MODE`"}}
	for _, c := range classes {
		options := ""
		if c.New != "" {
			options = "`" + c.New + "`"
		}
		table = append(table, []string{"`" + c.Name + "`", c.What, options})
	}
	return table
}

// EventRows are the lines of /ctl/events.
func EventRows(classes []ClassRow) [][]string {
	table := [][]string{{"line", "of", "what has happened"}}
	for _, e := range eventTable {
		var of []string
		for _, c := range classes {
			if slices.Contains(c.Events, e.kind) {
				of = append(of, c.Name)
			}
		}
		if e.all {
			of = nil
		}
		table = append(table, []string{"`" + string(e.kind) + " " + e.args + "`", strings.Join(of, ", "), e.what})
	}
	return table
}
