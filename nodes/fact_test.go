package nodes

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/ipcfs/ipcfs/backends"
)

// FuzzRender: whatever strangers choose, a status has one line a fact, each with its own key, and status.json
// is JSON of the same keys; neither has a character in it that cannot be printed.
func FuzzRender(f *testing.F) {
	for _, s := range []string{
		"jobs", "two words", "a\nreaders=7\n", "it's", "\x1b[2J\u009b", "\xff", "'; touch /tmp/x; '",
		"&b,lost=1", "\U000e0001",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		facts := []Fact{
			{"text", s},
			{"list", list([]string{"1:" + backends.Word(s), "2:x"})},
			{"row", Rows{{{"id", Label(1)}, {"name", s}, {"at", Literal("[::1]:80")}}}},
			{"readers", 1},
		}
		shown := func(text string) {
			if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(text) {
				t.Errorf("%q is no line of printable characters", text)
			}
		}
		lines := strings.Split(strings.TrimSuffix(Render(facts), "\n"), "\n")
		if len(lines) != 4 || !strings.HasPrefix(lines[0], "text=") || !strings.HasPrefix(lines[1], "list=") ||
			!strings.HasPrefix(lines[2], "row_1='id=1 name=") || !strings.HasSuffix(lines[2], " at=[::1]:80'") ||
			len(strings.Fields(lines[2])) != 3 || lines[3] != "readers=1" {
			t.Errorf("%q", lines)
		}
		for _, line := range lines {
			shown(line)
		}
		text, err := RenderJSON(facts)
		var back struct {
			Text, Readers any
			List          []string
			Row           []map[string]any
		}
		if err != nil || json.Unmarshal([]byte(text), &back) != nil || len(back.List) != 2 || back.Readers != 1. {
			t.Fatalf("%v: %s", err, text)
		}
		if utf8.ValidString(s) && (back.Text != s || back.Row[0]["name"] != s) {
			t.Errorf("%q became %q", s, back.Text)
		}
		shown(strings.TrimSuffix(text, "\n"))
	})
}
