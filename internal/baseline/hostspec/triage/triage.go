// Package triage says what each item of a host means for Kubernetes: whether it
// belongs to the image, becomes configuration, is what the platform does
// anyway, needs a place for its data, goes away, or needs a person's decision.
//
// Knowledge is data: rules/*.yaml, which a team extends by a file of its own.
// Decisions are kept in the document, so that a question is asked once. The
// package knows Kubernetes by name only. Start at Run.
package triage

import (
	"cmp"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// Class is where an item goes.
type Class string

// Classes, in the order of worksheets: first what a person has to answer.
const (
	// Decide: only a person knows.
	Decide Class = "decide"
	// Store: local state, which must move to a store or a volume.
	Store Class = "store"
	// Image: part of the container image.
	Image Class = "image"
	// Config: a ConfigMap, a Secret or an environment variable.
	Config Class = "config"
	// Platform: the cluster does that.
	Platform Class = "platform"
	// Node: a matter of the machines that run pods.
	Node Class = "node"
	// Drop: of no use in a container.
	Drop Class = "drop"
)

// Classes in the order of worksheets.
var Classes = []Class{Decide, Store, Image, Config, Platform, Node, Drop}

// Meaning says in a few words what a class is.
func (c Class) Meaning() string {
	return map[Class]string{
		Decide:   "only a person knows",
		Store:    "local state that must move",
		Image:    "belongs to the container image",
		Config:   "becomes a ConfigMap, a Secret or an environment variable",
		Platform: "the cluster does that",
		Node:     "a matter of the machines that run pods",
		Drop:     "of no use in a container",
	}[c]
}

func (c Class) valid() bool { return slices.Contains(Classes, c) }

// Finding is what triage says of one item.
type Finding struct {
	hostspec.Item
	Class Class
	// Rule that said so: its name.
	Rule string
	// Reason, Remedy and Source are the rule's; of a person's decision the
	// reason is theirs.
	Reason, Remedy, Source string
	// Quiet: there is nothing to do or to know about it.
	Quiet bool
	// Question is the rule's reason where the rule asked for a decision.
	Question string
	// Decided: a person said so.
	Decided bool

	// whole: what is in this folder goes where it goes.
	whole bool
}

// Report is the triage of one host.
type Report struct {
	Host string `json:"host"`
	// Findings in the order of the document.
	Findings []Finding `json:"findings"`
	// Unknown kinds could not be captured, so that nothing is said of them:
	// the reason by kind.
	Unknown map[hostspec.Kind]string `json:"unknown,omitempty"`
	// Stale are decisions that no item of the document matches any more.
	Stale []hostspec.Decision `json:"stale,omitempty"`
}

// Run classifies every item that the document's own rules keep, by the rules of
// triage and by the document's decisions. Of either the last that matches wins,
// and a decision beats every rule.
func Run(spec *hostspec.Spec, rules *Rules) *Report {
	report := &Report{Host: spec.Host, Unknown: spec.Unknown}
	used := make([]bool, len(spec.Decisions))
	var folder Finding // the last one that goes as a whole
	for _, item := range spec.Kept().Items {
		if item.Absent {
			continue
		}
		finding := rules.classify(item)
		if i, ok := decisionOn(spec.Decisions, item.Key); ok {
			used[i] = true
			finding = finding.decided(spec.Decisions[i])
		}
		switch {
		case finding.Kind != hostspec.File:
		case folder.whole && !finding.Decided && strings.HasPrefix(finding.Name, folder.Name+"/"):
			finding = finding.within(folder)
		case finding.whole && item.Text("type") == "directory":
			folder = finding
		}
		report.Findings = append(report.Findings, finding)
	}
	for i, decision := range spec.Decisions {
		if !used[i] {
			report.Stale = append(report.Stale, decision)
		}
	}
	return report
}

func decisionOn(decisions []hostspec.Decision, key hostspec.Key) (int, bool) {
	name := key.String()
	for i, decision := range slices.Backward(decisions) {
		if hostspec.Like(decision.Item, name) {
			return i, true
		}
	}
	return 0, false
}

func (f Finding) decided(decision hostspec.Decision) Finding {
	if f.Class == Decide {
		f.Question = f.Reason
	}
	f.Class, f.Decided, f.Quiet, f.whole = Class(decision.Class), true, false, true
	f.Reason = cmp.Or(decision.Reason, f.Reason)
	return f
}

// within is what is said of a file in a folder that goes as a whole.
func (f Finding) within(folder Finding) Finding {
	folder.Item, folder.whole = f.Item, false
	return folder
}

// Open are the findings that still wait for a person.
func (r *Report) Open() []Finding { return r.Of(Decide) }

// Of gives the findings of a class, in the order of the document.
func (r *Report) Of(class Class) []Finding {
	var found []Finding
	for _, f := range r.Findings {
		if f.Class == class {
			found = append(found, f)
		}
	}
	return found
}

// Class gives the class of an item, or "" where the document has no such item.
func (r *Report) Class(key hostspec.Key) Class {
	f, _ := r.Find(key)
	return f.Class
}

// Find gives the finding of an item.
func (r *Report) Find(key hostspec.Key) (Finding, bool) {
	i, found := slices.BinarySearchFunc(r.Findings, key, func(f Finding, key hostspec.Key) int { return f.Key.Compare(key) })
	if !found {
		return Finding{}, false
	}
	return r.Findings[i], true
}

// Group is what one rule says of several items, or people of them.
type Group struct {
	Class                  Class
	Rule                   string
	Reason, Remedy, Source string
	Decided                bool
	Quiet                  bool
	Items                  []hostspec.Item
}

// Groups joins findings that say the same, by class and within it in the order
// of the document; those with nothing to do come last.
func (r *Report) Groups(class Class) []Group {
	type key struct {
		rule, reason string
		decided      bool
	}
	var groups []Group
	at := map[key]int{}
	for _, f := range r.Of(class) {
		k := key{f.Rule, f.Reason, f.Decided}
		i, known := at[k]
		if !known {
			i, at[k] = len(groups), len(groups)
			groups = append(groups, Group{Class: class, Rule: f.Rule, Reason: f.Reason, Remedy: f.Remedy, Source: f.Source, Decided: f.Decided, Quiet: f.Quiet})
		}
		groups[i].Items = append(groups[i].Items, f.Item)
	}
	slices.SortStableFunc(groups, func(a, b Group) int { return boolOrder(a.Quiet) - boolOrder(b.Quiet) })
	return groups
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}
