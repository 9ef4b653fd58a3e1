package verify

import (
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/result"
)

// Describe is an item for people, on one line.
func Describe(item hostspec.Item) string {
	if item.Absent {
		return "not there"
	}
	if len(item.Attributes) == 0 {
		return "there"
	}
	parts := make([]string, 0, len(item.Attributes))
	for _, a := range item.Attributes {
		parts = append(parts, named(a.Name, a.Value))
	}
	return strings.Join(parts, ", ")
}

// DescribeValue is a value or an expectation for people, on one line.
func DescribeValue(v hostspec.Value) string {
	switch v.Operator() {
	case hostspec.Versions, hostspec.Number:
		return v.Argument()
	case hostspec.OneOf:
		return "one of " + v.Argument()
	case hostspec.Exists:
		if v.Literal() == true {
			return "set"
		}
		return "not set"
	case hostspec.Not:
		if inner, ok := v.Literal().(hostspec.Value); ok {
			return "not " + DescribeValue(inner)
		}
	case hostspec.Secret:
		return "secret with fingerprint " + v.Argument()
	case hostspec.Volatile:
		return "changes by itself: " + v.Argument()
	case hostspec.Unknown:
		return "unknown: " + v.Argument()
	}
	if text := v.String(); text != "" {
		return text
	}
	return "(empty)"
}

// named is an attribute with its value; the only one of an item needs no name.
func named(name string, v hostspec.Value) string { return label(name) + DescribeValue(v) }

func label(name string) string {
	if name == hostspec.ValueAttribute {
		return ""
	}
	return name + " "
}

// title names a kind, an item or an attribute in a line of its own.
func title(kind hostspec.Kind, name, attribute string) string {
	text := result.Clean(string(kind))
	if name != "" {
		text += " › " + result.Clean(name)
	}
	if attribute != "" && attribute != hostspec.ValueAttribute {
		text += " " + result.Clean(attribute)
	}
	return text
}

// maxUnknown bounds how many unknown facts are shown one by one.
const maxUnknown = 10

func writeMore(b *strings.Builder, n int) {
	if n > 0 {
		fmt.Fprintf(b, "    … %d more\n", n)
	}
}

// answerOf is the answer to whether things are the same.
func answerOf(differ, unknown int) result.Answer {
	switch {
	case differ > 0:
		return result.Fails
	case unknown > 0:
		return result.Unknown
	}
	return result.Holds
}
