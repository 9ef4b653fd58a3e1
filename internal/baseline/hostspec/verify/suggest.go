package verify

import (
	_ "embed"
	"slices"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

//go:embed noise.yaml
var noiseData []byte

// noiseRule is an entry of noise.yaml, which explains the fields.
type noiseRule struct {
	hostspec.Rule `yaml:",inline"`
	Class         Class             `yaml:"class"`
	Needs         map[string]string `yaml:"needs"`
	Source        string            `yaml:"source"`
}

// Class says why something is suggested.
type Class string

// Classes of suggestions.
const (
	// Noise says nothing about whether a host is as it should be.
	Noise Class = "noise"
	// Nature differs between hosts that are as they should be.
	Nature Class = "nature"
	// Keep matters, although another rule would leave it out.
	Keep Class = "keep"
	// Unreadable could not be captured, and so cannot be verified.
	Unreadable Class = "unreadable"
)

var noiseRules = sync.OnceValue(func() []noiseRule {
	var rules []noiseRule
	if err := yaml.Unmarshal(noiseData, &rules); err != nil {
		panic("noise.yaml: " + err.Error()) // embedded: a test reads it
	}
	return rules
})

// Suggestion is a rule that a document could take on, and what it would do.
type Suggestion struct {
	hostspec.Rule
	Class Class `json:"class"`
	// Source is where the reason comes from.
	Source string `json:"source,omitempty"`
	// Items is how many the rule applies to, Examples some of their names.
	Items    int      `json:"items"`
	Examples []string `json:"examples"`
}

// maxExamples bounds the names of a suggestion.
const maxExamples = 3

// Suggest gives the rules that a document could take on to be a baseline, in
// the order in which they go before those that it has, so that what people
// wrote wins. Rules that it has, or that would change nothing, are not
// suggested.
func Suggest(spec *hostspec.Spec) []Suggestion {
	var suggestions []Suggestion
	var taken []hostspec.Rule
	before := &hostspec.Spec{Rules: spec.Rules}
	for _, kind := range sortedKinds(spec.Unknown) {
		rule := hostspec.Rule{Exclude: string(kind) + "/*", Reason: "could not be read: " + spec.Unknown[kind]}
		if s := (Suggestion{Rule: rule, Class: Unreadable, Items: len(spec.Of(kind)), Examples: []string{}}); !has(spec.Rules, rule) && s.Items == 0 {
			suggestions = append(suggestions, s)
			taken = append(taken, rule)
		}
	}
	for _, candidate := range noiseRules() {
		if has(spec.Rules, candidate.Rule) || !needed(candidate, spec) {
			continue
		}
		s := Suggestion{Rule: candidate.Rule, Class: candidate.Class, Source: candidate.Source}
		after := &hostspec.Spec{Rules: slices.Concat(taken, []hostspec.Rule{candidate.Rule}, spec.Rules)}
		s.weigh(spec, before, after)
		if s.Items > 0 {
			suggestions, before = append(suggestions, s), after
			taken = append(taken, candidate.Rule)
		}
	}
	return suggestions
}

// has says whether the rules decide on the same pattern already: what people
// wrote is not asked again.
func has(rules []hostspec.Rule, rule hostspec.Rule) bool {
	return slices.ContainsFunc(rules, func(r hostspec.Rule) bool { return r.Pattern() == rule.Pattern() })
}

// needed says whether what the rule tells apart is known at all.
func needed(candidate noiseRule, spec *hostspec.Spec) bool {
	if len(candidate.Needs) == 0 {
		return true
	}
	key, _ := hostspec.ParseKey(candidate.Pattern())
	probe := &hostspec.Spec{Rules: []hostspec.Rule{{Exclude: candidate.Pattern(), Where: candidate.Needs}}}
	return slices.ContainsFunc(spec.Of(key.Kind), func(item hostspec.Item) bool { return !probe.Keeps(item) })
}

// weigh counts the items on which two lists of rules decide differently.
func (s *Suggestion) weigh(spec, before, after *hostspec.Spec) {
	s.Examples = []string{}
	key, _ := hostspec.ParseKey(s.Pattern())
	for _, item := range spec.Of(key.Kind) {
		differs := before.Keeps(item) != after.Keeps(item)
		if !differs && before.Keeps(item) {
			differs = slices.ContainsFunc(item.Attributes, func(a hostspec.Attribute) bool {
				return before.KeepsAttribute(item, a.Name) != after.KeepsAttribute(item, a.Name)
			})
		}
		if !differs {
			continue
		}
		if s.Items++; len(s.Examples) < maxExamples {
			s.Examples = append(s.Examples, item.Name)
		}
	}
}

// DifferByNature are the rules for what differs between hosts that are as they
// should be.
func DifferByNature() []hostspec.Rule {
	var rules []hostspec.Rule
	for _, candidate := range noiseRules() {
		if candidate.Class == Nature {
			rules = append(rules, candidate.Rule)
		}
	}
	return rules
}

// Take gives a copy of the document with the suggested rules before its own.
func Take(spec *hostspec.Spec, suggestions []Suggestion) *hostspec.Spec {
	taken := *spec
	taken.Rules = nil
	for _, s := range suggestions {
		taken.Rules = append(taken.Rules, s.Rule)
	}
	taken.Rules = append(taken.Rules, spec.Rules...)
	return &taken
}
