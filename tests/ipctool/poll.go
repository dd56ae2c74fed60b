package ipctool

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A poller is one of the calls that wait for many files. wait returns those that
// are ready, by index; a limit of -1 is for ever.
type poller interface {
	wait(limit int) (map[int]string, error)
}

// pollCommand waits twice for files that are not ready and shows what woke it. It runs COMMAND, which is to
// make a file ready, only when its thread really sleeps in the call; ROUND in the environment of COMMAND is
// 1, then 2. Then it asks again without waiting (a level stays up, an edge does not), drains the files and
// asks once more. The file "pipe" is a pipe whose other end COMMAND has as descriptor 3.
func pollCommand(args []string) error {
	if len(args) < 5 {
		return errUsage
	}
	how, what, flag, command, files := args[0], args[1], args[2], args[3], args[4:]
	mask := map[string]int{"in": unix.POLLIN, "out": unix.POLLOUT}[what]
	if mask == 0 {
		return errUsage
	}
	var ends []*os.File
	fds := make([]int, len(files))
	for i, f := range files {
		if f == "pipe" {
			r, w, err := os.Pipe()
			if err != nil {
				return err
			}
			// SetNonblock below works on the descriptor itself.
			ends, fds[i] = append(ends, w), int(r.Fd())
			defer r.Close()
			if err := unix.SetNonblock(fds[i], true); err != nil {
				return err
			}
			continue
		}
		fd, err := OpenFile(f, flag+",nonblock")
		if err != nil {
			return fmt.Errorf("open %s: %s", f, name(err))
		}
		fds[i] = fd
	}
	p, err := newPoller(how, mask, fds)
	if err != nil {
		return err
	}
	if ready, err := p.wait(0); err != nil || len(ready) > 0 {
		return fmt.Errorf("ready before its time: %v %v", ready, err)
	}
	runtime.LockOSThread()
	for round := range 2 {
		ran := make(chan error, 1)
		tid := unix.Gettid()
		go func() {
			if !asleep(tid) {
				ran <- fmt.Errorf("it does not sleep")
				return
			}
			fmt.Println("asleep")
			cmd := shell(command, ends...)
			cmd.Env = append(os.Environ(), "ROUND="+strconv.Itoa(round+1))
			ran <- cmd.Run()
		}()
		// The command's end comes before the answer is shown, so that the order of lines is always the same.
		ready, err := p.wait(int(Patience().Milliseconds()))
		if cmdErr := <-ran; err != nil || cmdErr != nil || len(ready) == 0 {
			return fmt.Errorf("%v ready, %v, %v", ready, err, cmdErr)
		}
		show("woke", files, ready)
		again, err := p.wait(0)
		// epoll(7) may tell of an edge once or twice too often, but not for ever.
		for tries := 0; how == "epollet" && tries < 9 && len(again) > 0 && err == nil; tries++ {
			again, err = p.wait(0)
		}
		if err != nil {
			return err
		}
		show("again", files, again)
		for i := range ready {
			drain(fds[i], mask)
		}
		if ready, err = p.wait(0); err != nil {
			return err
		}
		show("drained", files, ready)
		if len(ready) > 0 {
			return nil // for good: an error
		}
	}
	return nil
}

func show(when string, files []string, ready map[int]string) {
	if len(ready) == 0 {
		fmt.Println(when, "quiet")
	}
	for i, f := range files {
		if ready[i] != "" {
			fmt.Println(when, filepath.Base(f), ready[i])
		}
	}
}

// asleep waits until a thread sleeps in one of the waiting calls, and has asked all of its files: while it
// asks one of a FUSE mount it sleeps until that is answered, which its wchan (proc(5)) tells.
func asleep(tid int) bool {
	waiting := map[string]bool{}
	for _, nr := range []int{
		sysPoll, sysSelect, unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_EPOLL_PWAIT, sysEpollWait,
	} {
		waiting[strconv.Itoa(nr)] = true
	}
	task := fmt.Sprintf("/proc/self/task/%d", tid)
	return Eventually(Patience(), func() bool {
		call, err := os.ReadFile(task + "/syscall")
		nr, _, _ := strings.Cut(string(call), " ")
		where, _ := os.ReadFile(task + "/wchan")
		return ProcState(task) == "S" && (err != nil || waiting[nr]) && string(where) != "request_wait_answer"
	})
}

// drain takes from a file, or fills it, until it would block.
func drain(fd, mask int) {
	buf := make([]byte, 1<<16)
	for {
		var err error
		if mask == unix.POLLIN {
			_, err = unix.Read(fd, buf)
		} else {
			_, err = unix.Write(fd, []byte("x"))
		}
		if err != nil && err != unix.EINTR {
			return
		}
	}
}

func newPoller(how string, mask int, fds []int) (poller, error) {
	switch how {
	case "poll":
		return &pollPoller{mask, fds}, nil
	case "select":
		return &selectPoller{mask, fds}, nil
	case "epoll", "epollet":
		ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return nil, err
		}
		for i, fd := range fds {
			ev := unix.EpollEvent{Events: uint32(mask), Fd: int32(i)}
			if how == "epollet" {
				ev.Events |= unix.EPOLLET & 0xffffffff
			}
			if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
				return nil, err
			}
		}
		return epollPoller(ep), nil
	}
	return nil, errUsage
}

type pollPoller struct {
	mask int
	fds  []int
}

func (p *pollPoller) wait(limit int) (map[int]string, error) {
	fds := make([]unix.PollFd, len(p.fds))
	for i, fd := range p.fds {
		fds[i] = unix.PollFd{Fd: int32(fd), Events: int16(p.mask)}
	}
	_, err := Retry(func() (int, error) { return unix.Poll(fds, limit) })
	ready := map[int]string{}
	for i, f := range fds {
		if f.Revents != 0 {
			ready[i] = events(int(f.Revents))
		}
	}
	return ready, err
}

type selectPoller struct {
	mask int
	fds  []int
}

func (p *selectPoller) wait(limit int) (map[int]string, error) {
	var set unix.FdSet
	_, err := Retry(func() (int, error) {
		set.Zero()
		top := 0
		for _, fd := range p.fds {
			set.Set(fd)
			top = max(top, fd+1)
		}
		r, w := &set, (*unix.FdSet)(nil)
		if p.mask == unix.POLLOUT {
			r, w = w, r
		}
		tv := unix.NsecToTimeval(int64(limit) * int64(time.Millisecond))
		return unix.Select(top, r, w, nil, &tv)
	})
	ready := map[int]string{}
	for i, fd := range p.fds {
		if err == nil && set.IsSet(fd) {
			ready[i] = events(p.mask)
		}
	}
	return ready, err
}

type epollPoller int

func (p epollPoller) wait(limit int) (map[int]string, error) {
	got := make([]unix.EpollEvent, 16)
	n, err := Retry(func() (int, error) { return unix.EpollWait(int(p), got, limit) })
	ready := map[int]string{}
	for _, e := range got[:max(0, n)] {
		ready[int(e.Fd)] = events(int(e.Events))
	}
	return ready, err
}
