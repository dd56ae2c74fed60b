package tests

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// A face is one way in and one way out of one kind of object.
type face struct {
	name    string
	program string   // a daemon of its own; "": ipcfs
	flags   []string // with which the tree is mounted
	apart   bool     // the reader is in a tree of its own, that shows the same
	make    string   // what a user types in $MNT to make the object; it prints its path
	native  bool     // it is the kernel's own: the daemon does not see who waits
	writer  end
	reader  end
	// opens both ends, the reader with these flags
	meet   func(s *stage, readerFlags string) (writer, reader *file)
	second func(s *stage, first *file) *file // gives one more writer

	framing framing
	longest int     // message, in bytes: one more is EMSGSIZE
	bulk    int     // how much longer than a few bytes the messages are that fill the object
	window  int     // how many messages may be under way; 0: what there is room for
	shared  string  // flags to open the reader with where processes that share it all wait
	small   int     // a read in which no two messages fit
	copies  bool    // several readers get all messages each; else they share
	dry     string  // what a read is where there is nothing, without waiting; "": the end
	hangup  string  // what poll says of a reader whose peer is gone
	ended   removed // what an object that was removed says
	sibling string  // a name for another object beside it

	not map[string]string // properties that it cannot have, and why not
}

// An end is how one side opens a face. Path is below $MNT: {} is the
// object, {port} what is behind the colon in it.
type end struct {
	path, flags string
	needs       uint32 // permissions of the object that opening takes, in the lowest bits
}

// removed is what an object that was removed says to those who have it open.
type removed struct {
	reader, writer string // errno
	poll           string
	left           bool // the reader gets first what is left
}

// What faces cannot have, and why.
const (
	endsWithName = "it ends with its name"
	outlivesName = "who has it open keeps it"
	noBounds     = "a stream has no messages"
	noZero       = "a write of 0 bytes sends nothing"
	noPeer       = "it has no peer"
	oneReader    = "a connection has one reader"
	onePosition  = "who shares an O_RDONLY open file waits for its position"
	dropsRest    = "the kernel drops what a short read leaves"
	noName       = "it has no name"
)

// faces are all faces. Names begin with the kind of object, and end, where it has
// several, with the face or how both ends are opened.
var faces = slices.Concat(queueRows, memoryRows, sysvRows, topicRows, socketRows, kernelRows)

// with adds to the properties that a face cannot have.
func (f face) with(properties, why string) face {
	f.not = maps.Clone(f.not)
	if f.not == nil {
		f.not = map[string]string{}
	}
	f.not[properties] = why
	return f
}

// apart opens the reader and then the writer, neither of which waits for the other.
func apart(s *stage, readerFlags string) (writer, reader *file) {
	reader = s.open(s.reader, readerFlags).opened()
	return s.open(s.writer, s.writer.flags).opened(), reader
}

// call opens the writer, which calls, and then the reader, which accepts.
func call(s *stage, readerFlags string) (writer, reader *file) {
	writer = s.open(s.writer, s.writer.flags).opened()
	return writer, s.open(s.reader, readerFlags).opened()
}

// together opens both ends, which wait for each other.
func together(s *stage, readerFlags string) (writer, reader *file) {
	reader = s.open(s.reader, readerFlags)
	writer = s.open(s.writer, s.writer.flags)
	return writer.opened(), reader.opened()
}

// asks opens a writer that calls when it writes, and the reader that accepts.
func asks(s *stage, readerFlags string) (writer, reader *file) {
	writer = s.open(s.writer, s.writer.flags).opened()
	reader = s.open(s.reader, strings.TrimSuffix(readerFlags, ",nonblock"))
	check(s, s.tree.parked(1))
	writer.send([]byte("hello"))
	reader.opened().expect([]byte("hello"))
	if readerFlags != s.reader.flags {
		reader.must("nonblock", 0, nil)
	}
	return writer, reader
}

// nativeSocket makes a socket and opens both its ends without the tree; the writer's flags are its type.
func nativeSocket(s *stage, readerFlags string) (writer, reader *file) {
	reader = &file{stage: s, player: s.player()}
	writer = &file{stage: s, player: s.player()}
	path := fmt.Sprintf("%s/native", s.tree.work)
	_ = os.Remove(path)
	reader.fd = reader.player.must(s, cue{Op: "listen", Path: path, Flags: s.writer.flags}).N
	writer.fd = writer.player.must(s, cue{Op: "connect", Path: path, Flags: s.writer.flags}).N
	reader.fd = reader.must("accept", 0, nil).N
	if readerFlags != s.reader.flags {
		reader.must("nonblock", 0, nil)
	}
	return writer, reader
}

// another opens the writer's end once more.
func another(s *stage, _ *file) *file { return s.open(s.writer, s.writer.flags).opened() }

// inChild gives a child the same open file.
func inChild(_ *stage, first *file) *file { return first.fork() }
