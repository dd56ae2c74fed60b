package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// TestTraceJSON: numbers are numbers, and a command that is named as one is none.
func TestTraceJSON(t *testing.T) {
	var out bytes.Buffer
	trace := tracing{json: true}
	for _, line := range []string{"at=T pid=7 command=12 uid=0 op=write path=queues/q bytes=3 result=ok us=13", "lost 4"} {
		if err := trace.line(&out, line); err != nil {
			t.Fatal(err)
		}
	}
	const want = `{"at":"T","bytes":3,"command":"12","op":"write","path":"queues/q","pid":7,"result":"ok","uid":0,"us":13}
{"lost":4}
`
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", &out, want)
	}
}

// FuzzTrace: whatever strangers are called, a line of theirs is one row, and one line of JSON that says the
// same.
func FuzzTrace(f *testing.F) {
	for _, s := range []string{"sh", "two words", "a\nlost 9", "lost 9", "pid=1", "\x1b[2J", "\xff", "", "%41"} {
		f.Add(s, "queues/"+s, "13")
	}
	f.Add("sh", "q", "99999999999999999999")
	f.Fuzz(func(t *testing.T, command, path, us string) {
		line := "at=T pid=7 command=" + backends.Word(command) + " path=" + backends.Word(path) + " us=" + backends.Word(us)
		var row, object bytes.Buffer
		if err := (&tracing{}).line(&row, line); err != nil || strings.Count(row.String(), "\n") != 1 {
			t.Fatalf("%q: %q, %v", line, &row, err)
		}
		if err := (&tracing{json: true}).line(&object, line); err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(object.Bytes(), &got); err != nil || strings.Count(object.String(), "\n") != 1 ||
			got["command"] != backends.Word(command) || got["path"] != backends.Word(path) || got["pid"] != 7. {
			t.Errorf("%q: %s, %v", line, &object, err)
		}
	})
}
