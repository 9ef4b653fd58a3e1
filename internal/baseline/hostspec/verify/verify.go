// Package verify compares host specs: expectations with facts (Verify), two
// documents (Compare), many of them with each other (Fleet), and a document
// with what is known to be noise (Suggest). It only computes: it knows neither
// how facts are captured nor who looks at the answers.
//
// Start at Verify.
package verify

import (
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/result"
)

// Verify answers for every item that the expected document keeps whether the
// facts are like it. See Verifier.
func Verify(expected, facts *hostspec.Spec) []result.Result {
	return New(expected).Verify(facts)
}

// Verifier holds one document of expectations against the facts of any number
// of hosts. It is safe for concurrent use.
type Verifier struct {
	expected *hostspec.Spec
	patterns sync.Map
}

// New takes a document of which its rules say what is kept. only, where there
// are any, narrows it to items that are like one of these patterns: "package",
// "package/nginx", "file//etc/*".
func New(expected *hostspec.Spec, only ...string) *Verifier {
	kept := expected.Kept()
	if len(only) > 0 {
		kept.Items = slices.DeleteFunc(kept.Items, func(item hostspec.Item) bool { return !chosen(item.Key, only) })
		for kind := range kept.Unknown {
			if !chosen(hostspec.Key{Kind: kind, Name: "*"}, only) {
				delete(kept.Unknown, kind)
			}
		}
	}
	return &Verifier{expected: kept}
}

func chosen(key hostspec.Key, only []string) bool {
	return slices.ContainsFunc(only, func(pattern string) bool {
		return pattern == string(key.Kind) || hostspec.Like(pattern, key.String())
	})
}

// Size is the number of items that are verified.
func (v *Verifier) Size() int { return len(v.expected.Items) }

// Kinds are those that a capture needs to cover.
func (v *Verifier) Kinds() []hostspec.Kind {
	var kinds []hostspec.Kind
	for _, item := range v.expected.Items {
		if len(kinds) == 0 || kinds[len(kinds)-1] != item.Kind {
			kinds = append(kinds, item.Kind)
		}
	}
	return kinds
}

// Paths are the files that a capture needs to look at, also where they are as
// their packages ship them. Folders that stand for all that is in them are
// found without being named.
func (v *Verifier) Paths() []string {
	var paths []string
	for _, item := range v.expected.Of(hostspec.File) {
		if _, collapsed := item.Get("entries"); !collapsed {
			paths = append(paths, item.Name)
		}
	}
	return paths
}

// Salt is that of the document's fingerprints.
func (v *Verifier) Salt() string { return v.expected.Salt }

// Verify compares the facts of one host: one result an item, in the order of
// the document, then one for each kind of which the document knows nothing.
func (v *Verifier) Verify(facts *hostspec.Spec) []result.Result {
	results := make([]result.Result, 0, len(v.expected.Items))
	for i := range v.expected.Items {
		results = append(results, v.item(&v.expected.Items[i], facts))
	}
	for _, kind := range sortedKinds(v.expected.Unknown) {
		// Of a kind that was read in part, the items that are there are asked.
		if len(v.expected.Of(kind)) > 0 {
			continue
		}
		results = append(results, result.Result{
			Group: string(kind), Name: "*", Answer: result.Unknown,
			Reason: "the document does not know what to expect: " + v.expected.Unknown[kind],
		})
	}
	return results
}

// Beyond gives the items of a host that the document lacks, of the kinds that
// it has any of: what was missed when it was written.
func (v *Verifier) Beyond(facts *hostspec.Spec) []hostspec.Item {
	var beyond []hostspec.Item
	rules := &hostspec.Spec{Rules: v.expected.Rules}
	for _, kind := range v.Kinds() {
		for _, item := range facts.Of(kind) {
			_, asked := v.expected.Find(item.Key)
			if !asked && rules.Keeps(item) && !isGone(&item) && item.Text("state") != "managed" {
				beyond = append(beyond, item)
			}
		}
	}
	return beyond
}

