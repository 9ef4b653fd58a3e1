package check

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Duration is a time.Duration that documents write like 1m30s.
type Duration time.Duration

// String is how documents write it.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads it; below zero is an error.
func (d *Duration) UnmarshalText(text []byte) error {
	read, err := time.ParseDuration(string(text))
	if err != nil || read < 0 {
		return fmt.Errorf("%q is no duration such as 500ms, 10s or 2m", text)
	}
	*d = Duration(read)
	return nil
}

// Size is a number of bytes that documents write like 512KiB.
type Size int64

var units = []struct {
	name  string
	bytes int64
}{{"MiB", 1 << 20}, {"KiB", 1 << 10}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}

// String is how documents write it.
func (s Size) String() string {
	for _, u := range units[:2] {
		if s > 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalText writes it.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads it: a number with or without unit, at most 64 MiB.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := string(text), int64(1)
	for _, u := range units {
		if cut, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(cut), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 || n*unit > maxMaxBody {
		return fmt.Errorf("%q is no size such as 512KiB or 2MiB, at most 64MiB", text)
	}
	*s = Size(n * unit)
	return nil
}

// Status is a list of HTTP status codes, classes and ranges, separated by
// commas: "200, 3xx, 410-412". Documents may write a number or a YAML list.
type Status string

// UnmarshalYAML reads a scalar or a list.
func (s *Status) UnmarshalYAML(node *yaml.Node) error {
	texts, err := scalars(node)
	*s = Status(strings.Join(texts, ", "))
	return err
}

type statusRange struct{ low, high int }

func (s Status) parse() ([]statusRange, error) {
	var ranges []statusRange
	for part := range strings.SplitSeq(string(s), ",") {
		r, ok := parseStatus(strings.TrimSpace(part))
		if !ok {
			return nil, fmt.Errorf("status %q is no code (200), class (2xx) or range (200-204)", part)
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

func parseStatus(text string) (statusRange, bool) {
	if class, ok := strings.CutSuffix(strings.ToLower(text), "xx"); ok {
		n, err := strconv.Atoi(class)
		return statusRange{n * 100, n*100 + 99}, err == nil && n >= 1 && n <= 5
	}
	from, to, isRange := strings.Cut(text, "-")
	low, err := strconv.Atoi(strings.TrimSpace(from))
	high := low
	if err == nil && isRange {
		high, err = strconv.Atoi(strings.TrimSpace(to))
	}
	return statusRange{low, high}, err == nil && low >= 100 && high <= 599 && low <= high
}

// Range is a number, or comparisons that must all hold: ">= 5, < 10".
type Range string

// UnmarshalYAML reads a scalar.
func (r *Range) UnmarshalYAML(node *yaml.Node) error {
	texts, err := scalars(node)
	*r = Range(strings.Join(texts, ", "))
	return err
}

type comparison struct {
	operator string
	bound    float64
}

func (r Range) parse() ([]comparison, error) {
	var all []comparison
	for part := range strings.SplitSeq(string(r), ",") {
		text, c := strings.TrimSpace(part), comparison{operator: "="}
		for _, operator := range []string{">=", "<=", "!=", ">", "<", "="} {
			if cut, ok := strings.CutPrefix(text, operator); ok {
				text, c.operator = strings.TrimSpace(cut), operator
				break
			}
		}
		bound, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(bound) {
			return nil, fmt.Errorf(`%q is no number and no range such as ">= 5, < 10"`, string(r))
		}
		c.bound = bound
		all = append(all, c)
	}
	return all, nil
}

func within(number float64, all []comparison) bool {
	for _, c := range all {
		ok := false
		switch c.operator {
		case "=":
			ok = number == c.bound
		case "!=":
			ok = number != c.bound
		case ">=":
			ok = number >= c.bound
		case "<=":
			ok = number <= c.bound
		case ">":
			ok = number > c.bound
		case "<":
			ok = number < c.bound
		}
		if !ok {
			return false
		}
	}
	return true
}

// Texts is a list that documents may write as a bare text where it has one.
type Texts []string

// UnmarshalYAML reads a scalar or a list.
func (t *Texts) UnmarshalYAML(node *yaml.Node) error {
	texts, err := scalars(node)
	*t = texts
	return err
}

// scalars gives the text of a scalar, or the texts of a list of them.
func scalars(node *yaml.Node) ([]string, error) {
	node = resolve(node)
	list := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		list = node.Content
	}
	var texts []string
	for _, item := range list {
		if item = resolve(item); item.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: a text or a list of texts is expected", item.Line)
		}
		texts = append(texts, item.Value)
	}
	return texts, nil
}
