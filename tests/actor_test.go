package tests

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"golang.org/x/sys/unix"
)

// A player is a process (ipctool actor) that makes system calls for a test, as these may block. One
// goroutine at a time uses it; it need not always be the same one.
type player struct {
	cmd     *exec.Cmd // nil: a child of another player
	ends    []io.Closer
	cues    *gob.Encoder
	takes   *gob.Decoder
	pid     int
	tid     int
	waiting bool // for the take of a cue
	pipes   []string
}

// undisturbed is for the environment of a helper whose calls only the test is to interrupt. Go interrupts its
// own threads to preempt them; an open that dials, is interrupted and is tried again has called twice.
const undisturbed = "GODEBUG=asyncpreemptoff=1"

// play starts a player in the tree, as the user uid if that is not 0.
func (t *tree) play(uid int) (*player, error) {
	cmd := t.command("ipctool", "actor")
	if uid != 0 {
		cmd = t.command("ipctool", "as", strconv.Itoa(uid), "ipctool", "actor")
	}
	cmd.Env = append(cmd.Env, undisturbed)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &player{cmd: cmd, pid: cmd.Process.Pid}
	return p, p.enter(in, out)
}

// enter takes the player's first take.
func (p *player) enter(in io.WriteCloser, out io.ReadCloser) error {
	p.ends, p.cues, p.takes = []io.Closer{in, out}, gob.NewEncoder(in), gob.NewDecoder(out)
	var hello take
	if err := p.takes.Decode(&hello); err != nil {
		return fmt.Errorf("an actor does not start: %w", err)
	}
	p.tid = hello.N
	if p.pid == 0 {
		p.pid = p.tid // of a child; its main thread plays
	}
	return nil
}

// start gives a cue; the player may block.
func (p *player) start(c cue) error {
	if p.waiting {
		return errors.New("the player is still busy")
	}
	p.waiting = true
	return p.cues.Encode(c)
}

// finish waits for what comes of it.
func (p *player) finish() (take, error) {
	var answer take
	if err := p.takes.Decode(&answer); err != nil {
		return answer, fmt.Errorf("the player is gone: %w", err)
	}
	p.waiting = false
	return answer, nil
}

// do gives a cue and waits for what comes of it.
func (p *player) do(c cue) (take, error) {
	if err := p.start(c); err != nil {
		return take{}, err
	}
	return p.finish()
}

// must is do for what cannot fail.
func (p *player) must(t testing.TB, c cue) take {
	t.Helper()
	answer, err := p.do(c)
	check(t, err)
	if answer.Errno != "" {
		t.Fatalf("%s %s: %s", c.Op, c.Path, answer.Errno)
	}
	return answer
}

// signal interrupts the player's system call.
func (p *player) signal() error { return unix.Tgkill(p.pid, p.tid, unix.SIGUSR1) }

// asleep waits until the player sleeps in a system call of its cue, on fd, or on any file if fd is negative.
// A player that waits for its next cue sleeps in a read of descriptor 0: that does not count.
func (p *player) asleep(fd int) bool {
	task := fmt.Sprintf("/proc/%d/task/%d", p.pid, p.tid)
	want := fmt.Sprintf(" %#x ", fd)
	if fd < 0 {
		want = ""
	}
	return eventually(patience, func() bool {
		call, err := os.ReadFile(task + "/syscall")
		return ipctool.ProcState(task) == "S" && (err != nil ||
			strings.Contains(string(call), want) && !strings.HasPrefix(string(call), "0 0x0 "))
	})
}

// kill ends the player by force; finish then returns an error.
func (p *player) kill() { _ = unix.Kill(p.pid, unix.SIGKILL) }

// leave ends the player, by force if it is in a call.
func (p *player) leave() {
	if p.waiting {
		p.kill()
	}
	for _, end := range p.ends {
		_ = end.Close()
	}
	if p.cmd != nil {
		_ = p.cmd.Wait() // killed or not
	}
	for _, name := range p.pipes {
		_ = os.Remove(name)
	}
}

// fork has the player start a child that inherits the file fd, as its descriptor 3.
func (p *player) fork(t testing.TB, work string, fd int) *player {
	t.Helper()
	dir, err := os.MkdirTemp(work, "child")
	check(t, err)
	names := []string{filepath.Join(dir, "in"), filepath.Join(dir, "out")}
	for _, name := range names {
		check(t, syscall.Mkfifo(name, 0600))
	}
	p.must(t, cue{Op: "fork", FD: fd, Path: names[0], Flags: names[1]})
	in, err := os.OpenFile(names[0], os.O_WRONLY, 0)
	check(t, err)
	out, err := os.Open(names[1])
	check(t, err)
	child := &player{pipes: append(names, dir)}
	check(t, child.enter(in, out))
	return child
}
