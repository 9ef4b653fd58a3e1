package mask

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/theory/jsonpath"
	"github.com/theory/jsonpath/spec"
)

// pathChange is what becomes of the parts of a document that a path selects.
type pathChange struct {
	path   *jsonpath.Path
	kind   Kind
	change changer
}

// jsonChanger changes parts of a document. What is no document becomes null:
// nobody knows what is in it. Numbers keep their digits, names in objects are
// sorted.
func jsonChanger(paths Actions) (changer, error) {
	var changes []pathChange
	for _, named := range paths {
		if named.Action.Kind == Keep {
			continue
		}
		change, err := changerOf(named.Action)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", named.Name, err)
		}
		changes = append(changes, pathChange{named.path, named.Action.Kind, change})
	}
	return func(s *scratch, dst, value, _ []byte) []byte {
		if len(value) == 0 {
			return dst
		}
		document, err := decodeJSON(value)
		if err != nil {
			return append(dst, "null"...)
		}
		for _, change := range changes {
			for _, found := range change.path.SelectLocated(document) {
				document = replaceAt(document, found.Path, change.leaves(s, found.Node))
			}
		}
		return appendJSON(dst, document)
	}, nil
}

func decodeJSON(value []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the document")
	}
	return document, nil
}

func appendJSON(dst []byte, document any) []byte {
	out := bytes.NewBuffer(dst)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(document); err != nil {
		return append(dst, "null"...) // not reached: it came out of a decoder
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// leaves changes every text and number in node.
func (p pathChange) leaves(s *scratch, node any) any {
	switch node := node.(type) {
	case map[string]any:
		if p.kind == Null {
			return nil
		}
		for name, child := range node {
			node[name] = p.leaves(s, child)
		}
		return node
	case []any:
		if p.kind == Null {
			return nil
		}
		for i, child := range node {
			node[i] = p.leaves(s, child)
		}
		return node
	}
	return p.leaf(s, node)
}

func (p pathChange) leaf(s *scratch, node any) any {
	switch {
	case node == nil || p.kind == Null:
		return nil
	case p.kind == Fixed:
		return string(p.change(s, nil, nil, nil))
	}
	switch node := node.(type) {
	case string:
		return string(p.change(s, nil, []byte(node), nil))
	case json.Number:
		changed := p.change(s, nil, []byte(node), nil)
		if number := json.Number(changed); isNumber(changed) {
			return number
		}
		if len(changed) == 0 {
			return nil
		}
		return string(changed)
	}
	return nil // true and false say little, but nobody asked to keep them
}

func isNumber(text []byte) bool {
	return len(text) > 0 && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid(text)
}

// replaceAt puts a value where a path leads and gives the document.
func replaceAt(document any, path spec.NormalizedPath, value any) any {
	if len(path) == 0 {
		return value
	}
	switch at := path[0].(type) {
	case spec.Name:
		if object, ok := document.(map[string]any); ok {
			object[string(at)] = replaceAt(object[string(at)], path[1:], value)
		}
	case spec.Index:
		if list, ok := document.([]any); ok && int(at) >= 0 && int(at) < len(list) {
			list[at] = replaceAt(list[at], path[1:], value)
		}
	}
	return document
}
