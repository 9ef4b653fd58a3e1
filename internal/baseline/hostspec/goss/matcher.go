package goss

import (
	"strconv"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// matcher translates a value or an expectation, of a list or a text; the second
// result says why it cannot be.
func matcher(v hostspec.Value, list bool) (any, string) {
	switch v.Operator() {
	case hostspec.Unknown:
		return nil, "unknown when it was captured"
	case hostspec.Volatile:
		return nil, "it changes by itself"
	case hostspec.Secret:
		return nil, "it looks secret: only a fingerprint is known"
	case hostspec.Matches:
		return map[string]any{"match-regexp": v.Argument()}, ""
	case hostspec.Contains:
		return containing(v, list), ""
	case hostspec.OneOf:
		var choices []any
		for _, choice := range v.Strings() {
			choices = append(choices, choice)
		}
		return map[string]any{"or": choices}, ""
	case hostspec.Number:
		return numeric(v.Argument())
	case hostspec.Versions:
		return nil, "goss compares no versions by the rules of package managers"
	case hostspec.Exists:
		return nil, "goss cannot ask for an attribute to be there or not"
	case hostspec.Not:
		inner, reason := matcher(v.Literal().(hostspec.Value), list)
		return map[string]any{"not": inner}, reason
	}
	switch l := v.Literal().(type) {
	case []string:
		if len(l) == 0 {
			return map[string]any{"have-len": 0}, ""
		}
		return map[string]any{"consist-of": l}, ""
	default:
		return l, ""
	}
}

// containing asks a list for elements, and a text for parts.
func containing(v hostspec.Value, list bool) any {
	parts := v.Strings()
	if list {
		return map[string]any{"contain-elements": parts}
	}
	var all []any
	for _, part := range parts {
		all = append(all, map[string]any{"contain-substring": part})
	}
	if len(all) == 1 {
		return all[0]
	}
	return map[string]any{"and": all}
}

var numericMatchers = map[string]string{">": "gt", ">=": "ge", "<": "lt", "<=": "le"}

func numeric(text string) (any, string) {
	bounds, err := hostspec.ParseRange(text)
	if err != nil {
		return nil, err.Error()
	}
	var all []any
	for _, bound := range bounds {
		name, n := numericMatchers[bound.Op], any(nil)
		if number, ok := hostspec.ParseNumber(bound.Operand); ok {
			n = number
		}
		switch {
		case n == nil:
			return nil, "the bound " + strconv.Quote(bound.Operand) + " is no number"
		case bound.Op == "=":
			all = append(all, n)
		case bound.Op == "!=":
			all = append(all, map[string]any{"not": n})
		default:
			all = append(all, map[string]any{name: n})
		}
	}
	if len(all) == 1 {
		return all[0], ""
	}
	return map[string]any{"and": all}, ""
}
