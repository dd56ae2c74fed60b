package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// testCase is one way into the tree: an operation on an object of a class,
// natively by one kind of end and mounted by another.
type testCase struct {
	name            string
	class           string // "queues", …
	op              string // see peer.go
	native, mounted string // kinds of ends, see end.go
	size            int    // of a message, in bytes
	msgsize         int    // of a queue, if that is another
	floor           bool   // it can be no faster than any FUSE daemon
	target          Target
}

// cases is the table of what is measured.
var cases = []testCase{
	{name: "queue 64 B", class: "queues", op: "solo", native: "mq", mounted: "file", size: 64,
		floor: true, target: Target{1.25, "floor"}},
	{name: "queue 8 KiB", class: "queues", op: "solo", native: "mq", mounted: "file", size: 8 << 10,
		floor: true, target: Target{1.25, "floor"}},
	{name: "queue ping 64 B", class: "queues", op: "ping", native: "mq", mounted: "file", size: 64},
	{name: "queue lines 64 B", class: "queues", op: "send", native: "mq", mounted: "lines", size: 64,
		target: same},
	{name: "lines 64 B by 4K", class: "queues", op: "send", native: "mq", mounted: "lines4k", size: 64,
		msgsize: 8 << 10, target: same},
	{name: "lines 64 B by 8K", class: "queues", op: "send", native: "mq", mounted: "lines8k", size: 64,
		msgsize: 8 << 10, target: same},
	{name: "echo > queue", class: "queues", op: "echo", native: "mq", mounted: "file", size: 6},
	{name: "sysv queue 64 B", class: "sysv/queues", op: "solo", native: "msg", mounted: "file", size: 64},
	{name: "topic 64 B", class: "topics", op: "solo", native: "pair", mounted: "file", size: 64},
	{name: "topic lines 64 B", class: "topics", op: "send", native: "mq", mounted: "lines", size: 64,
		target: same},
	{name: "topic lines by 4K", class: "topics", op: "send", native: "mq", mounted: "lines4k", size: 64,
		target: same},
	{name: "fifo ping 64 B", class: "fifos", op: "ping", native: "file", mounted: "file", size: 64,
		target: same},
	{name: "fifo ping 64 KiB", class: "fifos", op: "ping", native: "file", mounted: "file", size: 64 << 10,
		target: same},
	{name: "socket ping 64 B", class: "sockets", op: "ping", native: "unix", mounted: "unix", size: 64,
		target: same},
	{name: "face ping 64 B", class: "sockets", op: "ping", native: "unix", mounted: "face", size: 64},
	{name: "tcp ping 64 B", class: "sockets/tcp", op: "ping", native: "tcp", mounted: "face", size: 64},
	{name: "udp ping 64 B", class: "sockets/udp", op: "ping", native: "udp", mounted: "record", size: 64},
	{name: "shm 4 KiB", class: "shm", op: "solo", native: "at", mounted: "at", size: 4 << 10},
	{name: "shm 64 KiB", class: "shm", op: "solo", native: "at", mounted: "at", size: 64 << 10,
		target: same},
	{name: "shm mmap 64 KiB", class: "shm", op: "solo", native: "map", mounted: "map", size: 64 << 10,
		target: same},
}

// same is the target of what may not cost more than natively: two
// medians of the same thing may differ by a tenth.
var same = Target{1.1, "native"}

// peers are the processes of a side: ends of a kind at path.
func (c testCase) peers(kind, path string) func(count int) [][]string {
	peer := func(op string, count int) []string {
		return []string{"peer", op, kind, path, strconv.Itoa(c.size), strconv.Itoa(count)}
	}
	return func(count int) [][]string {
		all := [][]string{peer(c.op, count)}
		if other, ok := opposite[c.op]; ok {
			all = append(all, peer(other, count))
		}
		return all
	}
}

// opposite is the operation of the process at the other end.
var opposite = map[string]string{"ping": "pong", "send": "take"}

func (c testCase) floorPeers(dir string) func(count int) [][]string {
	return func(count int) [][]string {
		return [][]string{{"floor", dir, strconv.Itoa(c.size), strconv.Itoa(count)}}
	}
}

