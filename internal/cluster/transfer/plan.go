package transfer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// From is the annotation that marks what a transfer made, with the source's
// name: a transfer changes nothing else.
const From = "landfall.dev/transferred-from"

// Action is what a transfer does with one object.
type Action string

// Actions.
const (
	Create Action = "create"
	// Update: the transfer made it, and the source has changed since.
	Update Action = "update"
	// Unchanged: it is there already, and the same.
	Unchanged Action = "unchanged"
	// Conflict: something else is there under this name.
	Conflict Action = "conflict"
	// Stay: it is not copied, for the reason given.
	Stay Action = "stays"
)

// Item is one object of the plan.
type Item struct {
	// Key in the target.
	Key    Key    `json:"object"`
	Action Action `json:"action"`
	// Reason it stays or is in conflict.
	Reason string `json:"reason,omitempty"`
	// Notes are what people should know of it.
	Notes []string `json:"notes,omitempty"`
	Stage int      `json:"stage"`

	object *unstructured.Unstructured
	// uid and owners as in the source.
	uid    types.UID
	owners []metav1.OwnerReference
	target schema.GroupVersionResource
	// there is the UID in the target, and owned tells whether it has owners.
	there types.UID
	owned bool
}

// Plan is a transfer that was computed.
type Plan struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Items by stage and key.
	Items []Item `json:"items"`
	// Unreadable parts of the source: what is there is not known.
	Unreadable []Unreadable `json:"unreadable,omitempty"`
	// Missing are kinds that the target does not serve.
	Missing []Missing `json:"missing,omitempty"`

	to *Cluster
}

// Missing is a kind that the target does not serve.
type Missing struct {
	Kind string `json:"kind"`
	// Objects of the source that are of this kind.
	Objects int `json:"objects"`
}

// Writes is how many objects the plan writes.
func (p *Plan) Writes() int { return p.Count(Create) + p.Count(Update) }

// Count is how many items have the action.
func (p *Plan) Count(a Action) int {
	n := 0
	for _, item := range p.Items {
		if item.Action == a {
			n++
		}
	}
	return n
}

// Make reads both sides and computes what a transfer does. Neither side is
// changed.
func Make(ctx context.Context, from, to *Cluster, s Selection, o Options, reporter progress.Reporter) (*Plan, error) {
	p := &planning{plan: &Plan{From: from.Name, To: to.Name, to: to}, from: from, to: to, s: s, o: o, copied: map[Key]Item{}}
	step := reporter.Step("reading " + from.Name)
	if err := p.readSource(ctx); err != nil {
		step.Fail(err)
		return nil, err
	}
	step.Done("%s", english.Plural(len(p.copied), "object", ""))
	step = reporter.Step("comparing with " + to.Name)
	if err := p.compare(ctx); err != nil {
		step.Fail(err)
		return nil, err
	}
	p.plan.Items = slices.SortedFunc(maps.Values(p.copied), func(a, b Item) int {
		return cmp.Or(cmp.Compare(a.Stage, b.Stage), a.Key.Compare(b.Key))
	})
	step.Done("%d to create, %d to update, %d unchanged, %d in conflict", p.plan.Count(Create), p.plan.Count(Update), p.plan.Count(Unchanged), p.plan.Count(Conflict))
	return p.plan, nil
}

type planning struct {
	plan     *Plan
	from, to *Cluster
	s        Selection
	o        Options
	// serves and takes are what the source and the target serve.
	serves, takes map[schema.GroupKind]Resource
	copied        map[Key]Item
}

