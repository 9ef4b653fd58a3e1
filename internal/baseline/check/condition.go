package check

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// condition is a Condition made ready.
type condition struct {
	Condition
	pattern *regexp.Regexp
	number  []comparison
	not     *condition
}

// compile makes the condition ready; known says which names may be referred
// to.
func (c Condition) compile(known nameSet) (*condition, error) {
	compiled := &condition{Condition: c}
	var err error
	if c.Matches != "" {
		if compiled.pattern, err = regexp.Compile(c.Matches); err != nil {
			return nil, fmt.Errorf("matches: %w", err)
		}
	}
	if c.Number != "" {
		if compiled.number, err = c.Number.parse(); err != nil {
			return nil, fmt.Errorf("number: %w", err)
		}
	}
	if c.Not != nil {
		if compiled.not, err = c.Not.compile(known); err != nil {
			return nil, fmt.Errorf("not: %w", err)
		}
	}
	if c.Exists != nil && !*c.Exists && (c.positive() || c.Not != nil) {
		return nil, errors.New("exists: false goes with no other condition")
	}
	texts := slices.Concat(c.Contains, c.OneOf)
	if c.Equals != nil {
		texts = append(texts, *c.Equals)
	}
	return compiled, known.check(texts...)
}

// positive says that a text is needed to satisfy the condition.
func (c *Condition) positive() bool {
	return c.Equals != nil || len(c.Contains) > 0 || c.Matches != "" || len(c.OneOf) > 0 || c.Number != ""
}

// expand gives the condition with its references replaced.
func (c *condition) expand(v values) (*condition, error) {
	expanded := *c
	var err error
	if c.Equals != nil {
		text, e := v.expand(*c.Equals)
		expanded.Equals, err = &text, e
	}
	expandList := func(texts Texts) Texts {
		list := make(Texts, len(texts))
		for i, text := range texts {
			var e error
			if list[i], e = v.expand(text); err == nil {
				err = e
			}
		}
		return list
	}
	expanded.Contains, expanded.OneOf = expandList(c.Contains), expandList(c.OneOf)
	if c.not != nil && err == nil {
		expanded.not, err = c.not.expand(v)
	}
	return &expanded, err
}

// holds says whether one of the texts found satisfies an expanded condition.
func (c *condition) holds(found []string) bool {
	if c.Exists != nil && !*c.Exists {
		return len(found) == 0
	}
	if c.not != nil {
		if c.not.holds(found) {
			return false
		}
		if !c.positive() && c.Exists == nil {
			return true
		}
	}
	return slices.ContainsFunc(found, c.satisfies)
}

func (c *condition) satisfies(text string) bool {
	if c.Equals != nil && text != *c.Equals {
		return false
	}
	for _, part := range c.Contains {
		if !strings.Contains(text, part) {
			return false
		}
	}
	if c.pattern != nil && !c.pattern.MatchString(text) {
		return false
	}
	if len(c.OneOf) > 0 && !slices.Contains(c.OneOf, text) {
		return false
	}
	if c.number != nil {
		number, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		return err == nil && within(number, c.number)
	}
	return true
}

// String says an expanded condition in words, to follow its subject.
func (c *condition) String() string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if c.Equals != nil {
		add("is %s", quote(*c.Equals))
	}
	if len(c.Contains) > 0 {
		add("contains %s", quoteAll(c.Contains, " and "))
	}
	if c.Matches != "" {
		add("matches %s", c.Matches)
	}
	if len(c.OneOf) > 0 {
		add("is %s", quoteAll(c.OneOf, " or "))
	}
	if c.Number != "" {
		add("is a number %s", c.Number)
	}
	if c.Exists != nil && !*c.Exists {
		add("does not exist")
	}
	if c.not != nil {
		add("not: %s", c.not)
	}
	if len(parts) == 0 {
		return "exists"
	}
	return strings.Join(parts, " and ")
}

// quote shows a text so that its ends can be seen; result.Clean escapes it
// when it is printed.
func quote(text string) string { return `"` + text + `"` }

func quoteAll(texts []string, between string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = quote(text)
	}
	return strings.Join(quoted, between)
}
