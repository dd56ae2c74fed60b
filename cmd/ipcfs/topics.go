package main

import (
	"strings"

	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// A helpTopic is a table that `ipcfs help NAME` and ipcfs(5) show.
type helpTopic struct {
	name, title string
	rows        func() [][]string // the head first, in markdown
}

// helpTopics are those tables that ipcfs works by, and the one of control files.
var helpTopics = []helpTopic{
	{"classes", "Classes", func() [][]string { return nodes.ClassRows(fs.Classes()) }},
	{"files", "Control files", fileRows},
	{"verbs", "Commands that ctl takes", func() [][]string { return nodes.VerbRows(fs.Classes()) }},
	{"events", "Lines of events", func() [][]string { return nodes.EventRows(fs.Classes()) }},
	{"limits", "Limits", nodes.LimitRows},
	{"errors", "Errors", errorRows},
	{"settings", "Settings", settingRows},
}

// fileTable are the control files.
var fileTable = []struct{ of, name, what string }{
	{"the tree", "status", "of the daemon: key=value lines; a second read waits for a change"},
	{"the tree", "status.json", "the same as JSON"},
	{"the tree", "pid", "the daemon's process id"},
	{"the tree", "err", "the last failure of all, with what to do"},
	{"the tree", "new", "takes CLASS/NAME key=value ..., and makes an object"},
	{"the tree", "limits", "each limit: used, allowed, how to raise it"},
	{"the tree", "metrics", "the numbers of all status files, for Prometheus"},
	{"the tree", "operations", "what was read and written, by class and call"},
	{"the tree", "trace", "each read and write as it happens"},
	{"the tree", "events", "a line for each object that comes, goes or is renamed"},
	{"all", "status", "key=value lines, safe to eval; a second read waits for a change"},
	{"all", "status.json", "the same as JSON"},
	{"all", "watch", "status, and then each one that differs, without an end"},
	{"all", "ctl", "the settings; takes the commands of the class"},
	{"all", "err", "the last failure, with what to do"},
	{"queues, sysv/queues", "next", "one message, then the end; next@TIME waits for so long"},
	{"queues, sysv/queues", "drain", "all messages that are there, then the end"},
	{"queues, sysv/queues, topics", "lines", "messages as lines"},
	{"queues, sysv/queues, topics", "records", "messages with priority, type or number, and length"},
	{"queues, sysv/queues, topics", "whole", "all that is written until close is one message"},
	{"queues", "prio", "prio/N: sends at priority N"},
	{"sysv/queues", "type", "type/N: messages of type N; type/-N the lowest up to N, type/!N all others"},
	{"sysv/queues", "peek", "peek/N: the N-th message, which stays"},
	{"queues", "lease", "a message on loan: ack or nack"},
	{"topics", "last", "the newest message, then the end"},
	{"topics", "changed", "a line whenever the value changes"},
	{"topics", "since", "since/SEQ: what came after that number"},
	{"topics", "group", "group/NAME: readers who share the messages"},
	{"directories of topics", "all", "all messages below, as records"},
	{"sockets", "dial", "opening it calls"},
	{"sockets", "accept", "opening it takes the next call"},
	{"sockets", "call", "a write is a request, a read its reply"},
	{"sockets", "peer", "a line for each connection"},
	{"sockets", "shutdown", "wr, rd or rdwr ends a direction"},
	{"sockets", "sock", "a link to the socket itself"},
	{"sockets of UDP", "records", "datagrams with their senders"},
	{"sockets of UDP", "data", "datagrams without their senders"},
}

// fileRows are the rows of fileTable.
func fileRows() [][]string {
	rows := [][]string{{"file", "of", "what it is"}}
	for _, f := range fileTable {
		rows = append(rows, []string{code(f.name), f.of, f.what})
	}
	return rows
}

// about is what the tables have to say about a word: a whole table by its name, or the rows that have the
// word. A control file may come with what its user puts in: next@5s, prio/7. An errno may be written small,
// as a number, or as programs print it.
func about(word string) string {
	if word == "timeout" {
		word = nameOf(unix.ETIMEDOUT)
	}
	text := rowsAbout(word)
	if text == "" {
		text = rowsAbout(strings.ToUpper(word))
	}
	if i := strings.IndexAny(word, "@/"); text == "" && i > 0 {
		text = rowsAbout(word[:i])
	}
	return text
}

func rowsAbout(word string) string {
	text := ""
	for _, t := range helpTopics {
		rows := t.rows()
		if word != t.name && word+"s" != t.name {
			found := rows[:1:1]
			for _, row := range rows[1:] {
				if mentions(row, word) || t.name == "errors" && says(row[2], word) {
					found = append(found, row)
				}
			}
			rows = found
		}
		if len(rows) > 1 {
			text += t.title + ":\n" + plain(rows) + "\n"
		}
	}
	return strings.TrimSuffix(text, "\n")
}

// says reports whether what programs print of an errno has some words of it.
func says(text, words string) bool {
	return strings.Contains(words, " ") && strings.Contains(strings.ToLower(text), strings.ToLower(words))
}

// mentions reports whether a row is about a word: one of its first two cells has it, or it is the third.
func mentions(row []string, word string) bool {
	if len(row) > 2 && strings.EqualFold(row[2], word) {
		return true
	}
	for _, cell := range row[:min(2, len(row))] {
		for _, w := range strings.FieldsFunc(unquoted(cell), func(r rune) bool {
			return strings.ContainsRune(" ,=[]|", r)
		}) {
			if w = strings.TrimLeft(w, "-"); w == word || w == word+"s" || strings.HasSuffix(w, "."+word) {
				return true
			}
		}
	}
	return false
}
