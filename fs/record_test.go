package fs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/nodes"
)

// fill gives each field of a record a value that none has by itself.
func fill(v reflect.Value, next *int) {
	if !v.CanSet() {
		return // it is not in the record
	}
	*next++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), next)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), next)
		fill(v.Index(1), next)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), next)
		}
	case reflect.String:
		v.SetString(string(rune('a' + *next)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*next))
	default:
		v.SetInt(int64(-*next))
	}
}

// sample are tables in which each field has a value.
func sample() *tables {
	ts, next := &tables{}, 0
	fill(reflect.ValueOf(ts).Elem(), &next)
	for i := range ts.Nodes {
		ts.Nodes[i].ID, ts.Nodes[i].Kind = fuse.FUSE_ROOT_ID+1+uint64(i), 0
	}
	for i := range ts.Handles {
		ts.Handles[i].Num = 1 + uint64(i)
		for j := range ts.Handles[i].Names {
			ts.Handles[i].Names[j].Ino = 0 // the kernel is not told it
		}
	}
	ts.LastNode, ts.LastHandle = 100, 100
	return ts
}

// TestRecord: each field of each record is written and read.
func TestRecord(t *testing.T) {
	want := sample()
	got, err := readTables(want.bytes())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: got %+v\nwant %+v", err, got, want)
	}
}

// FuzzTables: whatever is read is tables in their one form, or refused; and a tree that goes on from them
// knows their nodes, has each somewhere or nowhere, and writes them down again.
func FuzzTables(f *testing.F) {
	whole := sample()
	f.Add(whole.bytes())
	f.Add((&tables{}).bytes())
	f.Add([]byte(nil))
	whole.Nodes[0].Parent, whole.Nodes[1].Parent = whole.Nodes[1].ID, whole.Nodes[0].ID // each in the other
	whole.Nodes[0].Class, whole.Nodes[1].Class = "shm", ""
	f.Add(whole.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		ts, err := readTables(b)
		if err != nil {
			if !errors.Is(err, errTables) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(ts.bytes(), b) {
			t.Fatalf("%+v has two forms", ts)
		}
		tree := &Tree{table: newTable(), handles: newHandles(), kinds: []nodes.Kind{{Name: "shm"}}}
		tree.fillNodes(ts)
		list, last := tree.nodeRecords()
		for _, n := range list {
			tree.table.path(n.ID)
		}
		again := tables{LastNode: last, Nodes: list}
		if _, err := readTables(again.bytes()); err != nil {
			t.Fatalf("%+v: %v", again, err)
		}
		if _, err := readTables(append(b, 0)); err == nil {
			t.Fatal("there is more than tables")
		}
	})
}

// TestRecordVersion: tables, and ledgers, in which the same records are, have another version when a record
// has changed. So no program reads what another one has written in another way.
func TestRecordVersion(t *testing.T) {
	const tables, ledger, written = 0x6970636673_000a, 0x6970636673_001d, "e6eaa0051299c387"
	sum := sha256.Sum256(sample().bytes()[8:])
	if got := hex.EncodeToString(sum[:8]); tables != tablesVersion || ledger != backends.LedgerVersion || got != written {
		t.Errorf("records have changed, or a version has: %#x, %#x and %s are new; have all three differ from before",
			uint64(tablesVersion), uint64(backends.LedgerVersion), got)
	}
}
