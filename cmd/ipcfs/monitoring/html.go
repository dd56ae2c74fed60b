package monitoring

import (
	"fmt"
	"html"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
)

// page is HTML that is being written. Whatever is not markup of the program's own goes through text or name:
// names, commands and errors are strangers' words.
type page struct{ strings.Builder }

// raw writes markup, in which there are no words but the program's own.
func (p *page) raw(markup string) { p.WriteString(markup) }

// text writes words, in which what cannot be printed is %XX.
func (p *page) text(words ...any) {
	p.WriteString(html.EscapeString(backends.Line(fmt.Sprint(words...))))
}

// name writes a name of an object or a command, as it is written in all texts of the tree.
func (p *page) name(name string) { p.WriteString(html.EscapeString(backends.Word(name))) }

// element writes an element around some words. tag may have attributes, which are the program's own.
func (p *page) element(tag string, words ...any) {
	p.raw("<" + tag + ">")
	p.text(words...)
	kind, _, _ := strings.Cut(tag, " ")
	p.raw("</" + kind + ">")
}

// head writes the head of a table.
func (p *page) head(columns ...string) {
	p.raw(`<div class="scroll"><table class="cards"><thead><tr>`)
	for _, c := range columns {
		p.element(`th scope="col"`, c)
	}
	p.raw("</tr></thead><tbody>")
}

// foot ends a table.
func (p *page) foot() { p.raw("</tbody></table></div>") }

// number writes a cell with a number in it; on a narrow screen, where a table has no head, with what it is.
func (p *page) number(of string, words ...any) { p.element(`td class="n" data-of="`+of+`"`, words...) }

// plot writes a cell with a plot, and what is to be read from it.
func (p *page) plot(of, svg string, words ...any) {
	p.raw(`<td class="plot" data-of="` + of + `">` + svg)
	p.element("small", words...)
	p.raw("</td>")
}
