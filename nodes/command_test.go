package nodes

import (
	"slices"
	"testing"
)

func TestParseCommand(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"queues/jobs maxmsg=50 msgsize=1024", "queues/jobs maxmsg=50 msgsize=1024"},
		{"  set\tmode=0640  # why\n", "set mode=0640"},
		{"# nothing", ""},
		{"", ""},
		{`'queues/two words' note="it's"`, `'queues/two words' note='it%27s'`},
		{`queues/a%0Ab x=%25%3d%41%4 %zz`, `'queues/a%0Ab' x='%25=A%254' '%25zz'`},
		{`\%41 '%20'`, `'%2541' ' '`},
		{`a\ b c=\#`, `'a b' c='#'`},
		{"eof", "eof"},
		{"x flag y=", "x flag y"},
	} {
		got, err := parseCommand(c.line)
		if err != nil {
			t.Errorf("%q: %v", c.line, err)
		} else if s := got.String(); s != c.want && !(c.want == "" && got.Verb == "") {
			t.Errorf("%q: got %q, want %q", c.line, s, c.want)
		}
	}
	for _, bad := range []string{`a "b`, `a 'b`, `a b\`, "a =1", "a b=1 b=2", `'' a=1`} {
		if c, err := parseCommand(bad); err == nil {
			t.Errorf("%q: no error, but %v", bad, c)
		}
	}
}

// FuzzParseCommand holds that what String writes parseCommand reads back as the same command.
func FuzzParseCommand(f *testing.F) {
	for _, s := range []string{"queues/a maxmsg=1", `'a b' c="d e"`, "x \\# y='\n'", "a b=c=d", "%0A%00%%% %3d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := parseCommand(line)
		if err != nil || c.Verb == "" {
			return
		}
		again, err := parseCommand(c.String())
		if err != nil {
			t.Fatalf("%q became %q, which is refused: %v", line, c.String(), err)
		}
		if again.Verb != c.Verb || !slices.Equal(again.Options, c.Options) {
			t.Fatalf("%q became %q and then %q", line, c.String(), again.String())
		}
	})
}
