package environment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment/suggest"
	"github.com/landfall-dev/landfall/internal/fault"
)

const (
	// maxFileSize bounds what one file of objects may hold: a few blueprints
	// with their packed charts.
	maxFileSize = 4 << 20
	// maxNodes bounds what the aliases of one document may unfold to.
	maxNodes = 100_000
	// maxDocuments bounds the objects of one file.
	maxDocuments = 500
	// maxDepth bounds how deeply a document is nested.
	maxDepth = 100
)

// ParseObjects reads objects from YAML or JSON documents, as people write them:
// Landfall's own kinds but Release, which nobody writes, and Secrets. Unknown
// and repeated fields and values of the wrong type are errors, each with its
// line and field; so is a file of more than 4 MiB and a document whose aliases
// unfold without bounds. Errors are fault.Invalid.
func ParseObjects(r io.Reader) ([]client.Object, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading objects: %w", err)
	}
	if len(text) > maxFileSize {
		return nil, fault.New(fault.Invalid, "Split it, or keep charts in a registry.", "the file is larger than %d MiB", maxFileSize>>20)
	}
	var objects []client.Object
	err = eachDocument(text, func(document *yaml.Node) error {
		object, err := parseDocument(document)
		if err == nil {
			objects = append(objects, object)
		}
		return err
	})
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "")
	}
	return objects, nil
}

// eachDocument calls do for each document that is not empty. The YAML library
// may panic on what no person writes; that is an error too.
func eachDocument(text []byte, do func(*yaml.Node) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the file is not YAML: %v", r)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for n := 1; ; n++ {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("document %d: %w", n, err)
		case n > maxDocuments:
			return fmt.Errorf("the file holds more than %d documents", maxDocuments)
		}
		root := resolve(&document)
		if root == nil || root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
			continue
		}
		if err := do(root); err != nil {
			return err
		}
	}
}

// kinds that people write, by apiVersion and kind.
var kinds = map[string]func() client.Object{
	v1alpha1.GroupVersion.String() + " Blueprint":   func() client.Object { return &v1alpha1.Blueprint{} },
	v1alpha1.GroupVersion.String() + " Environment": func() client.Object { return &v1alpha1.Environment{} },
	v1alpha1.GroupVersion.String() + " Cluster":     func() client.Object { return &v1alpha1.Cluster{} },
	v1alpha1.GroupVersion.String() + " Baseline":    func() client.Object { return &v1alpha1.Baseline{} },
	v1alpha1.GroupVersion.String() + " Migration":   func() client.Object { return &v1alpha1.Migration{} },
	"v1 Secret": func() client.Object { return &corev1.Secret{} },
}

func parseDocument(root *yaml.Node) (client.Object, error) {
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: not an object: a mapping with apiVersion, kind and metadata is expected", root.Line)
	}
	if size(root, map[*yaml.Node]int{}, 0) > maxNodes {
		return nil, fmt.Errorf("line %d: the document unfolds to more than %d values", root.Line, maxNodes)
	}
	object, err := newOfKind(root)
	if err != nil {
		return nil, err
	}
	c := checker{}
	c.check(root, reflect.TypeOf(object).Elem(), "")
	if len(c.problems) > 0 {
		return nil, errors.Join(c.problems...)
	}
	var content map[string]any
	if err := root.Decode(&content); err != nil {
		return nil, fmt.Errorf("line %d: %w", root.Line, err)
	}
	text, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", root.Line, err)
	}
	if err := json.Unmarshal(text, object); err != nil {
		return nil, fmt.Errorf("line %d: %w", root.Line, err)
	}
	return object, nil
}

// newOfKind makes the empty object that the document is to fill.
func newOfKind(root *yaml.Node) (client.Object, error) {
	apiVersion, kind := scalar(root, "apiVersion"), scalar(root, "kind")
	create, ok := kinds[apiVersion+" "+kind]
	switch {
	case ok:
		return create(), nil
	case apiVersion == "" || kind == "":
		return nil, fmt.Errorf("line %d: an object needs apiVersion and kind", root.Line)
	case kind == "Release":
		return nil, fmt.Errorf("line %d: releases are made by Landfall, not written", root.Line)
	}
	known := sortedKeys(kinds)
	text := fmt.Sprintf("line %d: kind %s of %s is not one of Landfall's%s", root.Line, shorten(kind), shorten(apiVersion),
		suggest.DidYouMean(apiVersion+" "+kind, known))
	return nil, fault.New(fault.Invalid, "Apply objects of other kinds with kubectl, or as a chart or kustomization component.", "%s", text)
}

// size counts the values that a node unfolds to, aliases followed; the counts
// are remembered, so that it takes no longer than the text is long. A node that
// contains itself is too large.
func size(n *yaml.Node, known map[*yaml.Node]int, depth int) int {
	if depth > maxDepth {
		return maxNodes + 1
	}
	if counted, ok := known[n]; ok {
		return counted
	}
	known[n] = maxNodes + 1 // until it is known: what is met again below itself has no end
	total := 1
	if n.Kind == yaml.AliasNode {
		total += size(n.Alias, known, depth+1)
	}
	for _, child := range n.Content {
		total = min(total+size(child, known, depth+1), maxNodes+1)
	}
	known[n] = total
	return total
}

// resolve follows documents and aliases to the node that is meant.
func resolve(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		switch {
		case n == nil:
			return nil
		case n.Kind == yaml.DocumentNode && len(n.Content) > 0:
			n = n.Content[0]
		case n.Kind == yaml.DocumentNode:
			return nil
		case n.Kind == yaml.AliasNode:
			n = n.Alias
		default:
			return n
		}
	}
	return nil
}

// scalar is the text of a mapping's value, or empty.
func scalar(mapping *yaml.Node, name string) string {
	at := slices.IndexFunc(mapping.Content, func(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Value == name })
	if at < 0 || at%2 != 0 || at+1 >= len(mapping.Content) {
		return ""
	}
	if value := resolve(mapping.Content[at+1]); value != nil && value.Kind == yaml.ScalarNode {
		return value.Value
	}
	return ""
}
