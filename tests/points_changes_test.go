package tests

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"golang.org/x/sys/unix"
)

const (
	sysvQueue   = "sysv/queues/0x00004209"
	sysvSegment = "sysv/shm/0x0000420a"
	sysvUnsized = "sysv/shm/0x0000420b"
)

// records writes records of a key in pieces, and returns the words that come, but for the numbers of
// messages.
func (w *walk) records(begin func(), at, key string) (got []string) {
	fd := w.open(at, unix.O_RDWR)
	defer unix.Close(fd)
	begin()
	w.put(fd, key+" len=1\n1\n"+key+" l")
	w.put(fd, "en=1\n2\n"+key+" len=3\ne")
	w.put(fd, "nd\n")
	for !slices.Contains(got, "end") {
		for _, word := range strings.Fields(w.get(fd)) {
			if !strings.HasPrefix(word, "seq=") {
				got = append(got, word)
			}
		}
	}
	return append(got, w.none(fd))
}

// none is what a read gives that does not wait.
func (w *walk) none(fd int) string {
	check(w.t, unix.SetNonblock(fd, true))
	return w.get(fd)
}

// drains sends three messages and takes all there are, two times.
func (w *walk) drains(begin func(), queue string) []string {
	fd := w.open(queue, unix.O_WRONLY)
	defer unix.Close(fd)
	begin()
	for _, text := range []string{"1\n", "2\n", "end\n"} {
		w.put(fd, text)
	}
	var all [2]string
	for i := range all {
		text, err := os.ReadFile(w.tr.mnt + "/ctl/" + queue + "/drain")
		check(w.t, err)
		all[i] = strings.Join(strings.Fields(string(text)), " ")
	}
	return all[:]
}

// patience of next@TIME.
const nextTime = 200 * time.Millisecond

// waits has a read of next@TIME end when its time is over, and not before, and then take a message.
func (w *walk) waits(begin func()) []string {
	began := time.Now()
	fd := w.open("ctl/queues/c/next@"+nextTime.String(), unix.O_RDONLY)
	defer unix.Close(fd)
	begin()
	late := w.get(fd)
	if took := time.Since(began); took < nextTime {
		late = took.String()
	}
	check(w.t, os.WriteFile(w.tr.mnt+"/queues/c", []byte("1\n"), 0))
	return []string{late, w.get(fd), w.get(fd)}
}

// datagrams has a client and a server talk over UDP, and returns what the server has heard, and then the
// client.
func (w *walk) datagrams(begin func(), port string) (heard []string) {
	server, client := w.open("sockets/udp/:"+port, unix.O_RDWR), w.open("sockets/udp/127.0.0.1:"+port, unix.O_RDWR)
	defer unix.Close(server)
	defer unix.Close(client)
	begin()
	for _, text := range []string{"1\n", "2\n", "end\n"} {
		w.put(client, text)
	}
	from := ""
	for !slices.Contains(heard, "end") {
		for _, word := range strings.Fields(w.get(server)) {
			if strings.HasPrefix(word, "from=") && (from == "" || from == word) {
				from = word
			} else {
				heard = append(heard, word)
			}
		}
	}
	w.put(server, from+" len=7\nanswer\n\n")
	w.put(server, from+" len=5\nmore\n\n")
	return append(heard, w.get(client), w.get(client), w.none(client), w.none(server))
}

