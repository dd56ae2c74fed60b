package tests

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// languages are how the programs of docs/languages.md are run: by a shell, with the file in $1
// and a directory for what is built in $2.
var languages = []struct {
	name, file, command string
	slow                bool // it takes seconds to build
}{
	{name: "bash", file: "demo.bash", command: `bash "$1"`},
	{name: "python", file: "demo.py", command: `python3 "$1"`},
	{name: "go", file: "demo.go", command: `go build -o "$2/demo" "$1" && "$2/demo"`, slow: true},
	{name: "js", file: "demo.js", command: `node "$1"`},
	{name: "java", file: "Demo.java", command: `java "$1"`, slow: true},
	{name: "rust", file: "demo.rs", command: `rustc --edition 2021 -o "$2/demo" "$1" && "$2/demo"`, slow: true},
	{name: "ruby", file: "demo.rb", command: `ruby "$1"`},
	{name: "perl", file: "demo.pl", command: `perl "$1"`},
	{name: "c", file: "demo.c", command: `cc -Wno-unused-result -o "$2/demo" "$1" && "$2/demo"`},
}

// TestLanguages: each program of docs/languages.md prints what stands at the top of the page.
func TestLanguages(t *testing.T) {
	t.Parallel()
	list := blocks(t, "../docs/languages.md")
	at := slices.IndexFunc(list, func(b block) bool { return b.info == "text" })
	if at < 0 {
		t.Fatal("the page does not say what the programs print")
	}
	want := strings.Join(list[at].lines, "\n") + "\n"
	tr := mountTree(t)
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			check(t, tr.join())
			i := slices.IndexFunc(list, func(b block) bool { return b.info == l.name })
			if i < 0 {
				t.Fatal("the page has no program")
			}
			program, _, _ := strings.Cut(l.command, " ")
			if _, missing := exec.LookPath(program); missing != nil {
				t.Skipf("there is no %s here", program)
			}
			if l.slow && !*long {
				t.Skip("it takes seconds to build: -long")
			}
			defer tr.empty(t)
			tr.dog.allow(lifetime)
			dir, err := os.MkdirTemp(tr.work, "built")
			check(t, err)
			file := filepath.Join(dir, l.file)
			check(t, os.WriteFile(file, []byte(strings.Join(list[i].lines, "\n")+"\n"), 0644))
			ctx, cancel := context.WithTimeout(t.Context(), 2*patience) // programs start slowly beside others
			defer cancel()
			cmd := exec.CommandContext(ctx, "sh", "-c", l.command, "sh", file, dir)
			cmd.Dir = tr.mnt
			cmd.Env = append(os.Environ(), tr.env()...)
			cmd.WaitDelay = patience
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != want {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
