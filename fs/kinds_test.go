package fs

import (
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// TestClasses: what documents and help say there is in a tree is what is in it, and events tell of what is
// watched.
func TestClasses(t *testing.T) {
	tree, err := New(Config{StateDir: t.TempDir()})
	if err != nil {
		t.Skip("no tree here:", err)
	}
	defer tree.Close()
	rows := Classes()
	for i, k := range tree.kinds[:len(tree.kinds)-1] {
		if i >= len(rows) || rows[i].Name != k.Name {
			t.Fatalf("%s is in the tree, and Classes has %v", k.Name, rows)
		}
		if watched := k.Watch != nil; watched && len(rows[i].Events) == 0 ||
			!watched && len(rows[i].Events) > 0 && k.Name != "queues" {
			t.Errorf("%s: events %v, watched %v", k.Name, rows[i].Events, watched)
		}
	}
	if len(rows) != len(tree.kinds)-1 {
		t.Errorf("Classes has %d rows, the tree %d classes", len(rows), len(tree.kinds)-1)
	}
}

// TestLimits: each line of /ctl/limits has a row in the table, and each row a line.
func TestLimits(t *testing.T) {
	tree, err := New(Config{StateDir: t.TempDir()})
	if err != nil {
		t.Skip("no tree here:", err)
	}
	defer tree.Close()
	rows := map[string]bool{}
	for _, row := range nodes.LimitRows()[1:] {
		rows[strings.Trim(row[0], "`")] = false
	}
	tree.session = waiting{}
	for _, l := range tree.limits() {
		name := strings.TrimSuffix(l.Name, "/user")
		if _, ok := rows[name]; !ok {
			t.Errorf("%s has no row in the table", l.Name)
		}
		rows[name] = true
	}
	for name, shown := range rows {
		if !shown {
			t.Errorf("%s has no line in /ctl/limits", name)
		}
	}
}

// waiting is a session with the lines of one (mount.Session.Limits).
type waiting struct{ Session }

func (waiting) Limits() []backends.Limit {
	return []backends.Limit{{Name: "waiting"}, {Name: "waiting_bytes/user"}}
}
