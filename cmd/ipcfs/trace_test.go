package main

import (
	"bytes"
	"testing"
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
