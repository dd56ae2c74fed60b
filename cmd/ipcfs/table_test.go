package main

import (
	"os"
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
)

// documentTables are the tables of the documents that are printed from those that ipcfs works by.
var documentTables = []struct {
	page string
	rows func() [][]string
}{
	{"start.md", settingRows},
	{"control.md", func() [][]string { return nodes.VerbRows(fs.Classes()) }},
	{"control.md", func() [][]string { return nodes.ClassRows(fs.Classes()) }},
	{"control.md", func() [][]string { return nodes.EventRows(fs.Classes()) }},
	{"control.md", nodes.LimitRows},
	{"troubleshooting.md", errorRows},
}

// markdown is how the documents show a table.
func markdown(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteString("|")
		for _, cell := range row {
			if cell != "" {
				cell = " " + strings.ReplaceAll(cell, "|", `\|`)
			}
			b.WriteString(cell + " |")
		}
		b.WriteString("\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return b.String()
}

// TestDocumentTables holds that the documents show the tables as they are. go test ./cmd/ipcfs -update
// writes those whose heads are there.
func TestDocumentTables(t *testing.T) {
	for _, d := range documentTables {
		page := "../../docs/" + d.page
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text, want := string(b), markdown(d.rows())
		if strings.Contains(text+"\n", "\n\n"+want+"\n") {
			continue
		}
		head, _, _ := strings.Cut(want, "\n")
		begin := strings.Index(text, head+"\n")
		if !*update || begin < 0 {
			t.Errorf("%s does not show (go test ./cmd/ipcfs -update):\n%s", page, want)
			continue
		}
		end := len(text)
		if last := strings.Index(text[begin:], "\n\n"); last >= 0 {
			end = begin + last + 1
		}
		if err := os.WriteFile(page, []byte(text[:begin]+want+text[end:]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTable(t *testing.T) {
	rows := [][]string{{"name", "what"}, {"`a|b`", "see [here](x.md#y), and [there](z)"}, {"", "`é`"}}
	if got, want := plain(rows), "name  what\na|b   see here, and there\n      é\n"; got != want {
		t.Errorf("%q", got)
	}
	if got := markdown(rows[1:2]); got != "| `a\\|b` | see [here](x.md#y), and [there](z) |\n|---|---|\n" {
		t.Errorf("%q", got)
	}
}
