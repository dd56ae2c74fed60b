package nodes

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
)

// A pipeline writes to one face of a queue and reads from another, as two programs do: cut as the fuzzer
// says, with a queue that is full now and then.
type pipeline struct {
	t       *testing.T
	in, out *File
	cuts    []byte // how long the next write, and the next read, may be
	got     []byte
}

func newPipeline(t *testing.T, cuts []byte, face func() Face, kind string) (*pipeline, *port) {
	p := ports(64)[kind]
	p.in.maxmsg = 3
	return &pipeline{
		t: t, in: NewFile(face(), p.end, InOrder), out: NewFile(staying(face(), p.stay), p.end, InOrder),
		cuts: cuts,
	}, p.in
}

// next is how long the next piece of most bytes is.
func (p *pipeline) next(most int) int {
	if len(p.cuts) == 0 || most == 0 {
		return most
	}
	n := int(p.cuts[0])%most + 1
	p.cuts = p.cuts[1:]
	return n
}

// write sends data in pieces. An error ends it, as it does a program.
func (p *pipeline) write(data []byte) error {
	for len(data) > 0 {
		for piece := data[:p.next(len(data))]; len(piece) > 0; {
			n, err := p.in.Write(piece)
			if err == nil && n < len(piece) || err == backends.ErrWouldBlock {
				p.read()
			} else if err != nil {
				return err
			}
			piece, data = piece[n:], data[n:]
		}
	}
	return nil
}

// finish closes the writer's side, and reads all.
func (p *pipeline) finish() error {
	err := p.in.Finish()
	for ; err == backends.ErrWouldBlock; err = p.in.Finish() {
		p.read()
	}
	for p.read() {
	}
	return err
}

// read reads once and reports whether there was anything.
func (p *pipeline) read() bool {
	buf := make([]byte, 4096)
	size := p.next(200)
	n, err := p.out.Read(buf, size, 0)
	if err != nil && err != backends.ErrWouldBlock || n > size {
		p.t.Fatalf("read of %d: %d, %v", size, n, err)
	}
	p.got = append(p.got, buf[:n]...)
	return err == nil
}

// FuzzLines: lines are neither lost nor joined nor cut, however they are written and read, and what is too
// long is not sent in part.
func FuzzLines(f *testing.F) {
	f.Add([]byte("one\ntwo\n\nno end"), []byte{1, 2, 3})
	f.Add(bytes.Repeat([]byte("a line\n"), 40), []byte{50, 9, 200, 13, 0, 255})
	f.Add([]byte("short\n"+string(bytes.Repeat([]byte("x"), 65))+"\nshort\n"), []byte{7, 30, 40})
	f.Add(append(bytes.Repeat([]byte("x"), 64), '\n', '\n'), []byte{64, 1})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		for _, kind := range []string{"mq", "mq read-only", "msq", "feed"} {
			p, in := newPipeline(t, cuts, func() Face { return newLines() }, kind)
			err := p.write(data)
			if e := p.finish(); err == nil {
				err = e
			}
			want := data
			if len(data) > 0 && data[len(data)-1] != '\n' {
				want = append(slices.Clip(data), '\n')
			}
			lines := bytes.SplitAfter(want, []byte("\n"))
			if long := slices.IndexFunc(lines, func(l []byte) bool { return len(l) > in.unit+1 }); long >= 0 {
				if err == nil {
					t.Errorf("%s: a line of %d bytes was taken", kind, len(lines[long]))
				}
				want = bytes.Join(lines[:long], nil)
			} else if err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			if !bytes.Equal(p.got, want) || len(in.msgs) > 0 {
				t.Errorf("%s: wrote %q, read %q, want %q; %q are left", kind, data, p.got, want, in.texts())
			}
		}
	})
}

// FuzzRecords: what is written as records is read as the same records, each with what it carries, however
// it is cut.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("\x03abc\x00\x05a\nb\nc\x40"), []byte{1, 2, 3})
	f.Add(bytes.Repeat([]byte("\x10 prio=1 len=3\n\n\n"), 20), []byte{200, 100, 30, 7})
	f.Add([]byte("\x02\n\n"), []byte{0})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		var text []byte
		for len(data) > 0 {
			n := min(int(data[0])%65, len(data)-1)
			text = fmt.Appendf(text, "prio=%d type=%d len=%d\n%s\n", data[0], len(text)+1, n, data[1:1+n])
			data = data[1+n:]
		}
		for _, kind := range []string{"mq", "mq read-only", "msq", "feed"} {
			p, in := newPipeline(t, cuts, func() Face { return newRecords("prio", "type") }, kind)
			if err := p.write(text); err != nil {
				t.Fatalf("%s: %q: %v", kind, text, err)
			}
			if err := p.finish(); err != nil || !bytes.Equal(p.got, text) || len(in.msgs) > 0 {
				t.Errorf("%s: wrote %q, read %q, %v; %q are left", kind, text, p.got, err, in.texts())
			}
		}
	})
}

// FuzzRecordsText: whatever is written to records is refused or becomes records that are read as they are;
// it makes no panic, and if it stops in the middle of one, that is not sent.
func FuzzRecordsText(f *testing.F) {
	f.Add([]byte("prio=7 len=5\nhello\nlen=0\n\n"), []byte{3})
	f.Add([]byte("prio=7 len=50\nhello"), []byte{1, 1, 1})
	f.Add([]byte("len=-1\n\nseq=3 lost=1 len=1\nx\n"), []byte{9})
	f.Add([]byte("topic=a%20b len=1\nx\ncolour=red len=1\nx\n"), []byte{20})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		p, in := newPipeline(t, cuts, func() Face { return newRecords("prio") }, "mq")
		_, _ = p.write(data), p.finish()
		again, _ := newPipeline(t, nil, func() Face { return newRecords("prio") }, "mq")
		if err := again.write(p.got); err != nil || again.finish() != nil ||
			!bytes.Equal(again.got, p.got) || len(in.msgs) > 0 {
			t.Errorf("%q gave %q, and that %q: %v", data, p.got, again.got, err)
		}
	})
}
