package mysql

import (
	"encoding/hex"
	"strings"
)

// name quotes an identifier.
func name(text string) string { return "`" + strings.ReplaceAll(text, "`", "``") + "`" }

// names quotes identifiers for a list.
func names(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = name(text)
	}
	return strings.Join(quoted, ", ")
}

// text gives a string literal that no SQL mode, escape or character set
// changes: hexadecimal UTF-8.
func text(value string) string {
	if value == "" {
		return "''"
	}
	return "_utf8mb4 0x" + hex.EncodeToString([]byte(value))
}