func (v *Verifier) item(expected *hostspec.Item, facts *hostspec.Spec) result.Result {
	r := result.Result{Group: string(expected.Kind), Name: expected.Name}
	fact, found := facts.Find(expected.Key)
	here := found && !isGone(&fact)
	switch reason := whyUnknown(expected, &fact, facts, found); {
	case reason != "":
		r.Reason = reason
	case isGone(expected) && here:
		r.Answer, r.Expected, r.Actual = result.Fails, "not there", Describe(fact)
	case isGone(expected), isVolatile(expected):
		r.Answer = result.Holds
	case !here:
		r.Answer, r.Expected, r.Actual = result.Fails, Describe(*expected), "not there"
	default:
		v.attributes(&r, expected, &fact, facts)
	}
	return r
}

// whyUnknown gives the reason for which nothing can be said of an item, or "".
func whyUnknown(expected, fact *hostspec.Item, facts *hostspec.Spec, found bool) string {
	if found {
		if state, _ := fact.Get("state"); state.Operator() == hostspec.Unknown {
			return state.Argument()
		}
		return ""
	}
	if reason, unknown := facts.Unknown[expected.Kind]; unknown {
		return reason
	}
	if !expected.Kind.Known() && len(facts.Of(expected.Kind)) == 0 {
		return "nothing of the kind " + string(expected.Kind) + " is ever captured: is it written right?"
	}
	switch {
	case expected.Kind == hostspec.File:
		return whyUnseen(expected, facts)
	case expected.Kind == hostspec.Command && !expected.Absent:
		return "it was not looked for: no script there calls it"
	}
	return ""
}

// whyUnseen is about files that facts do not mention: those as their packages
// ship them are left out, and folders that no package knows are one item.
func whyUnseen(expected *hostspec.Item, facts *hostspec.Spec) string {
	for folder := path.Dir(expected.Name); folder != "/" && folder != "."; folder = path.Dir(folder) {
		if fact, found := facts.Find(hostspec.Key{Kind: hostspec.File, Name: folder}); found {
			if _, collapsed := fact.Get("entries"); collapsed {
				return "it was not looked at: " + folder + " was captured as one"
			}
		}
	}
	if state := expected.Text("state"); state == "changed" || state == "unmanaged" {
		return ""
	}
	return "it was not looked at: it is not there, or as its package ships it"
}

// isGone says that an item tells that the thing is not there: of a file that a
// package ships it is missing.
func isGone(item *hostspec.Item) bool {
	state := item.Text("state")
	return item.Absent || item.Kind == hostspec.File && (state == "missing" || state == "absent")
}

// isVolatile says that nothing is asked of an item but that it may be there.
func isVolatile(item *hostspec.Item) bool {
	return len(item.Attributes) > 0 && !slices.ContainsFunc(item.Attributes, func(a hostspec.Attribute) bool {
		return a.Value.Operator() != hostspec.Volatile
	})
}

// attributes compares one by one and tells of those that do not hold.
func (v *Verifier) attributes(r *result.Result, expected, fact *hostspec.Item, facts *hostspec.Spec) {
	r.Answer = result.Holds
	var wants, has, reasons []string
	for _, a := range expected.Attributes {
		value, there := fact.Get(a.Name)
		outcome := (&comparison{
			key: expected.Key, attribute: a.Name, fact: value, there: there, manager: managerOf(expected, fact),
			patterns: &v.patterns, expectedSalt: v.expected.Salt, factSalt: facts.Salt,
		}).with(a.Value)
		switch outcome.answer {
		case result.Fails:
			r.Answer = result.Fails
			wants = append(wants, named(a.Name, a.Value))
			if there {
				has = append(has, named(a.Name, value))
			} else {
				has = append(has, label(a.Name)+"not set")
			}
		case result.Unknown:
			if r.Answer == result.Holds {
				r.Answer = result.Unknown
			}
			reasons = append(reasons, label(a.Name)+outcome.reason)
		}
	}
	r.Expected, r.Actual, r.Reason = strings.Join(wants, "\n"), strings.Join(has, "\n"), strings.Join(reasons, "\n")
}

func managerOf(items ...*hostspec.Item) string {
	for _, item := range items {
		if manager := item.Text("manager"); manager != "" {
			return manager
		}
	}
	return ""
}

func sortedKinds[V any](m map[hostspec.Kind]V) []hostspec.Kind {
	kinds := make([]hostspec.Kind, 0, len(m))
	for kind := range m {
		kinds = append(kinds, kind)
	}
	slices.SortFunc(kinds, func(a, b hostspec.Kind) int {
		return hostspec.Key{Kind: a}.Compare(hostspec.Key{Kind: b})
	})
	return kinds
}
