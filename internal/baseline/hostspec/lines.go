package hostspec

import (
	"bytes"
	"github.com/landfall-dev/landfall/internal/result"
	"strconv"
	"strings"
)

// decodeLines reads a document as Encode writes it, an item on one line, ten
// times as fast as the YAML library. The second result is false for whatever
// else is YAML or none: that is for decodeYAML, which also knows what to say of
// it. A fuzz test holds the two to the same answers.
func decodeLines(data []byte) (*Spec, bool) {
	head, items, found := bytes.Cut(data, []byte("\nitems:\n"))
	if !found || bytes.Contains(head, []byte("\n---")) || bytes.Contains(head, []byte("\n...")) {
		return nil, false
	}
	spec, err := decodeYAML(append(bytes.Clone(head), '\n'))
	if err != nil || len(spec.Items) > 0 || bytes.Contains(head, []byte("items")) {
		return nil, false
	}
	text := string(items)
	if !strings.HasSuffix(text, "\n") {
		return nil, false
	}
	spec.Items = make([]Item, 0, bytes.Count(items, []byte("\n")))
	var kind Kind
	for line := range strings.SplitSeq(text[:len(text)-1], "\n") {
		if !strings.HasPrefix(line, "    ") {
			name, isKind := strings.CutPrefix(line, "  ")
			if name, isKind = cutSuffix(name, ":", isKind); !isKind || !Kind(name).valid() || !isPlain(name) {
				return nil, false
			}
			kind = Kind(name)
			continue
		}
		item, ok := lineItem(kind, line[4:])
		// What is out of order may be there twice.
		if last := len(spec.Items) - 1; !ok || last >= 0 && spec.Items[last].Compare(item.Key) >= 0 {
			return nil, false
		}
		spec.Items = append(spec.Items, item)
	}
	return spec, true
}

func cutSuffix(text, suffix string, so bool) (string, bool) {
	text, found := strings.CutSuffix(text, suffix)
	return text, found && so
}

// lineItem reads "name: value".
func lineItem(kind Kind, line string) (Item, bool) {
	s := &scanner{rest: line}
	name, isText := s.scalar(": ").literal.(string)
	if kind == "" || name == "" || !isText || !s.skip(": ") {
		return Item{}, false
	}
	item := Item{Key: Key{kind, name}}
	if !strings.HasPrefix(s.rest, "{") {
		value := s.value()
		item.Attributes = []Attribute{{ValueAttribute, value}}
		return item, !s.failed && s.rest == ""
	}
	attributes := s.mapping()
	if s.failed || s.rest != "" {
		return Item{}, false
	}
	if len(attributes) == 1 && isOperator(attributes[0].Name) {
		value, err := operate(Operator(attributes[0].Name), attributes[0].Value, false)
		if value.op == Exists {
			item.Absent = value.literal == false
		} else {
			item.Attributes = []Attribute{{ValueAttribute, value}}
		}
		return item, err == nil
	}
	item.Attributes = attributes
	return item, true
}

// scanner reads values from a line. Once it fails, it stays so.
type scanner struct {
	rest   string
	failed bool
}

func (s *scanner) skip(token string) bool {
	rest, found := strings.CutPrefix(s.rest, token)
	s.rest = rest
	return found
}

func (s *scanner) fail() Value {
	s.failed = true
	return Value{}
}

// value reads a scalar, a list, or an operator with its argument.
func (s *scanner) value() Value {
	switch {
	case s.failed || s.rest == "":
		return s.fail()
	case s.rest[0] == '[':
		return s.list()
	case s.rest[0] == '{':
		return s.operator(false)
	}
	return s.scalar(",]}")
}

// scalar reads what is in quotes or plain, up to one of the end bytes, or in
// front of ": " where that is the end.
func (s *scanner) scalar(end string) Value {
	if s.skip(`"`) {
		return s.quoted()
	}
	n := strings.IndexAny(s.rest, end)
	if end == ": " {
		n = strings.Index(s.rest, end)
	}
	if n < 0 {
		n = len(s.rest)
	}
	token := s.rest[:n]
	s.rest = s.rest[n:]
	switch {
	case token == "true" || token == "false":
		return Bool(token == "true")
	case isPlain(token):
		return Value{literal: token}
	}
	number, err := strconv.ParseInt(token, 10, 64)
	if err != nil || strconv.FormatInt(number, 10) != token {
		return s.fail()
	}
	return Int(number)
}

// quoted reads up to the closing quote. Only quotes and backslashes are
// escaped; other escapes are not ours.
func (s *scanner) quoted() Value {
	var b strings.Builder
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; c {
		case '"':
			s.rest = s.rest[i+1:]
			if !result.IsClean(b.String()) {
				return s.fail()
			}
			return Value{literal: b.String()}
		case '\\':
			if i++; i == len(s.rest) || s.rest[i] != '"' && s.rest[i] != '\\' {
				return s.fail()
			}
			b.WriteByte(s.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return s.fail()
}

func (s *scanner) list() Value {
	s.skip("[")
	list := []string{}
	for !s.failed && !s.skip("]") {
		if len(list) > 0 && !s.skip(", ") {
			return s.fail()
		}
		element, isText := s.scalar(",]").literal.(string)
		if !isText {
			return s.fail()
		}
		list = append(list, element)
	}
	return Value{literal: list}
}

// mapping reads "{name: value, …}". An operator's argument is left as it is,
// for operate.
func (s *scanner) mapping() []Attribute {
	s.skip("{")
	var attributes []Attribute
	for !s.failed && !s.skip("}") {
		if len(attributes) > 0 && !s.skip(", ") {
			s.failed = true
			return nil
		}
		name, isText := s.scalar(": ").literal.(string)
		if !isText || name == "" || !s.skip(": ") {
			s.failed = true
			return nil
		}
		for _, a := range attributes {
			if a.Name == name {
				s.failed = true
				return nil
			}
		}
		var value Value
		if Operator(name) == Not && strings.HasPrefix(s.rest, "{") {
			value = s.operator(true)
		} else {
			value = s.value()
		}
		attributes = append(attributes, Attribute{name, value})
	}
	return attributes
}

func (s *scanner) operator(negated bool) Value {
	attributes := s.mapping()
	if s.failed || len(attributes) != 1 || !isOperator(attributes[0].Name) {
		return s.fail()
	}
	value, err := operate(Operator(attributes[0].Name), attributes[0].Value, negated)
	if err != nil {
		return s.fail()
	}
	return value
}
