package topic

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Slow is what happens when a reader has as many messages to read as it may have, and one more is published.
type Slow string

const (
	DropOld Slow = "drop-old" // it loses the oldest
	DropNew Slow = "drop-new" // it loses the new one; the others do not
	Block   Slow = "block"    // the publisher waits
	Cut     Slow = "cut"      // its subscription ends with ErrCut
)

var slows = []Slow{DropOld, DropNew, Block, Cut} // in a ledger by their place here

// Rules are the settings of a topic.
type Rules struct {
	Retain     bool // a new reader gets the newest message first
	Keep       int  // how many messages stay for those who ask for old ones
	Slow       Slow
	Depth      int  // how many messages a reader may have to read; at least Keep
	Bytes      int  // what all messages it holds may cost
	NeedReader bool // publishing to nobody is ENXIO
}

// DefaultRules are those of a new topic.
var DefaultRules = Rules{Slow: DropOld, Depth: 1024, Bytes: 8 << 20}

func (r Rules) window() int { return max(r.Depth, r.Keep) }

// Check says what is wrong with rules.
func (r Rules) Check() error {
	switch {
	case !slices.Contains(slows, r.Slow):
		return fmt.Errorf("slow=%s is none of drop-old, drop-new, block, cut", r.Slow)
	case r.Depth < 1 || r.Depth > maxDepth:
		return fmt.Errorf("depth=%d is not from 1 to %d", r.Depth, maxDepth)
	case r.Keep < 0 || r.Keep > maxDepth:
		return fmt.Errorf("keep=%d is not from 0 to %d", r.Keep, maxDepth)
	case r.Bytes < messageOverhead || r.Bytes > MaxBytes:
		return fmt.Errorf("bytes=%d is not from %d to %d", r.Bytes, messageOverhead, MaxBytes)
	}
	return nil
}

// maxDepth is the most messages that Depth and Keep can ask for.
const maxDepth = 1 << 20

// saveRules keeps rules in the file of a topic.
func saveRules(d *backends.Dir, file backends.Ref, r Rules) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return d.SetText(file, string(text)+"\n")
}

// loadRules reads what saveRules kept. A file that has none, or something else, is that of a topic with the
// default ones; broken says that it is something else. It is as it was found: of an empty one it asks no more.
func loadRules(d *backends.Dir, file backends.Ref) (r Rules, broken bool, err error) {
	if file.Was.Type() == unix.S_IFREG && file.Was.Size == 0 {
		return DefaultRules, false, nil
	}
	text, err := d.Text(file)
	if err != nil {
		return r, false, err
	}
	r = rulesIn(text)
	return r, text != "" && r == DefaultRules && !ruled(text), nil
}

// ruled reports whether a text begins with rules.
func ruled(text string) bool {
	line, _, _ := strings.Cut(text, "\n")
	r := DefaultRules
	return json.Unmarshal([]byte(line), &r) == nil && r.Check() == nil
}

// rulesIn are the rules in the text of a topic's file.
func rulesIn(text string) Rules {
	line, _, _ := strings.Cut(text, "\n")
	r := DefaultRules
	if json.Unmarshal([]byte(line), &r) != nil || r.Check() != nil {
		return DefaultRules
	}
	return r
}
