package result

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes foreign bytes safe to print and to store as text: control
// characters, line ends, characters that reorder or hide text, and bytes that
// are no UTF-8 become escapes as in Go. A text without any comes back as it is,
// so that cleaning twice is cleaning once.
func Clean(s string) string {
	if IsClean(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			writeHex(&b, s[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\\':
			b.WriteString(`\\`)
		case hidden(r):
			for i := range size {
				writeHex(&b, s[i])
			}
		default:
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

// IsClean tells whether Clean would leave the text as it is.
func IsClean(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || hidden(r) {
			return utf8.ValidString(s) && !strings.ContainsFunc(s, hidden)
		}
	}
	return true
}

// hidden are characters that a terminal would act on instead of showing.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

func writeHex(b *strings.Builder, c byte) {
	const digits = "0123456789abcdef"
	b.WriteString(`\x`)
	b.WriteByte(digits[c>>4])
	b.WriteByte(digits[c&15])
}

// CleanLines makes foreign text safe to print on lines of its own: new lines
// stay, tabs become spaces, anything else that a terminal would act on is
// escaped.
func CleanLines(s string) []string {
	lines := strings.Split(strings.TrimRight(s, "\r\n"), "\n")
	for i, line := range lines {
		lines[i] = Clean(strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", "    "))
	}
	return lines
}

func cleanText(s string) string { return strings.Join(CleanLines(s), "\n") }
