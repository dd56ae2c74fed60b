package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/fs"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// demoCommand is `ipcfs demo`: demoStepsCommand in private namespaces. Its queues are
// small, as few of the default size fit into RLIMIT_MSGQUEUE.
func demoCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(_ io.Writer, args []string) error {
		if len(args) > 0 {
			return usagef("unexpected argument %q", args[0])
		}
		s := settings{tree: fs.Config{MaxMsg: 10, MsgSize: 128}}
		status, err := s.privately([]string{ipcfs().Path, "_demo"})
		if err == nil && status != 0 {
			err = exit{status: exitFailure}
		}
		return err
	}
}

// demoStepsCommand goes through the steps in the tree at $IPCFS.
func demoStepsCommand(*pflag.FlagSet) func(io.Writer, []string) error {
	return func(out io.Writer, _ []string) error {
		tree := os.Getenv("IPCFS")
		if tree == "" {
			return usagef("for ipcfs demo only")
		}
		unix.Umask(022) // which ls -l shows
		fmt.Fprintf(out, "A private ipcfs tree is mounted at %s; the commands run in it.\n", tree)
		shown := 0
		for _, s := range steps {
			if _, err := exec.LookPath(s.needs); s.needs != "" && err != nil {
				fmt.Fprintf(out, "\n-- %s: left out, there is no %s here\n", s.title, s.needs)
				continue
			}
			shown++
			fmt.Fprintf(out, "\n%d. %s\n", shown, s.title)
			if !s.show(out, tree) {
				return fmt.Errorf("step %d went other than expected", shown)
			}
		}
		_, err := fmt.Fprintf(out, "\nAll %d steps went as expected.\n", shown)
		return err
	}
}

// A step of the demo is commands of one shell and what they print, as a terminal would show it: a command
// begins with "$ ", its further lines with "> ", and "..." in the output stands for anything in that line; a
// line of nothing else stands for any lines.
type step struct {
	title      string
	needs      string // a program without which the step is left out
	transcript string
}

// stepLimit is how long a step may take; one that takes longer hangs.
var stepLimit = slowly(60 * time.Second)

// A line of a step is a command and the output that is expected.
type line struct{ command, want string }

func (s step) lines() (list []line) {
	for text := range strings.Lines(s.transcript) {
		if command, ok := strings.CutPrefix(text, "$ "); ok {
			list = append(list, line{command: strings.TrimSpace(command)})
		} else if len(list) == 0 {
			continue
		} else if more, ok := strings.CutPrefix(text, "> "); ok {
			list[len(list)-1].command += "\n" + strings.TrimSpace(more)
		} else {
			list[len(list)-1].want += text
		}
	}
	return list
}

// The shell prints mark before each command, so that each has its own output.
const mark = "\x1e\n"

// show runs the step in dir and prints its commands and what they printed.
// It reports whether that is what was expected.
func (s step) show(out io.Writer, dir string) bool {
	lines := s.lines()
	var script strings.Builder
	for _, l := range lines {
		script.WriteString("printf '\\036\\n'\n" + l.command + "\n")
	}
	output, err := shell(script.String(), dir)
	outputs := strings.Split(output, mark)
	before, outputs := outputs[0], outputs[1:]
	ok := before == "" // the shell's own complaints
	fmt.Fprint(out, indent("!! ", before))
	for i, got := range outputs {
		command := strings.ReplaceAll(lines[i].command, "\n", "\n> ")
		fmt.Fprint(out, indent("   ", "$ "+command+"\n"), indent("   ", got))
		if !matches(got, lines[i].want) {
			ok = false
			fmt.Fprintf(out, "!! expected:\n%s", indent("!! ", lines[i].want))
		}
	}
	if err != nil || len(outputs) < len(lines) {
		ok = false
		fmt.Fprintf(out, "!! the shell ended early: %v\n", err)
	}
	return ok
}

// shell runs a script and returns what it printed. If it hangs, it and all it started are killed.
func shell(script, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), stepLimit)
	defer cancel()
	sh := exec.CommandContext(ctx, "sh", "-c", script)
	sh.Dir = dir
	sh.Env = append(os.Environ(), "LC_ALL=C")
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	sh.Cancel = func() error { return unix.Kill(-sh.Process.Pid, unix.SIGKILL) }
	sh.WaitDelay = time.Second
	output, err := sh.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("nothing happened for %v", stepLimit)
	}
	return string(output), err
}

// matches reports whether output is what is wanted, as a step writes it.
func matches(got, want string) bool {
	pattern := strings.ReplaceAll("\n"+regexp.QuoteMeta(want), "\n\\.\\.\\.\n", "\n(?:.*\n)*")[1:]
	pattern = strings.ReplaceAll(pattern, `\.\.\.`, `.*`)
	return regexp.MustCompile(`\A` + pattern + `\z`).MatchString(got)
}

func indent(by, text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		b.WriteString(by + strings.TrimSuffix(l, "\n") + "\n")
	}
	return b.String()
}
