package goss

import (
	"errors"
	"fmt"
	"github.com/landfall-dev/landfall/internal/result"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// readMatcher translates what goss compares a value with, as
// https://github.com/goss-org/goss/blob/v0.4.9/docs/gossfile.md#matchers has
// it. The error says why a matcher has no counterpart.
func readMatcher(given any) (hostspec.Value, error) {
	switch g := given.(type) {
	case string:
		return hostspec.Text(g), nil
	case bool:
		return hostspec.Bool(g), nil
	case int:
		return hostspec.Int(int64(g)), nil
	case []any:
		// A bare list asks that these be among the elements.
		return listed(g, func(list []string) hostspec.Value { return hostspec.Expect(hostspec.Contains, list) })
	case map[string]any:
		if len(g) != 1 {
			return hostspec.Value{}, errors.New("not one matcher but several")
		}
		for name, argument := range g {
			return named(name, argument)
		}
	}
	return hostspec.Value{}, fmt.Errorf("%v cannot be read as a value", given)
}

func named(name string, argument any) (hostspec.Value, error) {
	switch name {
	case "equal":
		if list, ok := argument.([]any); ok {
			return listed(list, func(list []string) hostspec.Value { return hostspec.List(list...) })
		}
		return readMatcher(argument)
	case "have-prefix", "have-suffix", "match-regexp":
		return expression(name, argument)
	case "contain-substring", "contain-element":
		text, err := scalar(argument)
		return hostspec.Expect(hostspec.Contains, []string{text}), err
	case "contain-elements":
		return listed(argument, func(list []string) hostspec.Value { return hostspec.Expect(hostspec.Contains, list) })
	case "consist-of":
		return listed(argument, func(list []string) hostspec.Value { return hostspec.List(list...) })
	case "or":
		return listed(argument, func(list []string) hostspec.Value { return hostspec.Expect(hostspec.OneOf, list) })
	case "have-len":
		if argument == 0 {
			return hostspec.List(), nil
		}
	case "not":
		inner, err := readMatcher(argument)
		if err == nil && inner.Operator() == hostspec.Not {
			return inner.Literal().(hostspec.Value), nil
		}
		return hostspec.Expect(hostspec.Not, inner), err
	case "gt", "ge", "lt", "le", "and":
		return numbers(name, argument)
	case "semver-constraint":
		text, err := scalar(argument)
		if err == nil {
			_, err = hostspec.ParseRange(text)
		}
		return hostspec.Expect(hostspec.Versions, text), err
	}
	return hostspec.Value{}, fmt.Errorf("the matcher %s has no counterpart", name)
}

func expression(name string, argument any) (hostspec.Value, error) {
	text, err := scalar(argument)
	switch name {
	case "have-prefix":
		text = "^" + regexp.QuoteMeta(text)
	case "have-suffix":
		text = regexp.QuoteMeta(text) + "$"
	}
	if err == nil {
		_, err = regexp.Compile(text)
	}
	return hostspec.Expect(hostspec.Matches, text), err
}

// listed reads a list of plain values that is not empty, or an empty list,
// which asks for nothing to be there.
func listed(argument any, value func([]string) hostspec.Value) (hostspec.Value, error) {
	list, ok := texts(argument)
	if !ok {
		return hostspec.Value{}, errors.New("matchers in a list have no counterpart")
	}
	if len(list) == 0 {
		return hostspec.List(), nil
	}
	return value(list), nil
}

// numbers reads one comparison, or several that must all hold.
func numbers(name string, argument any) (hostspec.Value, error) {
	comparisons := []any{map[string]any{name: argument}}
	if name == "and" {
		comparisons, _ = argument.([]any)
	}
	var bounds []string
	for _, one := range comparisons {
		comparison, ok := one.(map[string]any)
		if !ok || len(comparison) != 1 {
			return hostspec.Value{}, errors.New("only comparisons of numbers can be joined")
		}
		for op, limit := range comparison {
			i := slices.Index([]string{"gt", "ge", "lt", "le"}, op)
			text, err := scalar(limit)
			if _, number := hostspec.ParseNumber(text); i < 0 || err != nil || !number {
				return hostspec.Value{}, errors.New("only comparisons of numbers can be joined")
			}
			bounds = append(bounds, []string{">", ">=", "<", "<="}[i]+" "+text)
		}
	}
	if len(bounds) == 0 {
		return hostspec.Value{}, errors.New("it compares with nothing")
	}
	return hostspec.Expect(hostspec.Number, strings.Join(bounds, ", ")), nil
}

// scalar gives a plain value as text.
func scalar(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return result.Clean(v), nil
	case int, bool:
		return fmt.Sprint(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", errors.New("only plain values can be read here")
}
