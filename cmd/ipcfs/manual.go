package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// manualCommand is `ipcfs _manual 1|5`: the pages ipcfs(1) and ipcfs(5), from the
// tables. packaging/man has them; TestPackaged compares.
func manualCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, args []string) error {
		page := map[string]func() string{"1": manual1, "5": manual5}[strings.Join(args, " ")]
		if page == nil {
			return usagef("1 or 5")
		}
		_, err := io.WriteString(out, page())
		return err
	}
}

// roff is a text of man(7) as it grows.
type roff struct{ strings.Builder }

// escaped is a text without what roff takes for its own.
func escaped(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

func (r *roff) macro(name, text string) { fmt.Fprintf(r, ".%s %s\n", name, escaped(text)) }

func (r *roff) text(lines string) {
	for line := range strings.Lines(lines) {
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			r.WriteString(".PP\n")
		} else {
			r.WriteString(escaped(line) + "\n")
		}
	}
}

// item is a term and what is said of it.
func (r *roff) item(term, text string) {
	fmt.Fprintf(r, ".TP\n.B %s\n", escaped(term))
	r.text(text + "\n")
}

func head(section int, what string) *roff {
	r := &roff{}
	fmt.Fprintf(r, ".\\\" Made by go test ./cmd/ipcfs -update.\n"+
		".TH IPCFS %d \"\" \"ipcfs\"\n.SH NAME\nipcfs \\- %s\n", section, what)
	return r
}

// manual1 is ipcfs(1).
func manual1() string {
	r := head(1, "interprocess communication as a file tree")
	r.WriteString(".SH SYNOPSIS\n.nf\n")
	r.text("ipcfs [FLAG...] MOUNTPOINT\nipcfs SOURCE MOUNTPOINT -o OPTION,...\nipcfs COMMAND [ARGUMENT...]\n")
	r.WriteString(".fi\n.SH DESCRIPTION\n")
	r.text("Serves message queues, topics, shared memory, FIFOs and sockets as files. " +
		"ipcfs(5) tells of the tree.\n")
	r.WriteString(".SH COMMANDS\n")
	for _, c := range commands() {
		if c.name == "" || !c.public() {
			continue
		}
		r.macro("SS", strings.TrimSpace(c.title()+" "+c.args))
		if c.also != "" {
			r.text("Also ipcfs " + c.also + ".\n")
		}
		r.text(strings.ToUpper(c.short[:1]) + c.short[1:] + ".\n")
		if c.long != "" {
			r.text("\n" + c.long)
		}
		for _, f := range c.visibleFlags() {
			term, usage := flagTerm(f)
			r.item(term, usage)
		}
	}
	r.WriteString(".SH MOUNT OPTIONS\n")
	r.text("Each setting is a flag and an option of mount(8); other options are the kernel's.\n")
	r.table(settingRows()[1:], 1)
	r.WriteString(".SH EXIT STATUS\n")
	r.text("0 done, 1 failed or warnings, 2 wrong usage, 3 there is no daemon that answers. " +
		"ipcfs run: see there.\n")
	r.WriteString(".SH ENVIRONMENT\n")
	r.item("IPCFS", "the tree that commands without a mount point are about")
	r.item("NO_COLOR", "if it is not empty, top shows no colours")
	r.item("XDG_RUNTIME_DIR", "where the state of an ordinary user's tree is kept")
	r.WriteString(".SH SEE ALSO\n")
	r.text("ipcfs(5), mq_overview(7), shm_overview(7), fifo(7), sysvipc(7), fuse(4)\n")
	return r.String()
}

// flagTerm is a flag as people write it, and what it does.
func flagTerm(f *pflag.Flag) (term, usage string) {
	value, usage := pflag.UnquoteUsage(f)
	if f.Value.Type() == "bool" {
		value = ""
	}
	term = strings.TrimSpace("--" + f.Name + " " + value)
	if f.Shorthand != "" {
		term = "-" + f.Shorthand + ", " + term
	}
	return term, usage
}

// table shows rows as items: the cell at key is the term, the others follow.
func (r *roff) table(rows [][]string, key int) {
	for _, row := range rows {
		var rest []string
		for i, cell := range row {
			if i != key && cell != "" {
				rest = append(rest, unquoted(cell))
			}
		}
		r.item(unquoted(row[key]), strings.Join(rest, ". "))
	}
}

// manual5 is ipcfs(5).
func manual5() string {
	r := head(5, "the tree that ipcfs(1) serves")
	r.WriteString(".SH DESCRIPTION\n")
	r.text("A file is an object: creating it makes one, reading and writing it uses it, removing it removes it.\n" +
		"ctl has a directory for each object at its own path, CLASS/NAME, and in that its control files.\n" +
		"In texts %XX is a byte, for all that could be taken for something else.\n")
	for _, t := range helpTopics[:len(helpTopics)-1] {
		r.macro("SH", strings.ToUpper(t.title))
		r.table(t.rows()[1:], 0)
	}
	r.WriteString(".SH SEE ALSO\n")
	r.text("ipcfs(1)\n")
	return r.String()
}
