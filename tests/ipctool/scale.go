package ipctool

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// sleepersCommand is COUNT readers of the FILEs in turn, each a thread of its own that blocks in
// read(2) for one message. It prints what they got, a line each: the file, the number of the reader in
// the order in which the file's readers were started, and the message.
func sleepersCommand(args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	debug.SetMaxThreads(count + 100)
	files := args[1:]
	got := make([]string, count)
	var all sync.WaitGroup
	for i := range count {
		file := files[i%len(files)]
		fd, err := OpenFile(file, "rdonly")
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		all.Go(func() {
			buf := make([]byte, 64)
			n, err := Retry(func() (int, error) { return unix.Read(fd, buf) })
			got[i] = fmt.Sprint(file[strings.LastIndexByte(file, '/')+1:], " ", i/len(files), " ",
				string(buf[:max(n, 0)]))
			if err != nil {
				got[i] += name(err)
			}
		})
	}
	all.Wait()
	_, err = fmt.Fprintln(os.Stdout, strings.Join(got, "\n"))
	return err
}
