package preflight

import (
	"context"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/progress"
)

// read makes snapshots of both sides, then asks the registries.
func read(ctx context.Context, from, to *transfer.Cluster, o Options, reporter progress.Reporter) (*world, error) {
	w := &world{from: newSnapshot(from.Name), to: newSnapshot(to.Name), in: newIncoming()}
	steps := []struct {
		name string
		do   func() (string, error)
	}{
		{"reading what " + to.Name + " is like", func() (string, error) {
			err := w.to.read(ctx, to, append(slices.Clone(infrastructure), inhabitants...))
			return english.Plural(len(w.to.nodes), "node", ""), err
		}},
		{"reading what comes from " + from.Name, func() (string, error) {
			if err := w.from.read(ctx, from, infrastructure); err != nil {
				return "", err
			}
			err := w.in.read(ctx, from, w, o)
			return english.Plural(w.in.count, "object", ""), err
		}},
		{"asking registries for images", func() (string, error) {
			if slices.Contains(o.Skip, "images") && slices.Contains(o.Skip, "architecture") {
				return "skipped", nil
			}
			return w.askRegistries(ctx)
		}},
	}
	for _, s := range steps {
		step := reporter.Step(s.name)
		done, err := s.do()
		if err != nil {
			step.Fail(err)
			return nil, err
		}
		step.Done("%s", done)
	}
	return w, nil
}

// read asks the cluster for its version, what it serves, and the objects of
// these kinds.
func (s *snapshot) read(ctx context.Context, c *transfer.Cluster, kinds []schema.GroupKind) error {
	serves, unreadable, err := c.Resources(ctx)
	if err != nil {
		return err
	}
	s.serves, s.unreadable = serves, append(s.unreadable, unreadable...)
	info, err := c.Version(ctx)
	if err != nil {
		return err
	}
	s.version = info.GitVersion
	// Who may not read it, or a cluster that has no issuer, leaves it open: the
	// check of identities says so where it matters.
	s.issuer, _ = c.Issuer(ctx)
	var wanted []transfer.Resource
	for _, k := range kinds {
		if r, ok := serves[k]; ok {
			wanted = append(wanted, r)
		}
	}
	unreadable, err = c.Look(ctx, wanted, transfer.Selection{}, s.take)
	s.unreadable = append(s.unreadable, unreadable...)
	s.lookForKarpenter()
	slices.SortFunc(s.nodes, func(a, b corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	return err
}

// read lists all that is selected, and keeps what matters of it at once: the
// objects as a whole are not held.
func (in *incoming) read(ctx context.Context, c *transfer.Cluster, w *world, o Options) error {
	portable := transfer.Options{Namespaces: o.Rename, Selects: w.from.selects()}
	in.known = w.from.addresses()
	take := func(u *unstructured.Unstructured) {
		if chosen(u, o.Selection) {
			in.take(u, portable)
		}
	}
	unreadable, err := c.Look(ctx, w.wanted(len(o.Selection.Namespaces) == 0), o.Selection, take)
	in.unreadable = append(in.unreadable, unreadable...)
	if err != nil {
		return err
	}
	if err := in.readNeeded(ctx, c, w, o); err != nil {
		return err
	}
	in.finish()
	return nil
}

// readNeeded notes what a transfer brings along where only some objects are
// selected: the namespaces they are in, and the definitions of their kinds.
func (in *incoming) readNeeded(ctx context.Context, c *transfer.Cluster, w *world, o Options) error {
	for name, namespace := range w.from.namespaces {
		if renamed := o.Rename[name]; renamed != "" {
			name = renamed
		}
		if _, ok := in.namespaces[name]; !ok && in.comesInto(name) {
			in.namespaces[name] = namespace
		}
	}
	definitions, ok := w.from.serves[schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}]
	if !ok || len(o.Selection.Namespaces) == 0 && o.Selection.Labels == "" {
		return nil
	}
	unreadable, err := c.Look(ctx, []transfer.Resource{definitions}, transfer.Selection{}, func(u *unstructured.Unstructured) {
		in.defined[transfer.Defines(u)] = true
	})
	in.unreadable = append(in.unreadable, unreadable...)
	return err
}

// chosen tells whether a transfer takes the object; Namespaces are not in any
// namespace, and are chosen by name.
func chosen(u *unstructured.Unstructured, s transfer.Selection) bool {
	if s.Skip != nil && s.Skip(u) != "" {
		return false
	}
	return u.GetKind() != "Namespace" || len(s.Namespaces) == 0 || slices.Contains(s.Namespaces, u.GetName())
}

// wanted are the kinds of the source that a transfer copies, in a version that
// the target serves, too, where there is one.
func (w *world) wanted(clusterWide bool) []transfer.Resource {
	var all []transfer.Resource
	for _, k := range slices.SortedFunc(maps.Keys(w.from.serves), func(a, b schema.GroupKind) int { return strings.Compare(a.String(), b.String()) }) {
		r := w.from.serves[k]
		if !transfer.Travels(k) || !r.Namespaced && !clusterWide && k != (schema.GroupKind{Kind: "Namespace"}) {
			continue
		}
		if there, ok := w.to.serves[k]; ok && !slices.Contains(there.Versions, r.Version) {
			if i := slices.IndexFunc(r.Versions, func(v string) bool { return slices.Contains(there.Versions, v) }); i >= 0 {
				r.Version = r.Versions[i]
			}
		}
		all = append(all, r)
	}
	return all
}

// selects tells which Services have a selector.
func (s *snapshot) selects() func(namespace, service string) bool {
	set := map[string]bool{}
	for i := range s.services {
		if len(s.services[i].Spec.Selector) > 0 {
			set[s.services[i].Namespace+"/"+s.services[i].Name] = true
		}
	}
	return func(namespace, service string) bool { return set[namespace+"/"+service] }
}
