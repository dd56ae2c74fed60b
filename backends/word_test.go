package backends

import (
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// names are what strangers may choose.
var names = []string{
	"", "jobs", "two words", "new\nline", "größe", "it's", `"`, "$(rm -rf x)", "`id`", `back\slash`,
	"\x1b[2J", "\x7f", "\u009b2J", "\xff\xfe",
	"100%", "%41", "a=b", "#", "~", "*", "tab\t",
	"\u202eevil", "\u2028", "a\rb", "-n", "lost 99\nremove queues/payroll", "\u00a0", "\x81\x88",
}

// legible checks that a text can be shown to anybody in one line.
func legible(t *testing.T, text string) {
	t.Helper()
	hidden := func(r rune) bool { return r < ' ' || r == 0x7f || !unicode.IsPrint(r) }
	if strings.ContainsFunc(text, hidden) || !utf8.ValidString(text) {
		t.Fatalf("%q is no line of printable characters", text)
	}
}

// undone is the name that a word stands for.
func undone(t *testing.T, word string) string {
	t.Helper()
	name, err := url.PathUnescape(word)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestPrintableJSON: what cannot be printed is escaped, and stands for the same.
func TestPrintableJSON(t *testing.T) {
	in := []string{"a\x1b[m\n", "\u009b31m\x7f\u202e\u2028", "\U000e0001", "ü €", "\xff"}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	got := string(PrintableJSON(text))
	const want = `["a\u001b[m\n","\u009b31m\u007f\u202e\u2028","\udb40\udc01","ü €","\ufffd"]`
	var back []string
	if err := json.Unmarshal([]byte(got), &back); err != nil || got != want || back[2] != in[2] {
		t.Errorf("%s, %v", got, err)
	}
}

// FuzzWord: a word is one, and stands for its name.
func FuzzWord(f *testing.F) {
	for _, s := range names {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		word := Word(name)
		legible(t, word)
		if strings.ContainsAny(word, " '\"\\$`=#&;<>|()*?[]{}~!^") {
			t.Errorf("%q became %q", name, word)
		}
		if got := undone(t, word); got != name || Unword(word) != name {
			t.Errorf("%q became %q and then %q, %q", name, word, got, Unword(word))
		}
		legible(t, Line(name))
	})
}

// undo is the shell function of docs/control.md, which the tests of the pages hold to what it says there.
const undo = `undo() {
	rest=$1
	while [ "$rest" != "${rest#*%}" ]; do
		n=${rest#*%}; n=$((0x${n%"${n#??}"}))
		printf %s "${rest%%\%*}"; printf "\\$((n / 64))$((n / 8 % 8))$((n % 8))"
		rest=${rest#*%??}
	done
	printf %s "$rest"
}
`

// evals gives texts to a shell's eval as the value of a variable, undoes the quoting there, and returns what
// came out.
func evals(t *testing.T, shell string, texts ...string) []string {
	t.Helper()
	args := strings.Fields(shell)
	args = append(args, "-c", undo+`for text; do eval "v=$text"; undo "$v"; printf '\000'; done`, shell)
	out, err := exec.Command(args[0], append(args[1:], texts...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", shell, err, out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// FuzzQuote: a quoted value stands for itself, in a shell's eval too.
func FuzzQuote(f *testing.F) {
	for _, s := range names {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		quoted := Quote(value)
		legible(t, quoted)
		inner := strings.Trim(quoted, "'")
		if strings.Contains(inner, "'") || undone(t, inner) != value {
			t.Fatalf("%q became %s", value, quoted)
		}
		if strings.Contains(value, "\x00") {
			return // no shell has that in a variable, and no name has it
		}
		if got := evals(t, "sh", quoted, Word(value)); !slices.Equal(got, []string{value, value}) {
			t.Fatalf("%s gave %q for %q", quoted, got, value)
		}
	})
}

// TestShells: every shell that is here takes words and quoted values in eval, and gives them back.
func TestShells(t *testing.T) {
	values := slices.Clone(names)
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		b := make([]byte, random.IntN(12))
		for i := range b {
			b[i] = byte(1 + random.IntN(255))
		}
		values = append(values, string(b))
	}
	var texts, want []string
	for _, v := range values {
		texts, want = append(texts, Quote(v), Word(v)), append(want, v, v)
	}
	for _, sh := range []string{"dash", "bash", "busybox sh", "zsh", "ksh"} {
		if _, err := exec.LookPath(strings.Fields(sh)[0]); err != nil {
			continue
		}
		for i, got := range evals(t, sh, texts...) {
			if got != want[i] {
				t.Errorf("%s: v=%s gave %q for %q", sh, texts[i], got, want[i])
			}
		}
	}
}
