package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"golang.org/x/sys/unix"
)

// newTopic makes a topic with rules.
func newTopic(t *testing.T, tr *tree, rules string) (path, ctl string) {
	t.Helper()
	check(t, os.WriteFile(tr.mnt+"/ctl/new", []byte("topics/t "+rules+"\n"), 0))
	return tr.mnt + "/topics/t", tr.mnt + "/ctl/topics/t"
}

// fact waits until a status file says key=value.
func fact(t *testing.T, status, key, value string) {
	t.Helper()
	var text []byte
	if !eventually(patience, func() bool {
		text, _ = os.ReadFile(status)
		return strings.Contains("\n"+string(text), "\n"+key+"="+value+"\n")
	}) {
		t.Fatalf("no %s=%s:\n%s", key, value, text)
	}
}

// publish writes messages to a topic.
func publish(t *testing.T, path string, msgs ...string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	check(t, err)
	for _, msg := range msgs {
		_, err := f.Write([]byte(msg))
		check(t, err)
	}
	check(t, f.Close())
}

// TestTopicEverybodyGetsAll: whatever disturbs publishers and readers, each reader gets each
// message once, those of one publisher in their order; that holds with publishers that have to
// wait for readers (block), and with room for everything.
func TestTopicEverybodyGetsAll(t *testing.T) {
	for _, rules := range []string{"slow=block depth=3", "depth=100000"} {
		t.Run(rules, func(t *testing.T) {
			mixTopic(t, rules, "topics/t", func(counts [][]byte) {
				for i := range counts {
					for n, c := range counts[i] {
						if c != mixReaders {
							t.Fatalf("message %d of publisher %d came %d times to %d readers", n, i, c, mixReaders)
						}
					}
				}
			})
		})
	}
}

// TestTopicGroupSharesAll: the members of a group get each message once between them.
func TestTopicGroupSharesAll(t *testing.T) {
	mixTopic(t, "slow=block depth=3", "ctl/topics/t/group/g", func(counts [][]byte) {
		for i := range counts {
			for n, c := range counts[i] {
				if c != 1 {
					t.Fatalf("message %d of publisher %d came %d times", n, i, c)
				}
			}
		}
	})
}

const mixReaders, mixPublishers = 6, 4

// mixTopic has publishers send numbers to readers of a file of the topic,
// all disturbed by signals, and counts what came.
func mixTopic(t *testing.T, rules, file string, counted func([][]byte)) {
	each := often(600, 5000)
	if raceFlag == "-race" {
		each /= 5
	}
	tr := mountTree(t)
	// beside busy processes the kernel may leave a daemon that is a session
	// of its own without a processor for seconds
	tr.dog.allow(4 * lifetime)
	path, ctl := newTopic(t, tr, rules)
	var readers, publishers []*exec.Cmd
	var outs []*bytes.Buffer
	for range mixReaders {
		out := &bytes.Buffer{}
		r := tr.command("ipctool", "mix-recv", "mount", tr.mnt+"/"+file)
		r.Stdout, r.Stderr = out, os.Stderr
		check(t, r.Start())
		readers, outs = append(readers, r), append(outs, out)
	}
	fact(t, ctl+"/status", "readers", strconv.Itoa(mixReaders))
	for i := range mixPublishers {
		p := tr.command("ipctool", "mix-send", "mount", path, strconv.Itoa(i), strconv.Itoa(each))
		p.Stderr = os.Stderr
		check(t, p.Start())
		publishers = append(publishers, p)
	}
	for _, p := range publishers {
		check(t, p.Wait())
	}
	if !strings.Contains(file, "group") {
		publish(t, path, "!")
	} else {
		publish(t, path, strings.Split(strings.Repeat("!", mixReaders), "")...)
	}
	for _, r := range readers {
		check(t, r.Wait())
	}
	counted(mixed(t, outs, mixPublishers, each))
	fact(t, ctl+"/status", "lost", "0")
}

