package main

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

// TestDraw: reverse text has a box behind it, names are escaped, and the whole is XML.
func TestDraw(t *testing.T) {
	var out strings.Builder
	if err := draw(strings.NewReader("\x1b[7m<a&b>\x1b[0m plain\nnext\n"), &out); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(out.String())); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
	}
	for _, want := range []string{"&lt;a&amp;b&gt;</text>", "> plain</text>", ">next</text>"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in\n%s", want, &out)
		}
	}
	if n := strings.Count(out.String(), "<rect"); n != 2 {
		t.Errorf("%d boxes, want the ground and the one of reverse text", n)
	}
}
