package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// columns are a table for people: a line of headings, and rows. Numbers stand on the right of their column.
// There are two blanks between columns, or one where a line would be too long.
type columns struct {
	heads []string // one that begins with > is of numbers, one that ends in * gives way where a line is too long
	rows  [][]string
}

func (c *columns) add(cells ...string) { c.rows = append(c.rows, cells) }

// lines are the table in lines of at most width columns; 0: as wide as they are.
func (c *columns) lines(width int) []string {
	heads, right, flexible := make([]string, len(c.heads)), make([]bool, len(c.heads)), -1
	for i, h := range c.heads {
		h, right[i] = strings.CutPrefix(h, ">")
		h, ok := strings.CutSuffix(h, "*")
		if ok {
			flexible = i
		}
		heads[i] = h
	}
	rows := append([][]string{heads}, c.rows...)
	wide := make([]int, len(heads))
	total, gap := -2, "  "
	for i := range heads {
		for _, row := range rows {
			if i < len(row) {
				wide[i] = max(wide[i], utf8.RuneCountInString(row[i]))
			}
		}
		total += wide[i] + 2
	}
	if width > 0 && total > width {
		total, gap = total-(len(heads)-1), " "
	}
	if width > 0 && total > width && flexible >= 0 {
		wide[flexible] = max(wide[flexible]-(total-width), 8)
	}
	list := make([]string, len(rows))
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			cell = cut(cell, wide[i])
			pad := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(cell))
			if right[i] {
				cell = pad + cell
			} else {
				cell += pad
			}
			b.WriteString(cell + gap)
		}
		list[n] = strings.TrimRight(b.String(), " ")
		if width > 0 {
			list[n] = cut(list[n], width)
		}
	}
	return list
}

// cut is a text in at most so many columns, with a > where the rest was.
func cut(text string, columns int) string {
	if utf8.RuneCountInString(text) <= columns {
		return text
	}
	if columns < 1 {
		return ""
	}
	return string([]rune(text)[:columns-1]) + ">"
}

// print prints the table for the reader of out: a terminal, or a program.
func (c *columns) print(out io.Writer) error {
	_, err := fmt.Fprintln(out, strings.Join(c.lines(screen(out)), "\n"))
	return err
}

// screen is how many columns the terminal out has; 0: out is no terminal, and nothing is to be cut.
func screen(out io.Writer) int {
	f, ok := out.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// brief is a number in few letters: 12, 9012, 38K, 1.2M.
func brief(n int64) string {
	if n < 10000 {
		return strconv.FormatInt(n, 10)
	}
	return scaled(float64(n), 1000, "KMGTPE")
}

// bytesOf is a number of bytes in few letters: 412, 1.1K, 64.0M (powers of 1024, as ls -lh).
func bytesOf(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10)
	}
	return scaled(float64(n), 1024, "KMGTPE")
}

func scaled(n, base float64, units string) string {
	i := -1
	for n >= base && i < len(units)-1 {
		n /= base
		i++
	}
	if n >= 100 {
		return fmt.Sprintf("%.0f%c", n, units[i])
	}
	return fmt.Sprintf("%.1f%c", n, units[i])
}

// since is how long ago a time is, in few letters: 0s, 12s, 3m, 3h12m, 2d; - if there is none.
func since(t, now time.Time) string {
	if t.IsZero() || t.Unix() <= 0 {
		return "-"
	}
	return lasting(now.Sub(t))
}

// lasting is a time in few letters.
func lasting(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	switch {
	case s < 100:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm", s/60)
	case s < 36*3600:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd", s/86400)
}

// owner is the name of a user, or the number of one that has none.
func owner(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// printJSON prints one value in one line.
func printJSON(out io.Writer, value any) error {
	text, err := json.Marshal(value)
	if err == nil {
		_, err = fmt.Fprintf(out, "%s\n", backends.PrintableJSON(text))
	}
	return err
}

// dash is a number, or - where it is not known or does not matter.
func dash(known bool, text string) string {
	if !known {
		return "-"
	}
	return text
}
