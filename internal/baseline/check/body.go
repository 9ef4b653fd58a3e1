package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/PuerkitoBio/goquery"
	"github.com/andybalholm/cascadia"
	"github.com/theory/jsonpath"
	"golang.org/x/net/html/charset"
)

// maxFound bounds the text that one selector may find, in bytes: elements
// within elements would otherwise count again and again.
const maxFound = 16 << 20

// body is what was read of an answer. It is parsed once, when first asked for.
type body struct {
	data        []byte
	contentType string
	// cut says that the body went on, up to more than limit bytes.
	cut   bool
	limit int64

	text *string
	json *parsed[any]
	html *parsed[*goquery.Document]
}

type parsed[T any] struct {
	value T
	err   error
}

// mediaType is the content type without parameters, "" if there is none.
func (b *body) mediaType() string {
	media, _, err := mime.ParseMediaType(b.contentType)
	if err != nil {
		return ""
	}
	return media
}

func (b *body) isHTML() bool {
	media := b.mediaType()
	return media == "text/html" || media == "application/xhtml+xml"
}

// String is the body as UTF-8, converted from the character set that the answer
// or the page names.
func (b *body) String() string {
	if b.text != nil {
		return *b.text
	}
	text := string(b.data)
	if strings.HasPrefix(b.mediaType(), "text/") || b.isHTML() {
		if reader, err := charset.NewReader(bytes.NewReader(b.data), b.contentType); err == nil {
			if converted, err := io.ReadAll(reader); err == nil {
				text = string(converted)
			}
		}
	}
	b.text = &text
	return text
}

func (b *body) parseJSON() (any, error) {
	if b.json == nil {
		b.json = &parsed[any]{}
		decoder := json.NewDecoder(bytes.NewReader(b.data))
		decoder.UseNumber()
		if err := decoder.Decode(&b.json.value); err != nil {
			b.json.err = fmt.Errorf("the body is not JSON: %w", err)
		} else if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			b.json.err = errors.New("the body is more than one JSON value")
		}
	}
	return b.json.value, b.json.err
}

func (b *body) parseHTML() (*goquery.Document, error) {
	if b.html == nil {
		document, err := goquery.NewDocumentFromReader(strings.NewReader(b.String()))
		if err != nil {
			err = fmt.Errorf("the body is not HTML: %w", err)
		}
		b.html = &parsed[*goquery.Document]{document, err}
	}
	return b.html.value, b.html.err
}

// selector is a Selector made ready.
type selector struct {
	Selector
	path    *jsonpath.Path
	matcher goquery.Matcher
}

func (s Selector) compile() (*selector, error) {
	compiled := &selector{Selector: s}
	var err error
	switch {
	case s.JSON != "" && s.CSS != "":
		return nil, errors.New("json and css do not go together")
	case s.Attribute != "" && s.CSS == "":
		return nil, errors.New("attribute is of an element: it needs css")
	case s.JSON != "":
		if compiled.path, err = jsonpath.Parse(s.JSON); err != nil {
			return nil, fmt.Errorf("json: %w", err)
		}
	case s.CSS != "":
		if compiled.matcher, err = cascadia.Compile(s.CSS); err != nil {
			return nil, fmt.Errorf("css %q: %w", s.CSS, err)
		}
	}
	return compiled, nil
}

// whole says that nothing is selected: the body itself is meant.
func (s *selector) whole() bool { return s.path == nil && s.matcher == nil }

// String names what is selected.
func (s *selector) String() string {
	switch {
	case s.path != nil:
		return "json " + s.JSON
	case s.Attribute != "":
		return "css " + s.CSS + " attribute " + s.Attribute
	case s.matcher != nil:
		return "css " + s.CSS
	}
	return "body"
}

// find gives the texts that are selected. An error says what is wrong with the
// body.
func (s *selector) find(b *body) ([]string, error) {
	switch {
	case s.path != nil:
		value, err := b.parseJSON()
		if err != nil {
			return nil, err
		}
		return s.findJSON(value)
	case s.matcher != nil:
		document, err := b.parseHTML()
		if err != nil {
			return nil, err
		}
		return s.findCSS(document)
	}
	return []string{b.String()}, nil
}

func (s *selector) findJSON(value any) ([]string, error) {
	var found []string
	size := 0
	for _, node := range s.path.Select(value) {
		text, ok := node.(string)
		if !ok {
			encoded, err := json.Marshal(node)
			if err != nil {
				return nil, err
			}
			text = string(encoded)
		}
		if size += len(text); size > maxFound {
			return nil, fmt.Errorf("%s finds more than %s of text", s, Size(maxFound))
		}
		found = append(found, text)
	}
	return found, nil
}

func (s *selector) findCSS(document *goquery.Document) ([]string, error) {
	var found []string
	size := 0
	elements := document.FindMatcher(s.matcher)
	for i := range elements.Nodes {
		element := elements.Eq(i)
		text, ok := "", true
		if s.Attribute != "" {
			text, ok = element.Attr(s.Attribute)
		} else {
			text = strings.Join(strings.Fields(element.Text()), " ")
		}
		if size += len(text); size > maxFound {
			return nil, fmt.Errorf("%s finds more than %s of text", s, Size(maxFound))
		}
		if ok {
			found = append(found, text)
		}
	}
	return found, nil
}

// excerpt is the beginning of what a person would see of the body, to be
// printed below a failure.
func (b *body) excerpt() string {
	const maxText, maxLines = 1200, 8
	text := b.String()
	if b.isHTML() {
		if document, err := b.parseHTML(); err == nil {
			text = visible(document)
		}
	}
	text = strings.TrimSpace(text)
	if lines := strings.Split(text, "\n"); len(lines) > maxLines {
		text = strings.Join(lines[:maxLines], "\n") + "\n…"
	}
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText]) + "…"
	}
	return text
}

// visible is a page's title and text, without scripts and styles.
func visible(document *goquery.Document) string {
	page := document.Clone()
	title := strings.Join(strings.Fields(page.Find("title").First().Text()), " ")
	page.Find("script, style, template, head").Remove()
	text := strings.Join(strings.Fields(page.Text()), " ")
	if title == "" {
		return text
	}
	return title + "\n" + text
}
