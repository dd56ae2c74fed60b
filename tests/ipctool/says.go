package ipctool

import (
	"bufio"
	"io"
	"os"
)

// saysCommand says the lines that come from PATH, up to the line LAST, as a Go program reads a file: its
// runtime waits in epoll(7), by edge.
func saysCommand(args []string) error {
	if len(args) != 2 {
		return errUsage
	}
	f, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); ; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return err
			}
			return io.ErrUnexpectedEOF
		}
		if _, err := os.Stdout.WriteString(lines.Text() + "\n"); err != nil || lines.Text() == args[0] {
			return err
		}
	}
}
