package nodes

import (
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// regexpOf is a pattern of path.Match as a regular expression.
func regexpOf(t *testing.T, pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i := 0; i < len(pattern); {
		r, size := utf8.DecodeRuneInString(pattern[i:])
		i += size
		switch r {
		case '*':
			b.WriteString("[^/]*")
		case '?':
			b.WriteString("[^/]")
		case '\\':
			r, size = utf8.DecodeRuneInString(pattern[i:])
			i += size
			b.WriteString(regexp.QuoteMeta(string(r)))
		case '[':
			t.Skip("a class: its ranges may be turned round, which a regular expression refuses")
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return regexp.MustCompile(b.String() + `\z`)
}

// FuzzParseNames: what is taken is read again as the same, and tells of those objects that a second matcher
// finds too.
func FuzzParseNames(f *testing.F) {
	for _, seed := range [][2]string{
		{"on", "jobs"}, {"off", "jobs"}, {"*", "a/b"}, {"queues/job*", "jobs"}, {"queues", "jobs"}, {"queues/a?c", "a/c"},
		{"queues/[a-c]", "b"}, {"queues/[", "b"}, {`queues/\*`, "*"}, {`queues\`, "x"}, {"queues/a/*", "a/b/c"}, {"*/*", "x"},
		{"queues/größe", "größe"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		names, err := ParseNames(text)
		if err != nil {
			if names != "" {
				t.Errorf("%q is refused, and is %q", text, names)
			}
			return
		}
		if again, err := ParseNames(string(names)); err != nil || again != names {
			t.Errorf("%q is %q, which is %q, %v", text, names, again, err)
		}
		if checkPath(name) != nil {
			return // no object has that name
		}
		has := names.Has("queues", name)
		if names == "" || names == "*" {
			if has != (names == "*") {
				t.Errorf("%q tells of %q: %v", text, name, has)
			}
			return
		}
		if _, err := path.Match(string(names), name); err != nil {
			t.Fatalf("%q was taken: %v", text, err)
		}
		if !utf8.ValidString(text) || !utf8.ValidString(name) {
			return
		}
		pattern, want, at := regexpOf(t, text), false, ""
		for part := range strings.SplitSeq("queues/"+name, "/") {
			at = path.Join(at, part)
			want = want || pattern.MatchString(at)
		}
		if has != want {
			t.Errorf("%q tells of %q: %v", text, name, has)
		}
	})
}
