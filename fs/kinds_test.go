package fs

import (
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// TestEvents: documents and help say that there are events of what is watched.
func TestEvents(t *testing.T) {
	tree, err := New(Config{StateDir: t.TempDir()})
	if err != nil {
		t.Skip("no tree here:", err)
	}
	defer tree.Close()
	for i, row := range Classes() {
		watched, events := tree.kinds[i].Watch != nil, len(row.Events) > 0
		if watched != events && row.Name != "queues" { // where queues are not listed they are not watched
			t.Errorf("%s: events %v, watched %v", row.Name, row.Events, watched)
		}
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