// back is the path of the object that answers come over, where an object has one direction.
func back(path string) string { return path + ".back" }

// objects makes what a case needs, and returns where each side finds it and how it is removed.
func (b *bench) objects(c testCase) (native, mounted string, remove func(), err error) {
	name := "ipcfs-bench-" + strconv.Itoa(os.Getpid())
	native, mounted = b.dir+"/"+c.class, b.Tree+"/"+c.class+"/"+name
	var undo []func() error
	remove = func() {
		for _, f := range undo {
			_ = f() // a socket may not have come into being
		}
	}
	object := func(f func() error, un func() error) {
		if err == nil {
			err = f()
			undo = append(undo, un)
		}
	}
	unlink := func(path string) func() error { return func() error { return os.Remove(path) } }
	msgsize := max(c.size, c.msgsize)
	if c.native == "mq" {
		native = name + ".native"
		for _, suffix := range []string{"", back("")} {
			object(func() error { return mqCreate(native+suffix, queueLength, msgsize) },
				func() error { return mqUnlink(native + suffix) })
		}
	}
	switch c.class {
	case "queues":
		for _, suffix := range []string{"", back("")} {
			object(func() error {
				return b.make("queues/%s maxmsg=%d msgsize=%d mode=0600\n", name+suffix, queueLength, msgsize)
			}, unlink(mounted+suffix))
		}
	case "sysv/queues":
		key := benchKeys | os.Getpid()&0x7fff<<1
		native, mounted = strconv.Itoa(key), b.Tree+"/"+c.class+"/0x"+strconv.FormatInt(int64(key+1), 16)
		object(func() error { return msgCreate(key) }, func() error { return msgRemove(key) })
		object(func() error { return os.WriteFile(mounted, nil, 0600) }, unlink(mounted))
	case "topics":
		// A publisher waits for its reader, as the sender of a queue does.
		object(func() error { return b.make("topics/%s slow=block mode=0600\n", name) }, unlink(mounted))
	case "fifos":
		for _, path := range []string{native, back(native), mounted, back(mounted)} {
			object(func() error { return unix.Mkfifo(path, 0600) }, unlink(path))
		}
	case "shm":
		native = "/dev/shm/" + name + ".native"
		for _, path := range []string{native, mounted} {
			object(func() error { return os.WriteFile(path, zeros(memorySize), 0600) }, unlink(path))
		}
	case "sockets/tcp", "sockets/udp":
		var ports [2]int
		if ports, err = freePorts(portTypes[c.class]); err == nil {
			native = strconv.Itoa(ports[0])
			mounted = fmt.Sprintf("%s/%s/:%d", b.Tree, c.class, ports[1])
		}
		object(func() error { return os.WriteFile(mounted, nil, 0600) }, unlink(mounted))
	case "sockets":
		for _, path := range []string{native, mounted} {
			object(func() error { return nil }, unlink(path))
		}
		if c.mounted == "face" {
			object(func() error { return os.WriteFile(mounted, nil, 0600) }, func() error { return nil })
		}
	}
	if err != nil {
		remove()
	}
	if linesRead[c.mounted] > 0 {
		mounted = control(mounted) + "/lines"
	}
	return native, mounted, remove, err
}

// control is the control directory of an object at path.
func control(path string) string {
	class, name := filepath.Split(path)
	tree, class := filepath.Split(filepath.Clean(class))
	if class == "tcp" {
		tree, class = filepath.Split(filepath.Clean(tree))
		name = filepath.Join("tcp", name)
	}
	return filepath.Join(tree, "ctl", class, name)
}

// benchKeys are the keys of System V queues of measurements: two for each process.
const benchKeys = 0x1bcf0000

// queueLength is maxmsg of a queue, on both sides. It is the kernel's default.
const queueLength = 10

// make makes an object in the tree, by a line of /ctl/new.
func (b *bench) make(line string, of ...any) error {
	f, err := os.OpenFile(b.Tree+"/ctl/new", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, line, of...)
	return errors.Join(err, f.Close())
}