// readSource lists what is selected, and makes it portable at once: memory
// holds one form of each object.
func (p *planning) readSource(ctx context.Context) error {
	var unreadable []Unreadable
	var err error
	if p.serves, unreadable, err = p.from.Resources(ctx); err != nil {
		return err
	}
	p.plan.Unreadable = append(p.plan.Unreadable, unreadable...)
	if p.takes, unreadable, err = p.to.Resources(ctx); err != nil {
		return err
	}
	if len(unreadable) > 0 {
		return fault.New(fault.Failed, "Repair the aggregated API there, or remove its APIService.", "asking cluster %s what it serves: %s: %s", p.to.Name, unreadable[0].What, unreadable[0].Reason)
	}
	selectors := map[string]bool{}
	services := p.serves[serviceKind]
	more, err := p.from.Look(ctx, []Resource{services}, p.s, func(u *unstructured.Unstructured) {
		if selector, _, _ := unstructured.NestedMap(u.Object, "spec", "selector"); len(selector) > 0 {
			selectors[u.GetNamespace()+"/"+u.GetName()] = true
		}
		p.take(u)
	})
	if err != nil {
		return err
	}
	if len(more) > 0 {
		return fault.New(fault.Failed, "Check the credentials' rights with: kubectl auth can-i list services -A", "reading the Services of cluster %s: %s", p.from.Name, more[0].Reason)
	}
	p.o.Selects = func(namespace, service string) bool { return selectors[namespace+"/"+service] }
	more, err = p.from.Look(ctx, p.wanted(), p.s, p.take)
	p.plan.Unreadable = append(p.plan.Unreadable, more...)
	if err != nil {
		return err
	}
	return p.addNeeded(ctx)
}

// wanted are the resources of the source to be listed beside Services, in a
// version that the target serves, too, where there is one.
func (p *planning) wanted() []Resource {
	var all []Resource
	for _, k := range slices.SortedFunc(maps.Keys(p.serves), byText) {
		r := p.serves[k]
		if never[k] != "" || k == serviceKind || !r.Namespaced && len(p.s.Namespaces) > 0 && k != namespaceKind {
			continue
		}
		if there, ok := p.takes[k]; ok && !slices.Contains(there.Versions, r.Version) {
			for _, version := range r.Versions {
				if slices.Contains(there.Versions, version) {
					r.Version = version
					break
				}
			}
		}
		all = append(all, r)
	}
	return all
}

func byText(a, b schema.GroupKind) int { return strings.Compare(a.String(), b.String()) }

// take makes one object of the source an item.
func (p *planning) take(u *unstructured.Unstructured) {
	if u.GroupVersionKind().GroupKind() == namespaceKind && len(p.s.Namespaces) > 0 && !slices.Contains(p.s.Namespaces, u.GetName()) {
		return
	}
	if slices.Contains(system, u.GetNamespace()) {
		return
	}
	c := p.portable(u)
	item := Item{Key: KeyOf(u), Action: Stay, Reason: c.Stays, Notes: c.Notes, Stage: Stage(u.GroupVersionKind().GroupKind()), uid: u.GetUID()}
	if c.Object != nil {
		item.Action, item.object, item.Key = Create, c.Object, KeyOf(c.Object)
		item.owners = c.Object.GetOwnerReferences()
		c.Object.SetOwnerReferences(nil)
		annotate(c.Object, From, p.from.Name)
	}
	p.copied[item.Key] = item
}

// portable is Portable with what the selection leaves to somebody else.
func (p *planning) portable(u *unstructured.Unstructured) Copy {
	if p.s.Skip != nil {
		if why := p.s.Skip(u); why != "" {
			return Copy{Stays: why}
		}
	}
	return Portable(u, p.o)
}

// addNeeded adds what the selected objects cannot be without, where only some
// are selected: the namespaces they are in and the definitions of their kinds.
func (p *planning) addNeeded(ctx context.Context) error {
	if p.s.all() {
		return nil
	}
	kinds, homes := map[schema.GroupKind]bool{}, map[string]bool{}
	for _, item := range p.copied {
		if item.Action == Create {
			kinds[item.Key.Kind], homes[item.Key.Namespace] = true, true
		}
	}
	needed := func(u *unstructured.Unstructured) bool {
		if u.GroupVersionKind().GroupKind() == namespaceKind {
			return homes[renamer(p.o.Namespaces).name(u.GetName())]
		}
		return kinds[Defines(u)]
	}
	resources := []Resource{p.serves[namespaceKind]}
	if definitions, ok := p.serves[definition]; ok {
		resources = append(resources, definitions)
	}
	more, err := p.from.Look(ctx, resources, Selection{}, func(u *unstructured.Unstructured) {
		if needed(u) {
			p.take(u)
		}
	})
	p.plan.Unreadable = append(p.plan.Unreadable, more...)
	return err
}

