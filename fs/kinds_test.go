package fs

import "testing"

// TestClasses: what documents and help say there is in a tree is what is in it, and events tell of what is watched.
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
		if watched := k.Watch != nil; watched && len(rows[i].Events) == 0 || !watched && len(rows[i].Events) > 0 && k.Name != "queues" {
			t.Errorf("%s: events %v, watched %v", k.Name, rows[i].Events, watched)
		}
	}
	if len(rows) != len(tree.kinds)-1 {
		t.Errorf("Classes has %d rows, the tree %d classes", len(rows), len(tree.kinds)-1)
	}
}
