package nodes

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

// lamp is an object with a table of verbs.
type lamp struct {
	Object
	lit *string
}

func (lamp) Open(int, Caller) (Open, error) { return nil, syscall.EPERM }
func (lamp) Change(Change) error            { return nil }
func (lamp) Stat(bool) (Attr, error)        { return Attr{Mode: 0644, Uid: 7, Gid: 8}, nil }

func (l lamp) light(c Command, _ Caller) error {
	colour, _ := c.Get("colour")
	if colour == "black" {
		return syscall.EINVAL
	}
	*l.lit = colour
	return nil
}

func (l lamp) colour() ([]Option, error) {
	if *l.lit == "" {
		return nil, nil
	}
	return []Option{{"colour", *l.lit}}, nil
}

// lamps is their class: one row makes a verb.
type lamps struct{}

func (lamps) At(Seen) Object { return lamp{lit: new(string)} }

func (lamps) Describe() *Description {
	return &Description{Verbs: []Verb{
		verb(Verb{Name: "light", Args: "colour=NAME"}, lamp.light, lamp.colour),
		verb(Verb{Name: "set", Args: "height=N"}, lamp.light, nil),
		verb(Verb{Name: "off"}, func(l lamp, _ Command, _ Caller) error { *l.lit = ""; return nil }, nil),
		verb(Verb{Name: "break"}, lamp.light, nil).where(func(Object) bool { return false }),
	}}
}

// TestVerb: from one row come what is done, what ctl shows, and what is refused in which words.
func TestVerb(t *testing.T) {
	one := lamp{lit: new(string)}
	a, _ := one.Stat(false)
	do := func(line string) error {
		c, err := parseCommand(line)
		if err != nil {
			t.Fatal(err)
		}
		verbs := verbsOf(lamps{}, one)
		if c.Verb == "set" || strings.Contains(c.Verb, "=") {
			return set(one, verbs, a, c, Caller{Uid: 7})
		}
		v, ok := verbNamed(verbs, c.Verb)
		if !ok {
			return errUnknown(c, verbs)
		}
		return v.run(one, c, Caller{Uid: 7})
	}
	show := func(want string) {
		t.Helper()
		if got, err := settings(lamps{}, one); got != want || err != nil {
			t.Errorf("ctl shows %q, %v; want %q", got, err, want)
		}
	}
	const attrs = "set mode=0644 uid=7 gid=8\n"
	show(attrs)
	if err := do("light colour=red"); err != nil {
		t.Error(err)
	}
	show(attrs + "light colour=red\n")
	for line, want := range map[string]string{
		"break": "unknown command break; known: set mode=MODE uid=UID gid=GID height=N, " +
			"light colour=NAME, off",
		"light size=1":       "light has no option size; it takes colour",
		"off now":            "off has no option now; it takes none",
		"set colour=red":     "colour is not for set: write `light colour=…`",
		"colour=red":         "colour is not for set: write `light colour=…`",
		"set size=1":         "set has no option size; it takes mode, uid, gid, height",
		"light colour=black": syscall.EINVAL.Error(),
		"height=3":           "",
		"mode=0600":          "",
	} {
		if err := do(line); err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	if err := do("off"); err != nil {
		t.Error(err)
	}
	show(attrs)
	if _, err := settings(lamps{}, failing{}); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
}

// failing cannot be looked at.
type failing struct{ lamp }

func (failing) Stat(bool) (Attr, error) { return Attr{}, syscall.EIO }
