package s3

import (
	"bytes"
	"errors"
	"fmt"
	"html"
)

// errXML says that an answer is no XML document, or not all of one.
var errXML = errors.New("reading the answer: it is no complete XML document")

// elements goes through an XML document and calls ended at the end of each
// element, with the element it stands in ("" for the root), its own name, and
// the text between its last two tags. Names are without prefixes, and valid
// during the call only.
//
// Most of what a copy of unchanged objects does is reading listings, which
// encoding/xml takes ten times as long for. What S3 does not send (document
// types, entities of one's own) is an error.
func elements(document []byte, ended func(parent, name string, text []byte) error) error {
	s := scanner{rest: document}
	for {
		text, tag, err := s.next()
		if err != nil {
			return err
		}
		switch {
		case tag == nil:
			if len(s.open) > 0 || !s.begun || len(bytes.TrimSpace(text)) > 0 {
				return errXML
			}
			return nil
		case tag[0] == '/':
			if err := s.end(localName(tag[1:]), text, ended); err != nil {
				return err
			}
		default:
			if len(s.open) == 0 && s.begun {
				return errXML
			}
			name := localName(tag)
			s.open, s.begun = append(s.open, name), true
			if tag[len(tag)-1] == '/' {
				if err := s.end(name, nil, ended); err != nil {
					return err
				}
			}
		}
	}
}

// scanner takes a document apart.
type scanner struct {
	rest  []byte
	open  []string
	begun bool
	// text is room for text that does not stand in one piece.
	text []byte
}

// next gives the text up to the next tag, decoded, and what that tag has
// between its brackets; nil at the end of the document.
func (s *scanner) next() (text, tag []byte, err error) {
	s.text = s.text[:0]
	whole := true
	for {
		at := bytes.IndexByte(s.rest, '<')
		if at < 0 {
			text, s.rest = s.rest, nil
			return text, nil, nil
		}
		plain, err := decoded(s.rest[:at])
		if err != nil {
			return nil, nil, err
		}
		if s.rest = s.rest[at+1:]; whole {
			text = plain
		} else {
			s.text = append(s.text, plain...)
			text = s.text
		}
		inner, literal, err := s.markup()
		if err != nil {
			return nil, nil, err
		}
		if inner != nil {
			return text, inner, nil
		}
		// A comment or literal text: what follows belongs to the same text.
		s.text = append(append(s.text[:0], text...), literal...)
		whole = false
	}
}

// markup reads on behind a bracket: a tag, or else what text it stands for.
func (s *scanner) markup() (tag, literal []byte, err error) {
	for _, kind := range []struct{ begin, end string }{{"!--", "-->"}, {"![CDATA[", "]]>"}, {"?", "?>"}} {
		if !bytes.HasPrefix(s.rest, []byte(kind.begin)) {
			continue
		}
		inner, rest, found := bytes.Cut(s.rest[len(kind.begin):], []byte(kind.end))
		if !found {
			return nil, nil, errXML
		}
		s.rest = rest
		if kind.begin == "![CDATA[" {
			literal = inner
		}
		return nil, literal, nil
	}
	end := bytes.IndexByte(s.rest, '>')
	if end <= 0 || s.rest[0] == '!' {
		return nil, nil, errXML
	}
	// A bracket may stand in an attribute.
	for quotes := bytes.Count(s.rest[:end], []byte(`"`)); quotes%2 != 0; quotes = bytes.Count(s.rest[:end], []byte(`"`)) {
		more := bytes.IndexByte(s.rest[end+1:], '>')
		if more < 0 {
			return nil, nil, errXML
		}
		end += 1 + more
	}
	tag, s.rest = s.rest[:end], s.rest[end+1:]
	if tag[0] == '/' && len(tag) == 1 {
		return nil, nil, errXML
	}
	return tag, nil, nil
}

// end closes the innermost element.
func (s *scanner) end(name string, text []byte, ended func(parent, name string, text []byte) error) error {
	last := len(s.open) - 1
	if last < 0 || s.open[last] != name {
		return fmt.Errorf("%w: %q ends where it did not begin", errXML, name)
	}
	s.open = s.open[:last]
	parent := ""
	if last > 0 {
		parent = s.open[last-1]
	}
	return ended(parent, name, text)
}

// localName is a tag's name without prefix and attributes.
func localName(tag []byte) string {
	if at := bytes.IndexAny(tag, " \t\r\n/"); at >= 0 {
		tag = tag[:at]
	}
	if at := bytes.IndexByte(tag, ':'); at >= 0 {
		tag = tag[at+1:]
	}
	return known(tag)
}

// known keeps names that come a thousand times a page from being made anew.
func known(name []byte) string {
	switch string(name) {
	case "Contents":
		return "Contents"
	case "Key":
		return "Key"
	case "Size":
		return "Size"
	case "ETag":
		return "ETag"
	case "LastModified":
		return "LastModified"
	case "StorageClass":
		return "StorageClass"
	}
	return string(name)
}

// decoded replaces entities.
func decoded(text []byte) ([]byte, error) {
	if bytes.IndexByte(text, '&') < 0 {
		return text, nil
	}
	return []byte(html.UnescapeString(string(text))), nil
}
