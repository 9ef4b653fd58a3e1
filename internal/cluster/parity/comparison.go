package parity

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/dustin/go-humanize/english"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/progress"
)

// comparison is one run of Compare.
type comparison struct {
	o        Options
	from, to *side
	rules    []*rule
	// elsewhere, fillsIn and filled (by their reasons) count what is left out by
	// other means than a rule's; they match nothing.
	elsewhere, fillsIn *rule
	filled             map[string]*rule
	// managers that the user's rules name.
	managers []string
	unknown  []transfer.Unreadable
	// apart are kinds of which one side could not be read, and lost the groups of
	// which it is not known what there is.
	apart map[schema.GroupKind]bool
	lost  map[string]bool

	mu sync.Mutex
	// waiting are objects whose twin has not been read yet, by side.
	waiting map[*side]map[transfer.Key]entry
	stays   map[transfer.Key]string
	counts  map[schema.GroupKind]*KindCount
	seen    int64
	differs map[transfer.Key]*difference
	objects []Object
}

// difference is an object that is not the same on both sides.
type difference struct {
	from, to entry
	all      []transfer.Difference
}

func newComparison(from, to *transfer.Cluster, o Options, rules []*rule) *comparison {
	there := transfer.Selection{Labels: o.Labels}
	for _, namespace := range o.Namespaces {
		renamed, ok := o.Rename[namespace]
		if !ok {
			renamed = namespace
		}
		there.Namespaces = append(there.Namespaces, renamed)
	}
	c := &comparison{
		o:    o,
		from: newSide(from, transfer.Selection{Namespaces: o.Namespaces, Labels: o.Labels}, o.Rename),
		to:   newSide(to, there, nil), rules: append(builtins(), rules...),
		elsewhere: &rule{ParityIgnore: runsElsewhere, source: transferGuide}, fillsIn: &rule{ParityIgnore: targetFillsIn, source: dryRun},
		filled: map[string]*rule{}, apart: map[schema.GroupKind]bool{}, lost: map[string]bool{}, stays: map[transfer.Key]string{},
		counts: map[schema.GroupKind]*KindCount{}, differs: map[transfer.Key]*difference{},
	}
	c.waiting = map[*side]map[transfer.Key]entry{c.from: {}, c.to: {}}
	for _, r := range rules {
		if r.Manager != "" {
			c.managers = append(c.managers, r.Manager)
		}
	}
	return c
}

func (c *comparison) sides() []*side { return []*side{c.from, c.to} }