// attributes are set through the tree, and it returns what is not so.
func (w *walk) attributes(begin func()) (failed []string) {
	at := func(name string) string { return w.tr.mnt + "/" + name }
	retry := func(what string, f func() error) {
		_, err := ipctool.Retry(func() (int, error) { return 0, f() })
		errs(&failed, what, err)
	}
	names := []string{"queues/c", "shm/c", "fifos/c", "topics/c", "sockets/c", sysvQueue, sysvSegment, "shm/d", "topics/d"}
	for _, name := range names {
		retry("chmod", func() error { return unix.Chmod(at(name), 0600) })
		retry("chown", func() error { return unix.Chown(at(name), 0, 0) })
	}
	retry("truncate", func() error { return unix.Truncate(at("shm/c"), 0) })
	begin()
	retry("mknod", func() error { return unix.Mknod(at(sysvUnsized), unix.S_IFREG|0600, 0) })
	names = append(names, sysvUnsized)
	for _, name := range names {
		retry("chmod "+name, func() error { return unix.Chmod(at(name), 0640) })
		retry("chown "+name, func() error { return unix.Chown(at(name), 1000, 1001) })
	}
	was := []unix.Timespec{{Sec: 1e9}, {Sec: 1e9}}
	retry("utimes", func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, at("shm/c"), was, 0) })
	for name, size := range map[string]int64{"shm/c": 8192, sysvUnsized: 4096} {
		retry("truncate "+name, func() error { return unix.Truncate(at(name), size) })
		var st unix.Stat_t
		retry("stat", func() error { return unix.Stat(at(name), &st) })
		if st.Size != size {
			failed = append(failed, fmt.Sprint(name, " has a size of ", st.Size))
		}
	}
	for _, name := range names {
		var st unix.Stat_t
		retry("stat "+name, func() error { return unix.Lstat(at(name), &st) })
		if st.Mode&0777 != 0640 || st.Uid != 1000 || st.Gid != 1001 {
			failed = append(failed, fmt.Sprintf("%s: mode %o, uid %d, gid %d", name, st.Mode, st.Uid, st.Gid))
		}
	}
	retry("rm", func() error { return unix.Unlink(at(sysvUnsized)) })
	return failed
}

// clears takes back the value of a topic, and returns what that is then.
func (w *walk) clears(begin func()) []string {
	at := w.tr.mnt + "/topics/c"
	check(w.t, os.WriteFile(at, []byte("value\n"), 0))
	begin()
	check(w.t, os.WriteFile(at, nil, 0))
	text, err := os.ReadFile(w.tr.mnt + "/ctl/topics/c/last")
	check(w.t, err)
	return []string{string(text)}
}

// hearsAll reads all topics while three messages are published, and then more until one of those comes, and
// returns how many the reader was not told of: it gets a message, or is told that it has missed it.
func (w *walk) hearsAll(begin func()) []string {
	fd := w.open("ctl/topics/all", unix.O_RDONLY|unix.O_NONBLOCK)
	defer unix.Close(fd)
	to := w.open("topics/r", unix.O_WRONLY)
	defer unix.Close(to)
	begin()
	var got []string
	left := 3
	for i := range left {
		w.put(to, strconv.Itoa(i))
	}
	for !slices.Contains(got, "end") {
		text := w.get(fd)
		if text == unix.EAGAIN.Error() {
			w.put(to, "end")
			left++
		}
		for word := range strings.FieldsSeq(text) {
			if lost, ok := strings.CutPrefix(word, "lost="); ok {
				n, err := strconv.Atoi(lost)
				check(w.t, err)
				left -= 1 + n
			} else if text != unix.EAGAIN.Error() && !strings.Contains(word, "=") {
				got = append(got, word)
			}
		}
	}
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) < len(got) {
		return got
	}
	return []string{strconv.Itoa(left), w.get(fd)}
}

// goes removes a queue that is open, and returns what is read from it then.
func (w *walk) goes(begin func()) []string {
	check(w.t, os.WriteFile(w.tr.mnt+"/queues/g", nil, 0600))
	fd, lines := w.open("queues/g", unix.O_RDWR), w.open("ctl/queues/g/lines", unix.O_RDONLY)
	defer unix.Close(fd)
	defer unix.Close(lines)
	w.put(fd, "1\n")
	begin()
	check(w.t, os.Remove(w.tr.mnt+"/queues/g"))
	got := []string{w.get(lines), w.none(fd), w.none(lines)}
	_, err := ipctool.Retry(func() (int, error) { return unix.Write(fd, []byte("2\n")) })
	return append(got, fmt.Sprint(err))
}

