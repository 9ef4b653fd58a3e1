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
	// text is room for text that does not stand in one piece, plain for text
	// that had entities.
	text, plain []byte
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
		plain := s.decoded(s.rest[:at])
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
	if len(s.rest) > 0 && s.rest[0] != '!' && s.rest[0] != '?' {
		tag, err = s.tag()
		return tag, nil, err
	}
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
	return nil, nil, errXML
}

// tag reads on behind the bracket of one.
func (s *scanner) tag() ([]byte, error) {
	end := bytes.IndexByte(s.rest, '>')
	if end <= 0 {
		return nil, errXML
	}
	// A bracket may stand in an attribute.
	for bytes.Count(s.rest[:end], []byte(`"`))%2 != 0 {
		more := bytes.IndexByte(s.rest[end+1:], '>')
		if more < 0 {
			return nil, errXML
		}
		end += 1 + more
	}
	tag := s.rest[:end]
	s.rest = s.rest[end+1:]
	if string(tag) == "/" {
		return nil, errXML
	}
	return tag, nil
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
	begin := 0
	for at, letter := range tag {
		switch letter {
		case ' ', '\t', '\r', '\n', '/':
			return known(tag[begin:at])
		case ':':
			if begin == 0 {
				begin = at + 1
			}
		}
	}
	return known(tag[begin:])
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

// decoded replaces entities. What it gives is valid until the next call.
func (s *scanner) decoded(text []byte) []byte {
	if bytes.IndexByte(text, '&') < 0 {
		return text
	}
	s.plain = s.plain[:0]
	for {
		at := bytes.IndexByte(text, '&')
		if at < 0 {
			s.plain = append(s.plain, text...)
			return s.plain
		}
		s.plain, text = append(s.plain, text[:at]...), text[at:]
		rest, quote := bytes.CutPrefix(text, []byte("&#34;")) // around every ETag
		if !quote {
			rest, quote = bytes.CutPrefix(text, []byte("&quot;"))
		}
		if !quote {
			s.plain = append(s.plain, html.UnescapeString(string(text))...)
			return s.plain
		}
		s.plain, text = append(s.plain, '"'), rest
	}
}
