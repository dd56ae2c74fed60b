package ipctool

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fileCommand opens a file and does one operation after the other, printing what each gave.
func fileCommand(args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	fd, err := OpenFile(args[1], args[0])
	if err != nil {
		fmt.Println("open", name(err))
		return nil
	}
	for _, op := range args[2:] {
		op, arg, _ := strings.Cut(op, "=")
		result, err := fileOp(fd, op, arg)
		if err == errUsage {
			return err
		}
		if err != nil {
			result = name(err)
		}
		fmt.Println(op, result)
	}
	return unix.Close(fd)
}

func fileOp(fd int, op, arg string) (string, error) {
	arg, at, _ := strings.Cut(arg, "@")
	n, _ := strconv.Atoi(arg)
	off, _ := strconv.ParseInt(at, 10, 64)
	buf := make([]byte, n)
	switch op {
	case "read": // read=SIZE
		got, err := Retry(func() (int, error) { return unix.Read(fd, buf) })
		return strconv.Quote(string(buf[:max(0, got)])), err
	case "pread": // pread=SIZE@OFFSET
		got, err := Retry(func() (int, error) { return unix.Pread(fd, buf, off) })
		return strconv.Quote(string(buf[:max(0, got)])), err
	case "write": // write=TEXT
		got, err := Retry(func() (int, error) { return unix.Write(fd, []byte(arg)) })
		return strconv.Itoa(got), err
	case "fill": // fill=SIZE writes that many bytes
		got, err := Retry(func() (int, error) { return unix.Write(fd, []byte(strings.Repeat("x", n))) })
		return strconv.Itoa(got), err
	case "seek": // seek=OFFSET from the beginning
		got, err := unix.Seek(fd, int64(n), unix.SEEK_SET)
		return strconv.FormatInt(got, 10), err
	case "hole", "data": // hole=OFFSET
		whence := map[string]int{"hole": unix.SEEK_HOLE, "data": unix.SEEK_DATA}[op]
		got, err := unix.Seek(fd, int64(n), whence)
		return strconv.FormatInt(got, 10), err
	case "fallocate": // fallocate=SIZE
		return "ok", unix.Fallocate(fd, 0, 0, int64(n))
	case "punch": // punch=SIZE@OFFSET
		return "ok", unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, int64(n))
	case "truncate":
		return "ok", unix.Ftruncate(fd, int64(n))
	case "fsync":
		return "ok", unix.Fsync(fd)
	case "size":
		var st unix.Stat_t
		err := unix.Fstat(fd, &st)
		return strconv.FormatInt(st.Size, 10), err
	case "nonblock", "block", "packets": // fcntl(F_SETFL)
		return "ok", setFlag(fd, op)
	case "poll": // what is ready now
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLOUT}}
		_, err := Retry(func() (int, error) { return unix.Poll(fds, 0) })
		return events(int(fds[0].Revents)), err
	case "sh": // sh=COMMAND runs it while the file is open
		return "ok", shell(arg).Run()
	}
	return "", errUsage
}

// events names bits of poll(2).
func events(bits int) string {
	var names []string
	for _, e := range []struct {
		bit  int
		name string
	}{{unix.POLLIN, "IN"}, {unix.POLLOUT, "OUT"}, {unix.POLLERR, "ERR"}, {unix.POLLHUP, "HUP"}} {
		if bits&e.bit != 0 {
			names = append(names, e.name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, "|")
}
