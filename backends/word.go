package backends

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Texts tell of names, commands and messages that strangers choose. There is one way to write them
// (docs/control.md): a byte that needs care is %XX, with two hexadecimal digits, and so is %. What is left is
// printable UTF-8 without a newline, and nothing in it ends a line, a word or a quotation of the shell's.
// Unword undoes it.

// plain are the characters that stand for themselves wherever they are.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./:,@"

// AppendWord appends a name as one word without blanks and quotes.
func AppendWord(b []byte, name string) []byte {
	return escape(b, name, func(r rune) bool {
		return r >= utf8.RuneSelf && unicode.IsPrint(r) || strings.ContainsRune(plain, r)
	})
}

// Word is AppendWord by itself.
func Word(name string) string { return string(AppendWord(nil, name)) }

// Quote writes a value as a shell's eval takes it. In single quotes, which it has unless it is one plain
// word, all that can be printed stands for itself but for % and the quote.
func Quote(value string) string {
	if value != "" && strings.Trim(value, plain) == "" {
		return value
	}
	inside := func(r rune) bool { return r != '\'' && r != '%' && unicode.IsPrint(r) }
	return string(append(escape([]byte("'"), value, inside), '\''))
}

// Line makes one line of a sentence for people, without its end: what cannot be printed is %XX, all else
// stands for itself.
func Line(text string) string { return string(escape(nil, text, unicode.IsPrint)) }

// escape appends s with %XX for each byte that is no part of a character that may stand for itself.
func escape(b []byte, s string, may func(rune) bool) []byte {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1 || !may(r):
			for _, c := range []byte(s[i : i+size]) {
				b = fmt.Appendf(b, "%%%02X", c)
			}
		default:
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return b
}

// Unword is the name that a word stands for. What is not %XX stands for itself.
func Unword(word string) string {
	var name []byte
	for i := 0; i < len(word); i++ {
		b, ok := UnquoteByte(word[i:])
		if ok {
			i += 2
		} else {
			b = word[i]
		}
		name = append(name, b)
	}
	return string(name)
}

// UnquoteByte is the byte that the first three of s stand for; false if they are not %XX.
func UnquoteByte(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	var c byte
	for _, digit := range []byte(s[1:3]) {
		i := strings.IndexByte("0123456789ABCDEF0123456789abcdef", digit)
		if i < 0 {
			return 0, false
		}
		c = c<<4 | byte(i%16)
	}
	return c, true
}

// PrintableJSON is a value in JSON (RFC 8259) with \uXXXX for what cannot be printed, which JSON lets stand
// for itself from U+007F on: terminals heed some of it.
func PrintableJSON(value []byte) []byte {
	var b []byte
	for _, r := range string(value) {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		default:
			for _, half := range utf16.AppendRune(nil, r) {
				b = fmt.Appendf(b, `\u%04x`, half)
			}
		}
	}
	return b
}
