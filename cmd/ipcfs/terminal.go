package main

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal is a terminal that is drawn as a whole (console_codes(4)). Closing it brings its old content back.
type terminal struct {
	tty   *os.File
	was   *term.State
	plain bool // no colours: NO_COLOR (no-color.org), or a terminal that has none
	keys  chan string
}

// openTerminal takes a terminal over. Its keys come one by one: letters as themselves, others by name.
func openTerminal(tty *os.File) (*terminal, error) {
	t := &terminal{tty: tty, keys: make(chan string)}
	t.plain = os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || os.Getenv("TERM") == "vt100"
	if err := t.begin(); err != nil {
		return nil, err
	}
	go t.read()
	return t, nil
}

func (t *terminal) begin() (err error) {
	if t.was, err = term.MakeRaw(int(t.tty.Fd())); err != nil {
		return err
	}
	_, err = t.tty.WriteString("\x1b[?1049h\x1b[?25l") // the other screen, without a cursor
	return err
}

func (t *terminal) close() {
	_, _ = t.tty.WriteString("\x1b[0m\x1b[?25h\x1b[?1049l")
	_ = term.Restore(int(t.tty.Fd()), t.was)
}

// suspend stops the process as Ctrl-Z does, and takes the terminal over again when it goes on.
func (t *terminal) suspend() {
	t.close()
	_ = unix.Kill(0, unix.SIGSTOP) // the whole job: a shell may have more of it
	_ = t.begin()
}

// size is how many columns and lines there are.
func (t *terminal) size() (columns, lines int) {
	columns, lines, err := term.GetSize(int(t.tty.Fd()))
	if err != nil || columns < 1 || lines < 1 {
		return 80, 24
	}
	return columns, lines
}

// keyNames name the keys that are no letters, by what they send.
var keyNames = map[string]string{
	"\x1b": "esc", "\x1b[A": "up", "\x1bOA": "up", "\x1b[B": "down", "\x1bOB": "down",
	"\x1b[5~": "pageup", "\x1b[6~": "pagedown",
	"\r": "enter", "\n": "enter", "\x7f": "backspace", "\b": "backspace",
	"\x03": "ctrl-c", "\x1a": "ctrl-z",
}

// read reads keys until the terminal is gone.
func (t *terminal) read() {
	buf := make([]byte, 64)
	for {
		n, err := os.Stdin.Read(buf)
		if err != nil {
			t.keys <- "ctrl-c"
			return
		}
		text := string(buf[:n])
		if name := keyNames[text]; name != "" {
			t.keys <- name
			continue
		}
		if strings.HasPrefix(text, "\x1b") {
			continue // a key that does nothing here
		}
		for _, r := range text {
			if name := keyNames[string(r)]; name != "" {
				t.keys <- name
			} else {
				t.keys <- string(r)
			}
		}
	}
}

// draw shows lines. One that begins with inverse stands out, if the terminal has colours.
func (t *terminal) draw(lines []string) {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		bare, stands := strings.CutPrefix(line, inverse)
		if stands && !t.plain {
			b.WriteString("\x1b[7m" + bare + "\x1b[0m\x1b[K")
		} else {
			b.WriteString(bare + "\x1b[K")
		}
	}
	b.WriteString("\x1b[J")
	_, _ = t.tty.WriteString(b.String())
}

// inverse marks a line that stands out.
const inverse = "\x00"
