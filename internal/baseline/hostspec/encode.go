package hostspec

import (
	"bytes"
	"fmt"
	"github.com/landfall-dev/landfall/internal/result"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Encode writes the document as YAML: kinds and items in order, an item on one
// line. The same Spec gives the same bytes. The items must be sorted.
//
// Items are written by hand: a YAML library takes four times as long for the
// thousands of them, and its choice of quotes changes with its version.
func (s *Spec) Encode(w io.Writer) error {
	var b bytes.Buffer
	b.Grow(100*len(s.Items) + 1024)
	for _, field := range [][2]string{{"version", Version}, {"host", s.Host}, {"salt", s.Salt}} {
		b.WriteString(field[0] + ": ")
		writeText(&b, field[1])
		b.WriteByte('\n')
	}
	if err := s.encodeHead(&b); err != nil {
		return fmt.Errorf("writing host spec %s: %w", s.Host, err)
	}
	s.encodeItems(&b)
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing host spec %s: %w", s.Host, err)
	}
	return nil
}

// encodeHead writes what people write: rules, decisions, and what is unknown.
func (s *Spec) encodeHead(b *bytes.Buffer) error {
	head := struct {
		Rules     []Rule          `yaml:"rules,omitempty"`
		Decisions []Decision      `yaml:"decisions,omitempty"`
		Unknown   map[Kind]string `yaml:"unknown,omitempty"`
	}{s.Rules, s.Decisions, s.Unknown}
	if len(s.Rules)+len(s.Decisions)+len(s.Unknown) == 0 {
		return nil
	}
	encoder := yaml.NewEncoder(b)
	encoder.SetIndent(2)
	if err := encoder.Encode(head); err != nil {
		return err
	}
	return encoder.Close()
}

func (s *Spec) encodeItems(b *bytes.Buffer) {
	if len(s.Items) == 0 {
		b.WriteString("items: {}\n")
		return
	}
	b.WriteString("items:\n")
	var kind Kind
	for i, item := range s.Items {
		if i == 0 || item.Kind != kind {
			kind = item.Kind
			b.WriteString("  ")
			writeText(b, string(kind))
			b.WriteString(":\n")
		}
		b.WriteString("    ")
		writeName(b, item.Name)
		writeItem(b, item)
		b.WriteByte('\n')
	}
}

// longName is where YAML ends what it takes as a key without a mark: at 1,024
// characters, quotes included.
const longName = 500

func writeName(b *bytes.Buffer, name string) {
	if len(name) < longName {
		writeText(b, name)
		b.WriteString(": ")
		return
	}
	b.WriteString("? ")
	writeText(b, name)
	b.WriteString("\n    : ")
}

func writeItem(b *bytes.Buffer, item Item) {
	if item.Absent {
		writeValue(b, Expect(Exists, false))
		return
	}
	if len(item.Attributes) == 1 && item.Attributes[0].Name == ValueAttribute {
		writeValue(b, item.Attributes[0].Value)
		return
	}
	b.WriteByte('{')
	for i, a := range item.Attributes {
		if i > 0 {
			b.WriteString(", ")
		}
		writeText(b, a.Name)
		b.WriteString(": ")
		writeValue(b, a.Value)
	}
	b.WriteByte('}')
}

func writeValue(b *bytes.Buffer, v Value) {
	if v.op != "" {
		b.WriteString("{" + string(v.op) + ": ")
		defer b.WriteByte('}')
	}
	switch l := v.Literal().(type) {
	case int64:
		b.WriteString(strconv.FormatInt(l, 10))
	case bool:
		b.WriteString(strconv.FormatBool(l))
	case Value:
		writeValue(b, l)
	case []string:
		b.WriteByte('[')
		for i, s := range l {
			if i > 0 {
				b.WriteString(", ")
			}
			writeText(b, s)
		}
		b.WriteByte(']')
	case string:
		writeText(b, l)
	}
}

// writeText writes a YAML scalar that every parser reads as this text: plain
// where that is beyond doubt, in double quotes otherwise.
func writeText(b *bytes.Buffer, s string) {
	s = result.Clean(s)
	if isPlain(s) {
		b.WriteString(s)
		return
	}
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
}

// words that YAML 1.1 or 1.2 reads as something else than text.
var words = []string{"true", "false", "yes", "no", "on", "off", "y", "n", "null", ".inf", ".nan"}

func isPlain(s string) bool {
	if s == "" || !plainStart(s[0]) || s[len(s)-1] == ' ' || s[len(s)-1] == ':' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !plainByte(s[i]) && !(s[i] == ' ' && s[i-1] != ':') {
			return false
		}
	}
	if len(s) <= 5 && slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, s) }) {
		return false
	}
	return s[0] > '9' || s[0] == '/' || !numberLike(s)
}

func plainStart(c byte) bool {
	return isAlnum(c) || c == '/' || c == '_' || c == '.' || c == '(' || c == '$'
}

// plainByte leaves out "?", which the YAML library does not read within [] and
// {} although YAML allows it.
func plainByte(c byte) bool {
	return isAlnum(c) || strings.IndexByte("_./:@%+=~^$();*!|<>-&", c) >= 0
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// numberLike errs on the side of quotes: numbers of all bases, dates, times.
func numberLike(s string) bool {
	if strings.Count(s, ".") > 1 {
		return false
	}
	return strings.Trim(s, "0123456789abcdefABCDEFxXoOTZtz_.+-: ") == ""
}
