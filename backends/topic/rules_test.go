package topic

import (
	"encoding/json"
	"testing"
)

// FuzzTopicRules holds that whatever is in the file of a topic, its rules are good, and that they are kept
// as they are.
func FuzzTopicRules(f *testing.F) {
	for _, r := range []Rules{
		DefaultRules, {Slow: Block, Depth: 1, Keep: 9, Bytes: 1 << 20, Retain: true},
		{Slow: Cut, Depth: -1},
	} {
		text, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text) + "\n")
	}
	for _, s := range []string{
		"", "{}", "null", `{"Depth":1e3}`, `{"Bytes":99999999999999999999}`, "{\"Slow\":\"cut\"}\nmore",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := rulesIn(text)
		if err := r.Check(); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		kept, err := json.Marshal(r)
		if again := rulesIn(string(kept) + "\n"); err != nil || again != r {
			t.Fatalf("%q: %+v became %+v, %v", text, r, again, err)
		}
	})
}
