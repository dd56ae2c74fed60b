package tests

import (
	"cmp"
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
	env           []string // that it runs with
	dir           string   // where it stands; "": in the root of the tree
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

// TestPages: every ```console block of the README and of docs does what it shows. Each stands in the root of
// a tree with nothing in it, and is one shell: sh, or bash where the fence says so. The blocks of a page
// share a tree. Where the fence says attached there are two more trees, at $ONE and $TWO, which share a
// server.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		list := slices.DeleteFunc(blocks(t, page), func(b block) bool {
			return !strings.HasPrefix(b.info, "console") || b.info == "console demo"
		})
		if len(list) == 0 {
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			tr := mountTree(t)
			env := reachPage(t, tr, page)
			for _, b := range list {
				_, shell, _ := strings.Cut(b.info, " ")
				if b.env = env; shell == "attached" {
					shell, b.dir = "bash", tr.work
				}
				t.Run(fmt.Sprint(b.line, " ", b.heading), func(t *testing.T) {
					check(t, tr.join())
					if shell == "" {
						shell = "sh"
					}
					b.needs(t, shell)
					b.run(t, tr, shell)
				})
			}
		})
	}
}

// needs skips a test where a program is missing that a block calls by its name.
func (b block) needs(t *testing.T, shell string) {
	t.Helper()
	text := shell + " " + strings.Join(b.lines, "\n")
	for _, tool := range []string{"bash", "cc", "perl", "python3"} {
		if _, missing := exec.LookPath(tool); missing != nil && regexp.MustCompile(`\b`+tool+`\b`).MatchString(text) {
			t.Skipf("there is no %s here", tool)
		}
	}
}

// run runs the commands of a block in a shell, compares what each printed, and empties the tree.
func (b block) run(t *testing.T, tr *tree, shell ...string) {
	t.Helper()
	defer tr.empty(t)
	tr.dog.allow(lifetime) // each block has as long as a test of its own
	home, err := os.MkdirTemp(tr.work, "home")
	check(t, err)
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
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, shell[0], append(shell[1:], "-c", script.String())...)
	cmd.Dir = cmp.Or(b.dir, tr.mnt)
	cmd.Env = append(os.Environ(), tr.env()...)
	cmd.Env = append(append(cmd.Env, "HOME="+home, "IPCFS="+tr.mnt, "LC_ALL=C"), b.env...)
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
		if shell[0] == "busybox" { // some build it to take its own cat, which names no file
			c.want, outputs[i] = catSays.ReplaceAllString(c.want, "cat: "), catSays.ReplaceAllString(outputs[i], "cat: ")
		}
		if !matches(outputs[i], c.want) {
			t.Errorf("$ %s\nprinted:\n%s\nthe page says:\n%s", c.command, outputs[i], c.want)
		}
	}
}

var catSays = regexp.MustCompile(`(?m)^cat: (read error|[^ :]+): `)

// shells are those that all recipes work in, besides sh.
var shells = [][]string{{"bash"}, {"zsh"}, {"ksh"}, {"busybox", "sh"}}

// TestRecipes: the recipes do what they show in every shell that is here, and what all pages show for sh in
// bash too, which is sh for many people. One tree serves all of a shell's.
func TestRecipes(t *testing.T) {
	t.Parallel()
	other := regexp.MustCompile(`\b(cc|python3)\b`) // those are about another language
	for _, shell := range shells {
		t.Run(strings.Join(shell, " "), func(t *testing.T) {
			t.Parallel()
			if _, missing := exec.LookPath(shell[0]); missing != nil {
				t.Skipf("there is no %s here", shell[0])
			}
			tr := mountTree(t)
			list := []string{"../README.md", "../docs/recipes.md"}
			if shell[0] == "bash" {
				list = pages(t)
			}
			for _, page := range list {
				for _, b := range blocks(t, page) {
					if b.info != "console" || other.MatchString(strings.Join(b.lines, "\n")) {
						continue
					}
					b.run(t, tr, shell...)
					if t.Failed() {
						t.Fatalf("%s:%d %s", page, b.line, b.heading)
					}
				}
			}
		})
	}
}

// empty ends what a block has started, and removes what it has made in the tree.
func (tr *tree) empty(t *testing.T) {
	t.Helper()
	for _, problem := range tr.endPrograms() {
		t.Error(problem)
	}
	classes := strings.Fields("queues topics shm fifos sockets sockets/tcp sockets/udp " +
		"sysv/queues sysv/queues/private sysv/shm sysv/shm/private")
	for _, class := range classes {
		list, err := os.ReadDir(filepath.Join(tr.mnt, class))
		check(t, err)
		for _, e := range list {
			if name := filepath.Join(class, e.Name()); !slices.Contains(classes, name) {
				check(t, os.RemoveAll(filepath.Join(tr.mnt, name)))
			}
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

// TestPagesDemo: the transcripts in the pages are what the demo prints; a
// line of "..." stands for what was left out.
func TestPagesDemo(t *testing.T) {
	t.Parallel()
	if _, missing := exec.LookPath("python3"); missing != nil {
		t.Skip("there is no python3 here, and the demo leaves out the steps that need it")
	}
	tr := bareTree(t)
	out, err := tr.command("ipcfs", "demo").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	shown := 0
	for _, page := range pages(t) {
		for _, b := range blocks(t, page) {
			if b.info == "console demo" {
				shown++
				b.isDemo(t, page, string(out))
			}
		}
	}
	if shown < 2 {
		t.Errorf("%d pages show the demo", shown)
	}
}

// isDemo compares a block with what the demo printed.
func (b block) isDemo(t *testing.T, page, got string) {
	t.Helper()
	first, said, _ := strings.Cut(strings.Join(b.lines, "\n")+"\n", "\n")
	if first != "$ go run ./cmd/ipcfs demo" {
		t.Errorf("%s: the transcript begins with %q", page, first)
	}
	for _, v := range varies {
		got, said = v.what.ReplaceAllString(got, v.with), v.what.ReplaceAllString(said, v.with)
	}
	for i, passage := range strings.Split(said, "...\n") {
		_, rest, found := strings.Cut(got, passage)
		if i == 0 {
			rest, found = strings.CutPrefix(got, passage)
		}
		if !found {
			t.Errorf("%s says:\n%s\nthe demo printed, from there:\n%s", page, passage, got)
			return
		}
		got = rest
	}
	if got != "" {
		t.Errorf("%s: behind what it says the demo printed:\n%s", page, got)
	}
}

// TestLinks: what the pages link to in the repository is there, the headings too.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]*)(#[^)]*)?\)`)
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(prose(t, page), -1) {
			target := page
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(page), m[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if m[2] != "" && !slices.Contains(anchors(t, target), m[2]) {
				t.Errorf("%s: %s has no heading %s", page, target, m[2])
			}
		}
	}
}

// prose is a page without its fenced blocks.
func prose(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	check(t, err)
	return regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(string(text), "")
}

// anchors are what the headings of a page are linked by, as GitHub makes them.
func anchors(t *testing.T, page string) (list []string) {
	t.Helper()
	gone := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for line := range strings.Lines(prose(t, page)) {
		if strings.HasPrefix(line, "#") {
			heading := strings.TrimSpace(strings.TrimLeft(line, "#"))
			list = append(list, "#"+strings.ReplaceAll(gone.ReplaceAllString(strings.ToLower(heading), ""), " ", "-"))
		}
	}
	return list
}
