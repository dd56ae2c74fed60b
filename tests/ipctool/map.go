package ipctool

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mapCommand opens an object, maps it shared and does one operation after the other
// on the mapping or the file, printing what each gave.
func mapCommand(args []string) error {
	if len(args) < 1 {
		return errUsage
	}
	fd, err := OpenFile(args[0], "rdwr,creat")
	if err != nil {
		return fmt.Errorf("open %s: %s", args[0], name(err))
	}
	var mem []byte
	for _, arg := range args[1:] {
		op, arg, _ := strings.Cut(arg, "=")
		// size=N, map=N, msync, get=OFFSET:LENGTH, put=OFFSET:TEXT, await=OFFSET:TEXT; @N in offsets is N MiB
		where, text, _ := strings.Cut(arg, ":")
		off, err := strconv.Atoi(strings.TrimPrefix(where, "@"))
		if err != nil && op != "msync" {
			return errUsage
		}
		if strings.HasPrefix(where, "@") {
			off <<= 20
		}
		switch op {
		case "size":
			err = unix.Ftruncate(fd, int64(off))
		case "map":
			mem, err = unix.Mmap(fd, 0, off, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		case "msync":
			err = unix.Msync(mem, unix.MS_SYNC)
		case "put":
			copy(mem[off:], text)
		case "get":
			n, _ := strconv.Atoi(text)
			fmt.Printf("%s\n", mem[off:off+n])
		case "await":
			if !Eventually(Patience(), func() bool { return bytes.HasPrefix(mem[off:], []byte(text)) }) {
				err = fmt.Errorf("%q did not come, there is %q", text, mem[off:off+len(text)])
			}
		default:
			return errUsage
		}
		if err != nil {
			return fmt.Errorf("%s: %s", op, name(err))
		}
	}
	return nil
}

// lockCommand takes a lock of the whole file, prints "locked" and runs COMMAND while
// it holds it. It asks the kernel to wait or it tries.
func lockCommand(args []string) error {
	if len(args) != 4 || (args[1] != "wait" && args[1] != "try") {
		return errUsage
	}
	fd, err := OpenFile(args[2], "rdwr")
	if err != nil {
		return err
	}
	wait := args[1] == "wait"
	_, err = Retry(func() (int, error) {
		whole := unix.Flock_t{Type: unix.F_WRLCK}
		switch args[0] {
		case "flock":
			how := unix.LOCK_EX
			if !wait {
				how |= unix.LOCK_NB
			}
			return 0, unix.Flock(fd, how)
		case "fcntl":
			cmd := unix.F_SETLK
			if wait {
				cmd = unix.F_SETLKW
			}
			return 0, unix.FcntlFlock(uintptr(fd), cmd, &whole)
		case "ofd":
			cmd := unix.F_OFD_SETLK
			if wait {
				cmd = unix.F_OFD_SETLKW
			}
			return 0, unix.FcntlFlock(uintptr(fd), cmd, &whole)
		}
		return 0, errUsage
	})
	if err != nil {
		return err
	}
	fmt.Println("locked")
	return shell(args[3]).Run()
}
