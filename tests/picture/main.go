// Command picture draws what a terminal shows, as tmux prints it (capture-pane -e), as SVG: stdin to stdout.
// Of the ways in which a terminal shows text it knows plain, bold and reverse.
package main

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	cellWidth, cellHeight = 8.4, 18 // in px, of a monospaced font of 14 px
	margin                = 12
)

// sgr is the escape sequence that sets how the text behind it looks (console_codes(4)).
var sgr = regexp.MustCompile(`\x1b\[([\d;]*)m`)

func main() {
	if err := draw(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func draw(in io.Reader, out io.Writer) error {
	var body strings.Builder
	style := look{}
	columns, rows := 80, 0
	lines := bufio.NewScanner(in)
	for ; lines.Scan(); rows++ {
		text, column := lines.Text(), 0
		for text != "" {
			at := sgr.FindStringSubmatchIndex(text)
			if at == nil {
				at = []int{len(text), len(text), len(text), len(text)}
			}
			column += style.put(&body, column, rows, text[:at[0]])
			style = style.with(text[at[2]:at[3]])
			text = text[at[1]:]
		}
		columns = max(columns, column)
	}
	width, height := float64(columns)*cellWidth+2*margin, rows*cellHeight+2*margin
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" viewBox="0 0 %.0f %d" `+
		`font-family="ui-monospace,DejaVu Sans Mono,Menlo,Consolas,monospace" font-size="14">`+"\n"+
		`<rect width="100%%" height="100%%" rx="6" fill="#1e1e1e"/>`+"\n%s</svg>\n",
		width, height, width, height, &body)
	return lines.Err()
}

// look is how text looks.
type look struct{ bold, reverse bool }

// with is the look after the numbers of an escape sequence.
func (l look) with(numbers string) look {
	for n := range strings.SplitSeq(numbers, ";") {
		switch n {
		case "", "0":
			l = look{}
		case "1":
			l.bold = true
		case "7":
			l.reverse = true
		case "22":
			l.bold = false
		case "27":
			l.reverse = false
		}
	}
	return l
}

// put draws text in a row from a column on, and returns how many columns it takes.
func (l look) put(out io.Writer, column, row int, text string) int {
	n := utf8.RuneCountInString(text)
	x, y := margin+float64(column)*cellWidth, margin+row*cellHeight
	colour, weight := "#dddddd", "normal"
	if l.reverse {
		colour = "#1e1e1e"
		fmt.Fprintf(out, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="#dddddd"/>`+"\n",
			x, y, float64(n)*cellWidth, cellHeight)
	}
	if l.bold {
		weight = "bold"
	}
	if strings.TrimSpace(text) != "" {
		fmt.Fprintf(out, `<text x="%.1f" y="%d" fill="%s" font-weight="%s" xml:space="preserve" `+
			`textLength="%.1f">%s</text>`+"\n",
			x, y+cellHeight-5, colour, weight, float64(n)*cellWidth, html.EscapeString(text))
	}
	return n
}
