package tests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A block is a fenced block of a page: what stands behind the fence ("console
// bash"), the heading above it, and its lines.
type block struct {
	info, heading string
	line          int // of the fence
	lines         []string
}

// pages are the files whose blocks are run.
func pages(t *testing.T) []string {
	t.Helper()
	docs, err := filepath.Glob("../docs/*.md")
	check(t, err)
	return append([]string{"../README.md"}, docs...)
}

// blocks finds the fenced blocks of a page.
func blocks(t *testing.T, page string) (list []block) {
	t.Helper()
	text, err := os.ReadFile(page)
	check(t, err)
	heading, open := "", false
	for i, l := range strings.Split(string(text), "\n") {
		info, fence := strings.CutPrefix(l, "```")
		switch {
		case fence && !open:
			list = append(list, block{info: info, heading: heading, line: i + 1})
			open = true
		case fence:
			open = false
		case strings.Contains(l, "```"):
			t.Fatalf("%s:%d: a fence begins its line, else its block is not run", page, i+1)
		case open:
			last := &list[len(list)-1]
			last.lines = append(last.lines, l)
		case strings.HasPrefix(l, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(l, "#"))
		}
	}
	if open {
		t.Fatalf("%s: the last block has no end", page)
	}
	return list
}

// A shown command is one that a page shows, with what it is said to print.
type shown struct{ command, want string }

// commands reads a block as a terminal shows it: a command begins with "$ ", its further lines with "> ".
func (b block) commands() (list []shown) {
	for _, l := range b.lines {
		command, begins := strings.CutPrefix(l, "$ ")
		more, goesOn := strings.CutPrefix(l+" ", "> ")
		switch {
		case begins:
			list = append(list, shown{command: command})
		case len(list) == 0:
			return nil
		case goesOn && list[len(list)-1].want == "":
			list[len(list)-1].command += "\n" + strings.TrimSuffix(more, " ")
		default:
			list[len(list)-1].want += l + "\n"
		}
	}
	return list
}

// matches reports whether output is what a page says: "..." stands for anything in
// its line, a line of nothing else for any lines.
func matches(got, want string) bool {
	pattern := strings.ReplaceAll("\n"+regexp.QuoteMeta(want), "\n\\.\\.\\.\n", "\n(?:.*\n)*")[1:]
	return regexp.MustCompile(`\A` + strings.ReplaceAll(pattern, `\.\.\.`, `.*`) + `\z`).MatchString(got)
}

// TestPages: every ```console block of the README and of docs does what it shows. Each has a tree of its own,
// stands in its root, and is one shell: sh, or bash where the fence says so.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		for _, b := range blocks(t, page) {
			kind, shell, _ := strings.Cut(b.info, " ")
			if kind != "console" || shell == "demo" {
				continue
			}
			// The name becomes a directory's, and the race detector takes no commas there.
			name := fmt.Sprintf("%s:%d %s", filepath.Base(page), b.line, strings.ReplaceAll(b.heading, ",", ""))
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if shell == "" {
					shell = "sh"
				}
				for _, tool := range []string{"bash", "cc", "perl", "python3"} {
					_, missing := exec.LookPath(tool)
					if missing != nil &&
						regexp.MustCompile(`\b`+tool+`\b`).MatchString(shell+" "+strings.Join(b.lines, "\n")) {
						t.Skipf("there is no %s here", tool)
					}
				}
				b.run(t, shell)
			})
		}
	}
}

// run runs the commands of a block and compares what each printed.
func (b block) run(t *testing.T, shell string) {
	list := b.commands()
	if len(list) == 0 {
		t.Fatal("the block shows no command: they begin with \"$ \"")
	}
	// The shell prints a mark before each command, which tells whose output is whose.
	const mark = "\x1e\n"
	var script strings.Builder
	for _, c := range list {
		script.WriteString("printf '\\036\\n'\n" + c.command + "\n")
	}
	tr := mountTree(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, shell, "-c", script.String())
	cmd.Dir = tr.mnt
	cmd.Env = append(os.Environ(), tr.env()...)
	cmd.Env = append(cmd.Env, "HOME="+tr.work, "IPCFS="+tr.mnt, "LC_ALL=C")
	cmd.WaitDelay = patience
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrWaitDelay) {
		t.Error("something that the block started in the background has not ended")
	}
	outputs := strings.Split(string(out), mark)[1:]
	for i, c := range list {
		if i >= len(outputs) {
			t.Fatalf("the shell ended early, before this: %v\n$ %s", err, c.command)
		}
		if !matches(outputs[i], c.want) {
			t.Errorf("$ %s\nprinted:\n%s\nthe page says:\n%s", c.command, outputs[i], c.want)
		}
	}
}

// varies are the parts of the demo's output that are not the same everywhere.
var varies = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`/\S*ipcfs-run-\d+`), "/tmp/ipcfs-run-N"},
	{
		regexp.MustCompile(`(?m)([-dps][-rwxs]{9})[.+]? +(\d+) \S+ +\S+ +(\d+) +[A-Z][a-z]{2} +\d+ +\S+ `),
		"$1 $2 OWNER $3 DATE ",
	},
	{regexp.MustCompile(`ipcfs \S+, pid \d+`), "ipcfs V, pid N"},
	{regexp.MustCompile(`(?m) +$`), ""},
}

// TestReadmeDemo: the transcript in the README is what the demo prints; a
// line of "..." stands for what was left out.
func TestReadmeDemo(t *testing.T) {
	t.Parallel()
	list := blocks(t, "../README.md")
	at := slices.IndexFunc(list, func(b block) bool { return b.info == "console demo" })
	if at < 0 {
		t.Fatal("the README shows no demo")
	}
	if _, missing := exec.LookPath("python3"); missing != nil {
		t.Skip("there is no python3 here, and the demo leaves out the steps that need it")
	}
	tr := bareTree(t)
	out, err := tr.command("ipcfs", "demo").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	first, readme, _ := strings.Cut(strings.Join(list[at].lines, "\n")+"\n", "\n")
	if first != "$ go run ./cmd/ipcfs demo" {
		t.Errorf("the transcript begins with %q", first)
	}
	got := string(out)
	for _, v := range varies {
		got, readme = v.what.ReplaceAllString(got, v.with), v.what.ReplaceAllString(readme, v.with)
	}
	for i, passage := range strings.Split(readme, "...\n") {
		_, rest, found := strings.Cut(got, passage)
		if i == 0 {
			rest, found = strings.CutPrefix(got, passage)
		}
		if !found {
			t.Fatalf("the README says:\n%s\nthe demo printed, from there:\n%s", passage, got)
		}
		got = rest
	}
	if got != "" {
		t.Errorf("behind what the README says the demo printed:\n%s", got)
	}
}

// TestLinks: what the pages link to in the repository is there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		check(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}