// TestTopicGapsAddUp: what slow readers got and what the records say they lost is
// all there was, for each of them and in the status.
func TestTopicGapsAddUp(t *testing.T) {
	const readers, total = 5, 20000
	for _, slow := range []string{"drop-old", "drop-new"} {
		t.Run(slow, func(t *testing.T) {
			tr := mountTree(t)
			path, ctl := newTopic(t, tr, "depth=16 slow="+slow)
			type sum struct{ got, lost, last int }
			results, behind := make(chan sum), make(chan struct{})
			for i := range readers {
				fd, err := ipctool.OpenFile(ctl+"/records", "rdonly")
				check(t, err)
				go func() {
					var s sum
					defer func() { results <- s }()
					<-behind
					buf := make([]byte, 100*(i+1)) // some read more at a time than others
					var text []byte
					for !bytes.HasSuffix(text, []byte("\nend\n")) {
						n, err := ipctool.Retry(func() (int, error) { return unix.Read(fd, buf) })
						if err != nil || n == 0 {
							return
						}
						text = append(text, buf[:n]...)
					}
					for line := range strings.Lines(string(text)) {
						var seq, lost, size int
						if _, err := fmt.Sscanf(line, "seq=%d lost=%d len=%d", &seq, &lost, &size); err == nil {
							if seq != s.last+lost+1 {
								return
							}
							s.got, s.lost, s.last = s.got+1, s.lost+lost, seq
						}
					}
					_ = unix.Close(fd)
				}()
			}
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			check(t, err)
			for i := range total {
				if i == 100 {
					close(behind) // from here on they may be as fast as they can, and have lost something
				}
				_, err := f.Write(fmt.Appendf(nil, "%d", i))
				check(t, err)
			}
			sent := total
			if slow == "drop-new" {
				// The last one must not be the one that is dropped.
				check(t, os.WriteFile(ctl+"/ctl", []byte("slow=block\n"), 0))
			}
			_, err = f.Write([]byte("end"))
			check(t, err)
			sent++
			lost := 0
			for range readers {
				s := <-results
				if s.got+s.lost != sent || s.last != sent {
					t.Errorf("got %d and lost %d of %d, the last was %d", s.got, s.lost, sent, s.last)
				}
				lost += s.lost
			}
			check(t, f.Close())
			if lost == 0 {
				t.Error("nobody lost anything: the test tested nothing")
			}
			fact(t, ctl+"/status", "lost", strconv.Itoa(lost))
			t.Logf("%d of %d lost", lost, sent*readers)
		})
	}
}

// TestTopicMemory: readers that do not read, or read a little, do not make the
// daemon grow beyond what a topic and a user may hold, nor the memory of its keeper.
func TestTopicMemory(t *testing.T) {
	if raceFlag == "-race" {
		t.Skip("the race detector takes memory of its own")
	}
	for _, keeper := range []string{"--keeper=off", "--keeper=on"} {
		t.Run(keeper, func(t *testing.T) { topicMemory(t, keeper) })
	}
}

func topicMemory(t *testing.T, keeper string) {
	const readers, mib = 1000, 1 << 20
	tr := mountTree(t, keeper)
	path, ctl := newTopic(t, tr, "")
	open := func(file string) int {
		fd, err := ipctool.OpenFile(file, "rdonly,nonblock")
		check(t, err)
		return fd
	}
	fds := make([]int, readers)
	for i := range fds {
		fds[i] = open(path)
	}
	// Go's heap may be twice what is alive in it, and the session has some buffers of 1 MiB.
	// MiB; the topic has room for eight messages, with what it knows of them: each is a page short
	const topic, user, slack = 8, 64, 48
	ledger := 0 // has all of that, too
	if keeper == "--keeper=on" {
		ledger = topic + user
	}
	before := resident(t, tr)
	w, err := ipctool.OpenFile(path, "wronly")
	check(t, err)
	big := make([]byte, mib-os.Getpagesize()) // the longest there is
	write := func() {
		_, err := ipctool.Retry(func() (int, error) { return unix.Write(w, big) })
		check(t, err)
	}
	for range 500 {
		write()
	}
	grown := resident(t, tr) - before
	if grown > 2*topic+slack+ledger {
		t.Errorf("500 MiB published to %d readers who do not read: the daemon grew by %d MiB", readers, grown)
	}
	t.Logf("nobody reads: %d MiB more", grown)
	fact(t, ctl+"/status", "lost", strconv.Itoa(readers*(500-topic)))

	// All hold the same message: it is there once.
	one := make([]byte, 1)
	for _, fd := range fds {
		_, err := unix.Read(fd, one)
		check(t, err)
	}
	// Each reader holds a message of its own, as long as the user may.
	refused := 0
	for i := range 200 {
		fd := open(path)
		fds = append(fds, fd)
		write()
		switch _, err := unix.Read(fd, one); err {
		case nil:
		case unix.ENOBUFS:
			refused++
		default:
			t.Fatalf("reader %d: %v", i, err)
		}
	}
	if grown := resident(t, tr) - before; grown > 2*(topic+user)+slack+ledger {
		t.Errorf("200 readers of one byte: the daemon grew by %d MiB", grown)
	}
	if refused < 200-user-1 {
		t.Errorf("only %d readers were refused", refused)
	}
	if why, err := os.ReadFile(ctl + "/err"); err != nil || !strings.Contains(string(why), "as one user may") {
		t.Errorf("err says %q (%v)", why, err)
	}
	// A read with room for the whole message is not refused, and closing gives the memory back.
	n, err := unix.Read(fds[len(fds)-1], make([]byte, 2*mib))
	if n != len(big) || err != nil {
		t.Errorf("a whole message: %d bytes, %v", n, err)
	}
	for _, fd := range fds {
		check(t, unix.Close(fd))
	}
	fact(t, ctl+"/status", "readers", "0")
	fd := open(path)
	write()
	if _, err := unix.Read(fd, one); err != nil {
		t.Error(err)
	}
	check(t, unix.Close(fd))
	check(t, unix.Close(w))
}

// resident is the most memory the daemon had, in MiB (proc(5), VmHWM).
func resident(t *testing.T, tr *tree) int {
	t.Helper()
	pid, err := tr.pid()
	check(t, err)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(t, err)
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	var kib int
	fmt.Sscan(line, &kib)
	if kib == 0 {
		t.Fatal("no VmHWM")
	}
	return kib >> 10
}
