package parity

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/dustin/go-humanize/english"

	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/progress"
)

// settle judges what is left when everything has been read: objects without a
// twin, and differences that rules leave out.
func (c *comparison) settle() {
	for k, e := range c.waiting[c.from] {
		if e.stays != "" {
			c.stays[k] = e.stays
		}
	}
	for k, e := range c.waiting[c.from] {
		c.alone(k, e, Missing)
	}
	for k, e := range c.waiting[c.to] {
		c.alone(k, e, Extra)
	}
	c.waiting = nil
	for k, d := range c.differs {
		d.all = c.significant(k, d)
		if len(d.all) == 0 {
			c.countOf(k.Kind).Equal++
			delete(c.differs, k)
		}
	}
}

// alone judges an object that one side has.
func (c *comparison) alone(k transfer.Key, e entry, state State) {
	if e.stays != "" || c.apart[k.Kind] || c.lost[k.Kind.Group] {
		return
	}
	count := c.countOf(k.Kind)
	if state == Missing {
		count.From++
	} else {
		count.To++
	}
	for _, r := range c.rules {
		if r.whole() && r.about(k) {
			r.use(fmt.Sprintf("%s is %s", k, state))
			count.Ignored++
			return
		}
	}
	if state == Missing {
		count.Missing++
	} else {
		count.Extra++
	}
	c.objects = append(c.objects, Object{Key: k, State: state})
}

// significant are the differences of an object that no rule leaves out.
func (c *comparison) significant(k transfer.Key, d *difference) []transfer.Difference {
	owned := d.from.owned.and(d.to.owned)
	return slices.DeleteFunc(d.all, func(one transfer.Difference) bool {
		example := k.String() + " " + Text(hide(k, one))
		if why := transfer.FilledIn(one.Path); why != "" {
			c.filledIn(one.Path, why).use(example)
			return true
		}
		path := tokens(one.Path)
		for _, r := range c.rules {
			if r.about(k) && r.covers(path, owned) && (r.only == nil || r.only(c, k, one)) {
				r.use(example)
				return true
			}
		}
		return false
	})
}

// use counts one more difference that the rule left out.
func (r *rule) use(example string) {
	if r.used == 0 {
		r.example = cut(example, 200)
	}
	r.used++
}

// filledIn counts a field that each cluster fills in.
func (c *comparison) filledIn(path, why string) *rule {
	if c.filled[why] == nil {
		c.filled[why] = &rule{ParityIgnore: meant("", path, why), source: transferGuide}
	}
	return c.filled[why]
}

// askedAtOnce are dry runs under way.
const askedAtOnce = 8

// askTarget finds differences that the target itself makes: fields that only it
// has, and that it would add to the source's object, too, as defaults of its
// version or in its admission.
func (c *comparison) askTarget(ctx context.Context, reporter progress.Reporter) error {
	var keys []transfer.Key
	for k, d := range c.differs {
		if k.Kind != secretKind && onlyAdded(d.all) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	slices.SortFunc(keys, transfer.Key.Compare)
	step := reporter.Step("asking " + c.to.cluster.Name + " what it fills in itself")
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(askedAtOnce)
	asked := int64(0)
	for _, k := range keys {
		group.Go(func() error {
			left, err := c.wouldDiffer(ctx, k, c.differs[k])
			mu.Lock()
			defer mu.Unlock()
			c.answered(k, left, err)
			asked++
			step.Count(asked, int64(len(keys)), "objects")
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		step.Fail(err)
		return err
	}
	step.Done("%s", english.Plural(len(keys), "object", ""))
	return nil
}

// onlyAdded tells whether all differences are fields that only the target has.
func onlyAdded(all []transfer.Difference) bool {
	return !slices.ContainsFunc(all, func(d transfer.Difference) bool { return d.From != nil || d.To == nil })
}

// wouldDiffer gives the differences that would be left if the target had taken
// the source's object just now.
func (c *comparison) wouldDiffer(ctx context.Context, k transfer.Key, d *difference) ([]transfer.Difference, error) {
	source, err := d.from.object()
	if err != nil {
		return nil, err
	}
	made, err := c.to.cluster.WouldBe(ctx, c.to.serves[k.Kind], source)
	if err != nil {
		return nil, err
	}
	would := c.to.enter(made, nil)
	if would.stays != "" {
		return nil, fmt.Errorf("asked what it would make of %s, cluster %s gave one that %s", k, c.to.cluster.Name, would.stays)
	}
	left := map[string]bool{}
	all, err := differences(k, would, d.to)
	for _, one := range all {
		left[one.Path] = true
	}
	return slices.DeleteFunc(slices.Clone(d.all), func(one transfer.Difference) bool { return !left[one.Path] }), err
}

// answered takes what the target said of an object.
func (c *comparison) answered(k transfer.Key, left []transfer.Difference, err error) {
	d := c.differs[k]
	switch {
	case err != nil:
		c.countOf(k.Kind).Unknown++
		c.objects = append(c.objects, Object{Key: k, State: Unknown, Differences: hideAll(k, d.all), Reason: "the target has fields that the source has not, and could not say whether it fills them in itself: " + err.Error()})
		delete(c.differs, k)
	case len(left) == 0:
		c.fillsIn.use(k.String() + " " + Text(d.all[0]))
		c.countOf(k.Kind).Equal++
		delete(c.differs, k)
	default:
		d.all = left
	}
}

// report puts everything together.
func (c *comparison) report() *Report {
	r := &Report{From: c.from.cluster.Name, To: c.to.cluster.Name, Unknown: c.unknown, Objects: c.objects}
	for k, d := range c.differs {
		c.countOf(k.Kind).Different++
		o := Object{Key: k, State: Different, Differences: hideAll(k, d.all)}
		if more := len(o.Differences) - mostDifferences; more > 0 {
			o.Differences, o.More = o.Differences[:mostDifferences], more
		}
		r.Objects = append(r.Objects, o)
	}
	slices.SortFunc(r.Objects, func(a, b Object) int { return a.Key.Compare(b.Key) })
	for _, k := range slices.SortedFunc(maps.Values(c.counts), func(a, b *KindCount) int { return cmp.Compare(a.Kind, b.Kind) }) {
		if k.From+k.To > 0 {
			r.Kinds = append(r.Kinds, *k)
		}
	}
	r.Workloads = c.alike()
	r.Checks = checks(c.o.FromChecks, c.o.ToChecks)
	c.ignored(r)
	r.conclude()
	return r
}

// mostDifferences of one object that are listed.
const mostDifferences = 50

// ignored lists the rules that left something out, and those of the user that
// did not.
func (c *comparison) ignored(r *Report) {
	filled := slices.SortedFunc(maps.Values(c.filled), func(a, b *rule) int { return cmp.Compare(a.Reason, b.Reason) })
	for _, rule := range slices.Concat(c.rules, filled, []*rule{c.elsewhere, c.fillsIn}) {
		switch {
		case rule.used > 0:
			r.Ignored = append(r.Ignored, Ignored{Rule: rule.ParityIgnore, Source: rule.source, Count: rule.used, Example: rule.example})
		case rule.source == "":
			r.Unused = append(r.Unused, rule.ParityIgnore)
		}
	}
}
