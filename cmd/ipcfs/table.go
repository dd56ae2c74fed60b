package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// What people read about ipcfs in tables comes from the tables that it works by: settingTable here, and
// those of package fs. Each of them can be asked for rows of text, the head first, in which `x` is what
// people type. The documents show them as Markdown (TestDocumentTables), and help as follows.

// plainWidth is how wide a terminal is presumed to be.
const plainWidth = 80

// plain is how a terminal shows a table, without quotes and links: columns of equal width, or, where those
// would be too many for a line, row by row.
func plain(rows [][]string) string {
	var width []int
	bare := make([][]string, len(rows))
	for i, row := range rows {
		for j, cell := range row {
			cell = unquoted(cell)
			bare[i] = append(bare[i], cell)
			if j == len(width) {
				width = append(width, 0)
			}
			width[j] = max(width[j], utf8.RuneCountInString(cell))
		}
	}
	total := 0
	for _, w := range width {
		total += w + 2
	}
	if total-2 > plainWidth {
		return byRows(bare)
	}
	var b strings.Builder
	for _, row := range bare {
		line := ""
		for j, cell := range row {
			line += fmt.Sprintf("%-*s  ", width[j], cell)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// byRows shows a table whose first row is its head row by row: the first cell, and below it the others, each
// with its head.
func byRows(rows [][]string) string {
	var b strings.Builder
	for _, row := range rows[1:] {
		b.WriteString(wrapped("", row[0]))
		for j, cell := range row[1:] {
			if cell != "" {
				b.WriteString(wrapped("    ", rows[0][j+1]+": "+cell))
			}
		}
	}
	return b.String()
}

// wrapped is a text in lines that fit a terminal. Words that do not fit have a line of their own.
func wrapped(indent, text string) string {
	var b strings.Builder
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line+" "+word) > plainWidth {
			b.WriteString(line + "\n")
			line = indent + "  " + word
			continue
		}
		if line == "" {
			line = indent + word
		} else {
			line += " " + word
		}
	}
	return b.String() + line + "\n"
}

// unquoted is a cell without the marks of markdown: `code`, and [text](address), which becomes text.
func unquoted(cell string) string {
	cell = strings.ReplaceAll(cell, "`", "")
	for {
		text, address := strings.Index(cell, "["), strings.Index(cell, "](")
		if text < 0 || address < text {
			return cell
		}
		end := strings.Index(cell[address:], ")")
		if end < 0 {
			return cell
		}
		cell = cell[:text] + cell[text+1:address] + cell[address+end+1:]
	}
}

// code marks what people type.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
