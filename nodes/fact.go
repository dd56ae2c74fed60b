package nodes

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Fact is one thing a status file says: a line key=value of status, a member of status.json. A value is a string, a number, a bool or a
// List.
type Fact struct {
	Key   string
	Value any
}

// Count is a Fact's number that only grows.
type Count int64

// ID is a Fact's number that measures nothing.
type ID uint32

// List is a value of several words: separated by blanks in status, an array in status.json.
type List []string

// list sorts words, so that one state has one text.
func list(words []string) List {
	slices.Sort(words)
	return words
}

// Render writes facts as a status file shows them: lines that a shell may eval.
func Render(facts []Fact) string {
	var b strings.Builder
	for _, f := range facts {
		value := fmt.Sprint(f.Value)
		if l, ok := f.Value.(List); ok {
			value = strings.Join(l, " ")
		}
		b.WriteString(f.Key + "=" + quote(value) + "\n")
	}
	return b.String()
}

// RenderJSON writes facts as one JSON object, in their order.
func RenderJSON(facts []Fact) (string, error) {
	var b strings.Builder
	for i, f := range facts {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		value := f.Value
		if l, ok := value.(List); ok && l == nil {
			value = List{}
		}
		j, err := json.Marshal(value)
		if err != nil {
			return "", err
		}
		key, err := json.Marshal(f.Key)
		if err != nil {
			return "", err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(j)
	}
	if len(facts) == 0 {
		b.WriteByte('{')
	}
	b.WriteString("}\n")
	return b.String(), nil
}