// forgets removes shared memory that is open and locked, and returns what is not so then.
func (w *walk) forgets(begin func()) (failed []string) {
	check(w.t, os.WriteFile(w.tr.mnt+"/shm/f", []byte("1"), 0600))
	fd, other := w.open("shm/f", unix.O_RDWR), w.open("shm/f", unix.O_RDWR)
	defer unix.Close(fd)
	defer unix.Close(other)
	retry := func(what string, f func() error) {
		_, err := ipctool.Retry(func() (int, error) { return 0, f() })
		errs(&failed, what, err)
	}
	retry("flock", func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	begin()
	retry("rm", func() error { return unix.Unlink(w.tr.mnt + "/shm/f") })
	retry("ftruncate", func() error { return unix.Ftruncate(fd, 4096) })
	var st unix.Stat_t
	retry("fstat", func() error { return unix.Fstat(other, &st) })
	b := []byte("2")
	retry("write", func() error { _, err := unix.Pwrite(fd, b, 100); return err })
	b[0] = 0
	retry("read", func() error { _, err := unix.Pread(other, b, 100); return err })
	err := unix.Flock(other, unix.LOCK_EX|unix.LOCK_NB)
	if b[0] != '2' || st.Size != 4096 || st.Nlink != 0 || err != unix.EWOULDBLOCK {
		failed = append(failed, fmt.Sprintf("read %q of %d bytes, %d links; %v", b, st.Size, st.Nlink, err))
	}
	return failed
}

// parts removes a socket of which a connection is open, and returns what comes through that.
func (w *walk) parts(begin func()) []string {
	check(w.t, os.WriteFile(w.tr.mnt+"/sockets/g", nil, 0600))
	client := w.open("sockets/g", unix.O_RDWR)
	server := w.open("ctl/sockets/g/accept", unix.O_RDWR)
	for _, fd := range []int{client, server} {
		defer unix.Close(fd)
	}
	begin()
	check(w.t, os.Remove(w.tr.mnt+"/sockets/g"))
	w.put(client, "1\n")
	w.put(server, "2\n")
	return []string{w.get(server), w.get(client)}
}

// A setting is a command that is given to an object's ctl, and what that or status shows then.
type setting struct{ of, command, fact string }

// commands are given to objects, and it returns what is not so.
func (w *walk) commands(begin func()) (failed []string) {
	give := func(list ...setting) {
		for _, s := range list {
			errs(&failed, s.of+" "+s.command, os.WriteFile(w.tr.mnt+"/ctl/"+s.of+"/ctl", []byte(s.command+"\n"), 0))
		}
	}
	give(
		setting{"queues/c", "lease max_tries=0", ""}, setting{"queues/c", "set mode=0600 gid=0", ""},
		setting{sysvQueue, "resize qbytes=8192", ""}, setting{"topics/c", "set keep=0 retain=off depth=9 slow=block", ""},
		setting{"sockets/c", "listen backlog=5", ""}, setting{"fifos/c", "set mode=0600", ""},
		setting{sysvSegment, "set mode=0600", ""},
	)
	for _, name := range []string{"queues/c", "topics/c", sysvQueue} {
		check(w.t, os.WriteFile(w.tr.mnt+"/"+name, []byte("message\n"), 0))
	}
	begin()
	set := []setting{
		{"queues/c", "lease max_tries=3", "max_tries=3"}, {"queues/c", "set mode=0620 gid=1001", "gid=1001"},
		{"queues/c", "drain", "messages=0"}, {sysvQueue, "resize qbytes=4096", "qbytes=4096"},
		{sysvQueue, "drain", "qnum=0"}, {"topics/c", "set keep=3 retain=on depth=5", "keep=3"},
		{"topics/c", "clear", "messages=0"}, {"sockets/c", "listen backlog=7", "backlog=7"},
		{"fifos/c", "set mode=0620", "mode=0620"}, {sysvSegment, "set mode=0620", "mode=0620"},
	}
	give(set...)
	for _, s := range set {
		at := w.tr.mnt + "/ctl/" + s.of
		shown, err := os.ReadFile(at + "/status")
		set, e := os.ReadFile(at + "/ctl")
		if err = errors.Join(err, e); err != nil || !slices.Contains(strings.Fields(string(shown)+string(set)), s.fact) {
			failed = append(failed, fmt.Sprint(s.of, " has no ", s.fact, ": ", string(shown), string(set), err))
		}
	}
	return failed
}

// ends gives the readers of a queue one end of file, and then one of them a message: one reads before, the
// other one has read nothing yet.
func (w *walk) ends(begin func(), queue string) []string {
	waits, idle := w.open(queue, unix.O_RDONLY), w.open(queue, unix.O_RDONLY)
	defer unix.Close(waits)
	defer unix.Close(idle)
	first := make(chan string, 1)
	go func() { first <- w.get(waits) }()
	check(w.t, w.tr.parked(1))
	begin()
	check(w.t, os.WriteFile(w.tr.mnt+"/ctl/"+queue+"/ctl", []byte("eof\n"), 0))
	got := []string{<-first, w.get(idle)}
	check(w.t, os.WriteFile(w.tr.mnt+"/"+queue, []byte("message\n"), 0))
	return append(got, w.get(waits), w.none(idle))
}

// tries takes a message on lease and gives it back until it goes to the queue dead.
func (w *walk) tries(begin func()) (got []string) {
	fd := w.open("ctl/queues/e/lease", unix.O_RDWR|unix.O_NONBLOCK)
	defer unix.Close(fd)
	begin()
	check(w.t, os.WriteFile(w.tr.mnt+"/queues/e", []byte("job\n"), 0))
	took, text := 0, ""
	for text = w.get(fd); text == "job"; text = w.get(fd) {
		took++
		w.put(fd, "nack\n")
	}
	got = append(got, fmt.Sprint(took), text)
	for _, name := range []string{"dead", "e"} {
		text, err := os.ReadFile(w.tr.mnt + "/ctl/queues/" + name + "/drain")
		check(w.t, err)
		got = append(got, strings.TrimSpace(string(text)))
	}
	left, err := os.ReadDir(w.tr.state + "/leases")
	check(w.t, err)
	return append(got, fmt.Sprint(len(left)))
}

// shuts has both ends of a connection write no more, and returns what each then reads.
func (w *walk) shuts(begin func()) []string {
	client := w.open("ctl/sockets/c/dial", unix.O_RDWR)
	server := w.open("ctl/sockets/c/accept", unix.O_RDWR)
	defer unix.Close(client)
	defer unix.Close(server)
	w.put(client, "1\n")
	begin()
	check(w.t, os.WriteFile(w.tr.mnt+"/ctl/sockets/c/shutdown", []byte("wr\n"), 0))
	_, err := ipctool.Retry(func() (int, error) { return unix.Write(client, []byte("2\n")) })
	return []string{w.get(server), w.get(server), w.get(client), fmt.Sprint(err)}
}

// renames a topic that is read, a FIFO, and a socket of which a connection is open, and returns what is not
// so.
func (w *walk) renames(begin func()) (failed []string) {
	at := func(name string) string { return w.tr.mnt + "/" + name }
	r, lines := w.open("topics/c", unix.O_RDONLY), w.open("ctl/topics/c/lines", unix.O_RDONLY)
	client := w.open("sockets/c", unix.O_RDWR)
	server := w.open("ctl/sockets/c/accept", unix.O_RDWR)
	for _, fd := range []int{r, lines, client, server} {
		defer unix.Close(fd)
	}
	begin()
	for _, dir := range []string{"topics", "fifos", "sockets"} {
		for _, names := range [][2]string{{"c", "d/c"}, {"d/c", "c"}} {
			from, to := path.Join(dir, names[0]), path.Join(dir, names[1])
			was := inode(at(from))
			errs(&failed, from, os.Rename(at(from), at(to)))
			if is := inode(at(to)); is != was || inode(at(from)) != 0 {
				failed = append(failed, fmt.Sprint(from, " went to ", to, ": ", is, ", want ", was))
			}
			got := []string{to, to}
			switch dir {
			case "topics":
				check(w.t, os.WriteFile(at(to), []byte(to), 0))
				got = []string{w.get(r), w.get(lines)}
			case "sockets":
				w.put(client, to)
				w.put(server, to)
				got = []string{w.get(server), w.get(client)}
			}
			if !slices.Equal(got, []string{to, to}) {
				failed = append(failed, fmt.Sprintf("read %q of %s", got, to))
			}
		}
	}
	for name, want := range map[string]error{"queues/c": syscall.EPERM, sysvQueue: syscall.EPERM} {
		if err := os.Rename(at(name), at(name+"2")); !errors.Is(err, want) {
			failed = append(failed, fmt.Sprint("rename ", name, ": ", err))
		}
	}
	return failed
}

// TestKilledAtChanges: as TestKilledAtPoints, with what changes objects that are there, and with the faces
// that no other walk has.
func TestKilledAtChanges(t *testing.T) {
	needsResend(t)
	t.Parallel()
	soak(t)
	w := killable(t)
	at := func(name string) string { return w.tr.mnt + "/" + name }
	for _, name := range []string{"queues/c", "queues/e", "shm/c", "sockets/c", sysvQueue} {
		check(t, os.WriteFile(at(name), nil, 0600))
	}
	check(t, unix.Mkfifo(at("fifos/c"), 0600))
	for _, name := range []string{"shm/d", "topics/d", "fifos/d", "sockets/d"} {
		check(t, os.Mkdir(at(name), 0700))
	}
	check(t, os.WriteFile(at("ctl/new"), []byte("topics/c slow=block depth=9\ntopics/r slow=block\n"+
		"sysv/queues/0x0000420c\n"+sysvSegment+" size=4096\nqueues/dead mode=0600\n"), 0))
	check(t, os.WriteFile(at("ctl/queues/e/ctl"), []byte("lease max_tries=2\n"), 0))
	check(t, os.WriteFile(at("sockets/udp/:0"), nil, 0600))
	list, err := os.ReadDir(at("sockets/udp"))
	check(t, err)
	port := strings.TrimPrefix(list[0].Name(), ":")
	kills := map[string]int{}
	again, removed := syscall.EAGAIN.Error(), syscall.EIDRM.Error()
	recorded := func(name, key string) func(func()) []string {
		return func(begin func()) []string { return w.records(begin, "ctl/"+name+"/records", key) }
	}
	ending := func(name string) func(func()) []string {
		return func(begin func()) []string { return w.ends(begin, name) }
	}
	places := slices.Concat(points, filePoints, triesPoints, []string{"closing"})
	for _, one := range []struct {
		name string
		step int
		do   func(begin func()) []string
		want []string
	}{
		{"records", 4, recorded("queues/c", "prio=3"),
			[]string{"prio=3", "len=1", "1", "prio=3", "len=1", "2", "prio=3", "len=3", "end", again}},
		{"sysv records", 4, recorded("sysv/queues/0x0000420c", "type=4"),
			[]string{"type=4", "len=1", "1", "type=4", "len=1", "2", "type=4", "len=3", "end", again}},
		{"topic records", 4, recorded("topics/r", "seq=1"),
			[]string{"lost=0", "len=1", "1", "lost=0", "len=1", "2", "lost=0", "len=3", "end", again}},
		{"drain", 4, func(begin func()) []string { return w.drains(begin, "queues/c") }, []string{"1 2 end", ""}},
		{"sysv drain", 6, func(begin func()) []string { return w.drains(begin, sysvQueue) }, []string{"1 2 end", ""}},
		{"next@TIME", 8, w.waits, []string{syscall.ETIMEDOUT.Error(), "1", ""}},
		{"UDP", 3, func(begin func()) []string { return w.datagrams(begin, port) },
			[]string{"len=2", "1", "len=2", "2", "len=4", "end", "answer", "more", again, again}},
		{"all", 2, w.hearsAll, []string{"0", again}},
		{"gone", 2, w.goes, []string{"1", removed, removed, removed}},
		{"memory", 2, w.forgets, nil},
		{"parts", 2, w.parts, []string{"1", "2"}},
		{"attributes", 11, w.attributes, nil},
		{"O_TRUNC", 2, w.clears, []string{""}},
		{"rename", 12, w.renames, nil},
		{"commands", 40, w.commands, nil},
		{"eof", 3, ending("queues/c"), []string{"", "", "message", again}},
		{"sysv eof", 3, ending(sysvQueue), []string{"", "", "message", again}},
		{"tries", 3, w.tries, []string{"2", again, "job", "", "0"}},
		{"shutdown", 4, w.shuts, []string{"1", "", "", syscall.EPIPE.Error()}},
	} {
		w.through(one.name, places, one.step, kills, one.want, one.do)
	}
	t.Log(kills)
	if kills["closing"] == 0 && !t.Failed() {
		t.Error("it was never killed when a file was closed")
	}
}