// compare looks at what the target has under the same names.
func (p *planning) compare(ctx context.Context) error {
	var resources []Resource
	seen, missing := map[schema.GroupKind]bool{}, map[schema.GroupKind]int{}
	comes := p.definedKinds()
	for key, item := range p.copied {
		if item.Action != Create {
			continue
		}
		there, ok := p.takes[key.Kind]
		if !ok {
			there, ok = comes[key.Kind]
			if !ok {
				missing[key.Kind]++
				item.Action, item.Reason = Conflict, fmt.Sprintf("cluster %s has no API for %s", p.to.Name, key.Kind)
				p.copied[key] = item
				continue
			}
		} else if !seen[key.Kind] {
			seen[key.Kind] = true
			there.Version = item.object.GroupVersionKind().Version
			resources = append(resources, there)
		}
		item.target = there.GroupVersionResource
		item.target.Version = item.object.GroupVersionKind().Version
		p.copied[key] = item
	}
	for _, k := range slices.SortedFunc(maps.Keys(missing), byText) {
		p.plan.Missing = append(p.plan.Missing, Missing{Kind: k.String(), Objects: missing[k]})
	}
	unreadable, err := p.to.Look(ctx, resources, Selection{}, p.meet)
	if err != nil {
		return err
	}
	if len(unreadable) > 0 {
		return fault.New(fault.Failed, "A transfer must know what is there: check the credentials' rights.", "reading %s of cluster %s: %s", unreadable[0].What, p.to.Name, unreadable[0].Reason)
	}
	return nil
}

// Defines gives the kind that a CustomResourceDefinition is of.
func Defines(u *unstructured.Unstructured) schema.GroupKind {
	group, _, _ := unstructured.NestedString(u.Object, "spec", "group")
	name, _, _ := unstructured.NestedString(u.Object, "spec", "names", "kind")
	return kind(group, name)
}

// definedKinds are the kinds that the transfer itself brings along.
func (p *planning) definedKinds() map[schema.GroupKind]Resource {
	kinds := map[schema.GroupKind]Resource{}
	for _, item := range p.copied {
		if item.Key.Kind != definition || item.object == nil {
			continue
		}
		if r, ok := p.serves[Defines(item.object)]; ok {
			kinds[r.Kind] = r
		}
	}
	return kinds
}

// meet compares an object of the target with the one that is to come.
func (p *planning) meet(u *unstructured.Unstructured) {
	item, ok := p.copied[KeyOf(u)]
	if !ok || item.Action != Create {
		return
	}
	item.there, item.owned = u.GetUID(), len(u.GetOwnerReferences()) > 0
	ours := u.GetAnnotations()[From] == p.from.Name
	there := Portable(u, Options{KeepCronJobs: true, KeepFinalizers: p.o.KeepFinalizers, Selects: p.o.Selects})
	if there.Object != nil {
		there.Object.SetOwnerReferences(nil) // those are given when all is there
	}
	switch {
	case there.Object == nil && ours, there.Object != nil && len(Differences(item.object, there.Object)) == 0:
		item.Action = Unchanged // what has run to its end there is not run again
	case ours:
		item.Action = Update
	default:
		item.Action, item.Reason = Conflict, "is there already, and differs: "+p.first(item.object, there.Object)
	}
	p.copied[item.Key] = item
}

// first difference, for people.
func (p *planning) first(a, b *unstructured.Unstructured) string {
	if b == nil {
		return "it belongs to the target"
	}
	d := Differences(a, b)[0]
	if a.GroupVersionKind().GroupKind() == secretKind {
		return d.Path // what is in Secrets is shown to nobody
	}
	return d.String()
}