// discover asks both sides what they serve.
func (c *comparison) discover(ctx context.Context, reporter progress.Reporter) error {
	step := reporter.Step("asking " + c.from.cluster.Name + " and " + c.to.cluster.Name + " what they serve")
	var group errgroup.Group
	unreadable := make([][]transfer.Unreadable, 2)
	for i, s := range c.sides() {
		group.Go(func() (err error) {
			s.serves, unreadable[i], err = s.cluster.Resources(ctx)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		step.Fail(err)
		return err
	}
	for i, s := range c.sides() {
		for _, u := range unreadable[i] {
			if gv, err := schema.ParseGroupVersion(u.What); err == nil {
				if measured[gv.Group] {
					continue
				}
				c.lost[gv.Group] = true
			}
			c.unknown = append(c.unknown, transfer.Unreadable{What: u.What + " of " + s.cluster.Name, Reason: u.Reason})
		}
	}
	step.Done("%d and %d kinds", len(c.from.serves), len(c.to.serves))
	return nil
}

// measured are groups that hold nothing: what they answer is measured when they
// are asked.
var measured = map[string]bool{"metrics.k8s.io": true, "custom.metrics.k8s.io": true, "external.metrics.k8s.io": true}

// reading lists both sides, in parts of which each needs those before.
func (c *comparison) reading() [][]schema.GroupKind {
	first := []schema.GroupKind{serviceKind}
	var rest []schema.GroupKind
	for _, k := range slices.SortedFunc(c.kinds(), func(a, b schema.GroupKind) int { return cmp.Compare(a.String(), b.String()) }) {
		if k != serviceKind && transfer.Travels(k) && (len(c.o.Namespaces) == 0 || k == namespaceKind || c.namespaced(k)) {
			rest = append(rest, k)
		}
	}
	return [][]schema.GroupKind{first, rest}
}

// kinds of either side.
func (c *comparison) kinds() func(func(schema.GroupKind) bool) {
	all := maps.Clone(c.from.serves)
	maps.Copy(all, c.to.serves)
	return maps.Keys(all)
}

func (c *comparison) namespaced(k schema.GroupKind) bool {
	return c.from.serves[k].Namespaced || c.to.serves[k].Namespaced
}

// read reads both sides at once. Objects are compared as soon as their twins are
// read, so that memory holds few of them.
func (c *comparison) read(ctx context.Context, reporter progress.Reporter) error {
	step := reporter.Step("comparing objects")
	for _, kinds := range c.reading() {
		if err := c.readKinds(ctx, step, kinds, func(s *side, u *unstructured.Unstructured) bool { return s.wants(u) }); err != nil {
			step.Fail(err)
			return err
		}
	}
	if err := c.readDefinitions(ctx, step); err != nil {
		step.Fail(err)
		return err
	}
	step.Done("%s read", english.Plural(int(c.seen), "object", ""))
	return nil
}

// readDefinitions reads the definitions of the custom resources that were
// compared, where only some namespaces are.
func (c *comparison) readDefinitions(ctx context.Context, step progress.Step) error {
	if len(c.o.Namespaces) == 0 {
		return nil
	}
	found := map[schema.GroupKind]bool{}
	for k := range c.counts {
		found[k] = true
	}
	for _, waiting := range c.waiting {
		for k := range waiting {
			found[k.Kind] = true
		}
	}
	return c.readKinds(ctx, step, []schema.GroupKind{definitionKind}, func(_ *side, u *unstructured.Unstructured) bool {
		return found[transfer.Defines(u)]
	})
}

// readKinds reads some kinds of both sides.
func (c *comparison) readKinds(ctx context.Context, step progress.Step, kinds []schema.GroupKind, wanted func(*side, *unstructured.Unstructured) bool) error {
	from, to := c.resources(kinds)
	var group errgroup.Group
	for s, resources := range map[*side][]transfer.Resource{c.from: from, c.to: to} {
		selection := s.selection
		if len(kinds) == 1 && kinds[0] == definitionKind {
			selection = transfer.Selection{}
		}
		group.Go(func() error {
			unreadable, err := s.cluster.Look(ctx, resources, selection, func(u *unstructured.Unstructured) {
				if wanted(s, u) {
					c.meet(s, u)
					step.Count(c.count(), 0, "objects")
				}
			})
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, u := range unreadable {
				c.apart[schema.ParseGroupKind(u.What)] = true
				c.unknown = append(c.unknown, transfer.Unreadable{What: u.What + " of " + s.cluster.Name, Reason: u.Reason})
			}
			return err
		})
	}
	return group.Wait()
}

// resources are the kinds as each side serves them, in a version that both do.
// A kind that both serve in no common version is unknown.
func (c *comparison) resources(kinds []schema.GroupKind) (from, to []transfer.Resource) {
	for _, k := range kinds {
		source, here := c.from.serves[k]
		target, there := c.to.serves[k]
		if here && there {
			version := common(source, target)
			if version == "" {
				c.apart[k] = true
				c.unknown = append(c.unknown, transfer.Unreadable{What: k.String(), Reason: fmt.Sprintf(
					"%s serves it as %v, %s as %v, and no version is the same", c.from.cluster.Name, source.Versions, c.to.cluster.Name, target.Versions)})
				continue
			}
			source.Version, target.Version = version, version
		}
		if here {
			from = append(from, source)
		}
		if there {
			to = append(to, target)
		}
	}
	return from, to
}

// common is the version in which both are read: the source's preferred, the
// target's, or any; empty if there is none.
func common(source, target transfer.Resource) string {
	for _, version := range append([]string{source.Version, target.Version}, source.Versions...) {
		if slices.Contains(source.Versions, version) && slices.Contains(target.Versions, version) {
			return version
		}
	}
	return ""
}

func (c *comparison) count() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

// meet takes an object of a side, and compares it if its twin is there already.
func (c *comparison) meet(s *side, u *unstructured.Unstructured) {
	s.note(u)
	k := s.key(u)
	mine := entry{}
	if c.o.Skip != nil {
		mine.stays = c.o.Skip(u)
	}
	if mine.stays == "" {
		mine = s.enter(u, c.managers)
	}
	other := c.from
	if s == c.from {
		other = c.to
	}
	c.mu.Lock()
	c.seen++
	theirs, ok := c.waiting[other][k]
	if !ok {
		c.waiting[s][k] = mine
		c.mu.Unlock()
		return
	}
	delete(c.waiting[other], k)
	c.mu.Unlock()
	if s == c.from {
		c.compare(k, mine, theirs)
		return
	}
	c.compare(k, theirs, mine)
}

// compare compares twins.
func (c *comparison) compare(k transfer.Key, from, to entry) {
	if why := cmp.Or(from.stays, to.stays); why != "" {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stays[k] = why
		return
	}
	var found []transfer.Difference
	var err error
	if !bytes.Equal(from.text, to.text) {
		found, err = differences(k, from, to)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if from.elsewhere != to.elsewhere {
		c.elsewhere.use(k.String())
	}
	count := c.countOf(k.Kind)
	count.From++
	count.To++
	switch {
	case err != nil:
		count.Unknown++
		c.objects = append(c.objects, Object{Key: k, State: Unknown, Reason: err.Error()})
	case len(found) > 0:
		c.differs[k] = &difference{from: from, to: to, all: found}
	default:
		count.Equal++
	}
}

// differences of twins, with what each cluster fills in.
func differences(k transfer.Key, from, to entry) ([]transfer.Difference, error) {
	source, err := from.object()
	if err != nil {
		return nil, fmt.Errorf("reading %s of the source: %w", k, err)
	}
	target, err := to.object()
	if err != nil {
		return nil, fmt.Errorf("reading %s of the target: %w", k, err)
	}
	return transfer.AllDifferences(source, target), nil
}

// countOf is called with the lock.
func (c *comparison) countOf(k schema.GroupKind) *KindCount {
	if c.counts[k] == nil {
		c.counts[k] = &KindCount{Kind: k.String()}
	}
	return c.counts[k]
}
