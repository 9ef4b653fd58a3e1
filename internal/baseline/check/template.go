package check

import (
	"fmt"
	"regexp"
	"strings"
)

// reference is ${name}, or its escaped form.
var reference = regexp.MustCompile(`\$?\$\{([^{}]*)\}`)

var nameForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// unique is the name of a value that differs in every run of a check.
const unique = "unique"

// values are what names stand for while a check runs.
type values map[string]string

// expand replaces the references in text. A name without value is an error.
func (v values) expand(text string) (string, error) {
	if !strings.Contains(text, "${") {
		return text, nil
	}
	var missing error
	expanded := reference.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, "$$") {
			return found[1:]
		}
		name := found[2 : len(found)-1]
		value, ok := v[name]
		if !ok && missing == nil {
			missing = fmt.Errorf("${%s} has no value", name)
		}
		return value
	})
	return expanded, missing
}

// expandAll replaces the references in the values of a map.
func (v values) expandAll(texts map[string]string) (map[string]string, error) {
	expanded := make(map[string]string, len(texts))
	for key, text := range texts {
		value, err := v.expand(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		expanded[key] = value
	}
	return expanded, nil
}

// expandJSON replaces the references in the texts of a JSON value.
func (v values) expandJSON(value any) (any, error) {
	switch value := value.(type) {
	case string:
		return v.expand(value)
	case []any:
		list := make([]any, len(value))
		for i, item := range value {
			expanded, err := v.expandJSON(item)
			if err != nil {
				return nil, err
			}
			list[i] = expanded
		}
		return list, nil
	case map[string]any:
		object := make(map[string]any, len(value))
		for key, item := range value {
			expanded, err := v.expandJSON(item)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			object[key] = expanded
		}
		return object, nil
	}
	return value, nil
}

// names gives the references in a text.
func names(text string) []string {
	var found []string
	for _, match := range reference.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(match[0], "$$") {
			found = append(found, match[1])
		}
	}
	return found
}
