package verify

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/result"
)

// outcome is what comparing one attribute says.
type outcome struct {
	answer result.Answer
	// reason says why it is unknown.
	reason string
}

var (
	holds = outcome{answer: result.Holds}
	fails = outcome{answer: result.Fails}
)

func unknown(reason string) outcome { return outcome{result.Unknown, reason} }

func decided(yes bool) outcome {
	if yes {
		return holds
	}
	return fails
}

// comparison is one attribute's expectation met with its fact.
type comparison struct {
	key       hostspec.Key
	attribute string
	// fact as it was found; there says whether it was.
	fact  hostspec.Value
	there bool
	// manager has the rules of versions.
	manager string
	// patterns are the compiled ones of the document, by text.
	patterns *sync.Map
	// expectedSalt and factSalt are those of the two documents.
	expectedSalt, factSalt string
}

// with compares the fact with what is expected. What is unknown on either side
// never holds and never fails; what changes by itself always holds.
func (c *comparison) with(expected hostspec.Value) outcome {
	switch expected.Operator() {
	case hostspec.Unknown:
		return unknown("the document does not know what to expect: " + expected.Argument())
	case hostspec.Volatile:
		return holds
	}
	if c.there {
		switch c.fact.Operator() {
		case hostspec.Unknown:
			return unknown(c.fact.Argument())
		case hostspec.Volatile:
			return unknown("it changes by itself: " + c.fact.Argument())
		case hostspec.Secret:
			return c.secret(expected)
		}
	}
	return c.plain(expected)
}

// secret compares with a fact of which only the fingerprint is known.
func (c *comparison) secret(expected hostspec.Value) outcome {
	switch expected.Operator() {
	case hostspec.Exists:
		return decided(expected.Literal() == true)
	case hostspec.Not:
		return negated(c.secret(expected.Literal().(hostspec.Value)))
	case hostspec.Secret:
		if c.expectedSalt != c.factSalt {
			return unknown("it looks secret, and the two fingerprints have different salts")
		}
		return decided(expected.Equal(c.fact))
	case "":
		if text, ok := expected.Literal().(string); ok {
			return decided(hostspec.Fingerprint(c.factSalt, text).Equal(c.fact))
		}
	}
	return unknown("it looks secret: only its fingerprint is known")
}

func negated(o outcome) outcome {
	switch o.answer {
	case result.Holds:
		return fails
	case result.Fails:
		return holds
	}
	return o
}

// plain compares with a fact whose value is known, or that is not there.
func (c *comparison) plain(expected hostspec.Value) outcome {
	switch expected.Operator() {
	case hostspec.Exists:
		return decided(expected.Literal() == c.there)
	case hostspec.Not:
		return negated(c.plain(expected.Literal().(hostspec.Value)))
	}
	if !c.there {
		return decided(isNothing(expected))
	}
	switch expected.Operator() {
	case hostspec.Matches:
		return decided(slices.ContainsFunc(c.fact.Strings(), c.pattern(expected.Argument()).MatchString))
	case hostspec.Contains:
		return decided(contains(c.fact, expected))
	case hostspec.OneOf:
		return decided(slices.Contains(expected.Strings(), c.fact.String()))
	case hostspec.Versions:
		return c.versions(expected.Argument())
	case hostspec.Number:
		return number(c.fact.String(), expected.Argument())
	case hostspec.Secret:
		text, ok := c.fact.Literal().(string)
		return decided(ok && hostspec.Fingerprint(c.expectedSalt, text).Equal(expected))
	}
	return decided(equal(c.key.Kind, c.attribute, expected, c.fact))
}

// isNothing says that a value asks for what an absent attribute is: an empty
// list, an empty text, or false.
func isNothing(v hostspec.Value) bool {
	if !v.Plain() {
		return false
	}
	switch l := v.Literal().(type) {
	case bool:
		return !l
	case string:
		return l == ""
	case []string:
		return len(l) == 0
	}
	return false
}

// equal compares literals as they read: whether somebody wrote 5 or "5" makes
// no difference.
func equal(kind hostspec.Kind, attribute string, expected, fact hostspec.Value) bool {
	want, wantList := expected.Literal().([]string)
	got, gotList := fact.Literal().([]string)
	if !wantList && !gotList {
		return expected.String() == fact.String()
	}
	if !wantList {
		want = expected.Strings()
	}
	if !gotList {
		got = fact.Strings()
	}
	if slices.Equal(want, got) {
		return true
	}
	return hostspec.Unordered(kind, attribute) && slices.Equal(sorted(want), sorted(got))
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

func contains(fact, wanted hostspec.Value) bool {
	parts, ok := wanted.Literal().([]string)
	if !ok {
		parts = []string{wanted.Argument()}
	}
	list, isList := fact.Literal().([]string)
	for _, part := range parts {
		if isList && !slices.Contains(list, part) || !isList && !strings.Contains(fact.String(), part) {
			return false
		}
	}
	return true
}

func (c *comparison) versions(text string) outcome {
	bounds, err := hostspec.ParseRange(text)
	if err != nil {
		return unknown(err.Error())
	}
	// Of several versions side by side, one in the range is enough.
	for _, version := range c.fact.Strings() {
		in, err := inRange(c.manager, version, bounds)
		if err != nil {
			return unknown(err.Error())
		}
		if in {
			return holds
		}
	}
	return fails
}

func number(fact, text string) outcome {
	bounds, err := hostspec.ParseRange(text)
	if err != nil {
		return unknown(err.Error())
	}
	n, ok := hostspec.ParseNumber(fact)
	if !ok {
		return fails
	}
	for _, bound := range bounds {
		limit, ok := hostspec.ParseNumber(bound.Operand)
		if !ok {
			return unknown("the range has a bound that is no number: " + bound.Operand)
		}
		c := 0
		if n < limit {
			c = -1
		} else if n > limit {
			c = 1
		}
		if !bound.Holds(c) {
			return fails
		}
	}
	return holds
}

// pattern compiles what Decode has checked. Of a Value made otherwise that is
// no pattern, only the text itself matches.
func (c *comparison) pattern(text string) *regexp.Regexp {
	if known, ok := c.patterns.Load(text); ok {
		return known.(*regexp.Regexp)
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		compiled = regexp.MustCompile("^" + regexp.QuoteMeta(text) + "$")
	}
	c.patterns.Store(text, compiled)
	return compiled
}
