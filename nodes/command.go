package nodes

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
)

// Command is one line of a ctl file: a verb and its options, as in `resize maxmsg=50 msgsize=1024`. Writing
// ctl, reading it and /ctl/new have this one grammar: words are separated by blanks; in single or double
// quotes, and behind a backslash, a blank or a quote is part of a word; %XX is the byte of that number, as
// texts show it (backends.Quote).
type Command struct {
	Verb    string
	Options []Option
}

// Option is key=value. A key is what stands before the first = of a word; a word without one has an empty
// value.
type Option struct{ Key, Value string }

// parseCommand reads one line. A line of nothing or of a comment (#) is a Command with no verb.
func parseCommand(line string) (Command, error) {
	words, err := splitWords(line)
	if err != nil || len(words) == 0 {
		return Command{}, err
	}
	if words[0] == "" {
		return Command{}, fmt.Errorf("an empty word is no command")
	}
	c := Command{Verb: words[0]}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		if key == "" {
			return Command{}, fmt.Errorf("%q has no key", w)
		}
		if slices.ContainsFunc(c.Options, func(o Option) bool { return o.Key == key }) {
			return Command{}, fmt.Errorf("%s is given twice", key)
		}
		c.Options = append(c.Options, Option{key, value})
	}
	return c, nil
}

func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	open, quoted := false, byte(0)
	for i := 0; i < len(line); i++ {
		if b, ok := backends.UnquoteByte(line[i:]); ok {
			word.WriteByte(b)
			open = true
			i += 2
			continue
		}
		switch b := line[i]; {
		case quoted != 0 && b == quoted:
			quoted = 0
		case b == '\\' && quoted != '\'':
			if i++; i == len(line) {
				return nil, fmt.Errorf("a backslash with nothing behind it")
			}
			word.WriteByte(line[i])
			open = true
		case quoted != 0:
			word.WriteByte(b)
		case b == '\'' || b == '"':
			quoted, open = b, true
		case b == ' ' || b == '\t' || b == '\r' || b == '\n':
			if open {
				words = append(words, word.String())
			}
			word.Reset()
			open = false
		case b == '#' && !open:
			i = len(line)
		default:
			word.WriteByte(b)
			open = true
		}
	}
	if quoted != 0 {
		return nil, fmt.Errorf("a %c without its end", quoted)
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}

// String writes the command so that parseCommand reads it back.
func (c Command) String() string {
	words := []string{backends.Quote(c.Verb)}
	for _, o := range c.Options {
		word := backends.Quote(o.Key)
		if o.Value != "" {
			word += "=" + backends.Quote(o.Value)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// Get is the value of an option; false if it is not there.
func (c Command) Get(key string) (string, bool) {
	for _, o := range c.Options {
		if o.Key == key {
			return o.Value, true
		}
	}
	return "", false
}

// Int is an option that is a number of at least min, written as in C (0x10 is 16); def if it is not there.
func (c Command) Int(key string, def, min int) (int, error) {
	s, ok := c.Get(key)
	if !ok {
		return def, nil
	}
	n, err := strconv.ParseInt(s, 0, 32)
	switch {
	case errors.Is(err, strconv.ErrRange) && n > 0:
		return 0, fmt.Errorf("%s=%s is more than %d", key, s, n)
	case err != nil || int(n) < min:
		return 0, fmt.Errorf("%s=%s is not a number of at least %d", key, s, min)
	}
	return int(n), nil
}

// ID is an option that is the number of a user or a group; def if it is not there.
func (c Command) ID(key string, def uint32) (uint32, error) {
	s, ok := c.Get(key)
	if !ok {
		return def, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s=%s is not the number of a user or group", key, s)
	}
	return uint32(n), nil
}

// Mode is the option mode, which is octal as in chmod(1), with a 0 before it or without; def if it is not
// there.
func (c Command) Mode(def uint32) (uint32, error) {
	s, ok := c.Get("mode")
	if !ok {
		return def, nil
	}
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 07777 {
		return 0, fmt.Errorf("mode=%s is not an octal number up to 7777", s)
	}
	return uint32(n), nil
}

// Only refuses options that are not among keys.
func (c Command) Only(keys ...string) error {
	for i, o := range c.Options {
		switch {
		case slices.Contains(keys, o.Key):
		case i > 0 && c.Options[i-1].Value == "": // which is one of keys
			return fmt.Errorf("%s has no value: write %[1]s=%s", c.Options[i-1].Key, o.Key)
		case len(keys) == 0:
			return fmt.Errorf("%s has no option %s; it takes none", c.Verb, o.Key)
		default:
			return fmt.Errorf("%s has no option %s; it takes %s", c.Verb, o.Key, strings.Join(keys, ", "))
		}
	}
	return nil
}
