package nodes

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/ipcfs/ipcfs/backends"
)

// Fact is one thing a status file says: a line key=value of status, a member of status.json. A value is a
// string, which may be anybody's, a number, a bool, a List or Rows.
type Fact struct {
	Key   string
	Value any
}

// Count is a Fact's number that only grows.
type Count int64

// Label is a Fact's number that measures nothing.
type Label uint64

// Literal is a string that is the daemon's own, and one word as it is.
type Literal string

// List is a value of several words, as backends.Word makes them: separated by blanks in status, an array in
// status.json.
type List []string

// Rows is a value of several things: in status a line key_1, key_2, … for each, as words key=value; an array
// of objects in status.json.
type Rows [][]Fact

// words writes facts in one line.
func words(facts []Fact) string {
	list := make([]string, len(facts))
	for i, f := range facts {
		value := fmt.Sprint(f.Value)
		if _, ours := f.Value.(Literal); !ours {
			value = backends.Word(value)
		}
		list[i] = f.Key + "=" + value
	}
	return strings.Join(list, " ")
}

// list sorts words, so that one state has one text.
func list(words []string) List {
	slices.Sort(words)
	return words
}

// Render writes facts as a status file shows them: lines that a shell may eval.
func Render(facts []Fact) string {
	var b strings.Builder
	for _, f := range facts {
		if rows, ok := f.Value.(Rows); ok {
			for i, row := range rows {
				fmt.Fprintf(&b, "%s_%d='%s'\n", f.Key, i+1, words(row))
			}
			continue
		}
		value := backends.Quote(fmt.Sprint(f.Value))
		if l, ok := f.Value.(List); ok {
			if value = strings.Join(l, " "); value == "" || backends.Word(value) != value {
				value = "'" + value + "'"
			}
		}
		b.WriteString(f.Key + "=" + value + "\n")
	}
	return b.String()
}

// RenderJSON writes facts as one JSON object, in their order.
func RenderJSON(facts []Fact) (string, error) {
	b, err := appendObject(nil, facts)
	return string(backends.PrintableJSON(b)) + "\n", err
}

func appendObject(b []byte, facts []Fact) ([]byte, error) {
	b = append(b, '{')
	for i, f := range facts {
		if i > 0 {
			b = append(b, ',')
		}
		key, err := json.Marshal(f.Key)
		if err != nil {
			return b, err
		}
		b = append(append(b, key...), ':')
		if b, err = appendValue(b, f.Value); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendValue(b []byte, value any) ([]byte, error) {
	if l, ok := value.(List); ok && l == nil {
		value = List{}
	}
	rows, ok := value.(Rows)
	if !ok {
		j, err := json.Marshal(value)
		return appendShown(b, string(j)), err
	}
	b = append(b, '[')
	for i, row := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendObject(b, row); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// appendShown appends JSON with the characters escaped that cannot be printed, of which a terminal may take
// some for commands. They are in strings.
func appendShown(b []byte, text string) []byte {
	for _, r := range text {
		switch high, low := utf16.EncodeRune(r); {
		case unicode.IsPrint(r):
			b = append(b, string(r)...)
		case high != unicode.ReplacementChar:
			b = fmt.Appendf(b, "\\u%04x\\u%04x", high, low)
		default:
			b = fmt.Appendf(b, "\\u%04x", r)
		}
	}
	return b
}
