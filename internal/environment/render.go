package environment

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Render computes the objects of an environment. Errors are fault.Invalid and
// name the field (spec.components[2].env[0]) or, for charts and
// kustomizations, the file. The context bounds the time that templates take.
//
// The stages are: the foundation (namespace, isolation, quota, configuration),
// definitions of custom kinds, then in the order of runBefore the workloads and
// one-off jobs, with a chart's hooks around them.
func Render(ctx context.Context, in Input) (*Desired, error) {
	if err := Validate(in.Blueprint); err != nil {
		return nil, err
	}
	if err := ValidateEnvironment(in.Blueprint, in.Environment); err != nil {
		return nil, err
	}
	r := newRenderer(in)
	built, err := r.components(ctx)
	if err != nil {
		return nil, err
	}
	foundation, err := r.foundation(built)
	if err != nil {
		return nil, err
	}
	d := &Desired{
		Stages:     append([]Stage{foundation}, stages(in.Blueprint, built)...),
		Components: releaseComponents(in, r.parts),
		URLs:       r.urls(),
	}
	if err := refuseCollisions(d); err != nil {
		return nil, err
	}
	return d, nil
}

// renderer holds what all objects of one environment have in common.
type renderer struct {
	in        Input
	namespace string
	parts     []part
	stores    []v1alpha1.Store
}

func newRenderer(in Input) *renderer {
	return &renderer{
		in:        in,
		namespace: Namespace(in.Environment),
		parts:     parts(in.Blueprint, in.Environment),
		stores:    stores(in.Blueprint, in.Environment),
	}
}

// built is what one component consists of.
type built struct {
	// packaged: a chart or kustomization wrote the objects.
	packaged bool
	// config is content-named and changes nothing that runs.
	config []Object
	// definitions of custom kinds must be there before objects of these kinds.
	definitions []Object
	// before and after are a chart's hooks, in waves.
	before, after [][]Object
	objects       []Object
}

// components builds each component, in the blueprint's order.
func (r *renderer) components(ctx context.Context) ([]built, error) {
	all := make([]built, len(r.parts))
	for i := range r.parts {
		p := &r.parts[i]
		path := field.NewPath("spec", "components").Index(p.index)
		var err error
		switch {
		case p.Image != "":
			all[i], err = r.image(p, path)
		case p.Chart != nil:
			all[i], err = r.chart(ctx, p, path)
		default:
			all[i], err = r.kustomization(ctx, p, path)
		}
		if err != nil {
			return nil, err
		}
		if all[i].packaged {
			r.pullWith(&all[i])
		}
	}
	return all, nil
}

// stages puts the components in the order of runBefore. Within a level the
// workloads go first, so that a job may use a component that does not wait for
// it.
func stages(bp *v1alpha1.Blueprint, all []built) []Stage {
	level := levels(bp.Spec.Components)
	var list []Stage
	list = appendStage(list, "definitions", true, collect(all, func(b built) []Object { return b.definitions }))
	for l := range len(bp.Spec.Components) + 1 {
		var workloads, jobs []int
		for i, c := range bp.Spec.Components {
			switch {
			case level[c.Name] != l:
			case len(c.RunBefore) > 0:
				jobs = append(jobs, i)
			default:
				workloads = append(workloads, i)
			}
		}
		list = append(list, workloadStages(bp, all, workloads)...)
		var objects []Object
		for _, i := range jobs {
			objects = append(objects, all[i].objects...)
		}
		list = appendStage(list, "run "+names(bp, jobs), true, objects)
	}
	return list
}

// workloadStages are the components' objects, with the hooks of charts before
// and after them.
func workloadStages(bp *v1alpha1.Blueprint, all []built, which []int) []Stage {
	var list, after []Stage
	var objects []Object
	for _, i := range which {
		name := bp.Spec.Components[i].Name
		for n, wave := range all[i].before {
			list = appendStage(list, hookStage("before", name, n), true, wave)
		}
		for n, wave := range all[i].after {
			after = appendStage(after, hookStage("after", name, n), true, wave)
		}
		objects = append(objects, all[i].objects...)
	}
	// Hooks that run after an installation expect it to be ready.
	list = appendStage(list, "workloads "+names(bp, which), len(after) > 0, objects)
	return append(list, after...)
}

func hookStage(when, component string, wave int) string {
	if wave == 0 {
		return when + " " + component
	}
	return fmt.Sprintf("%s %s, wave %d", when, component, wave+1)
}

func appendStage(list []Stage, name string, wait bool, objects []Object) []Stage {
	if len(objects) == 0 {
		return list
	}
	return append(list, Stage{Name: name, Objects: objects, Wait: wait})
}

// names lists components for people: the first few, and how many more.
func names(bp *v1alpha1.Blueprint, which []int) string {
	const shown = 3
	var list []string
	for _, i := range which[:min(len(which), shown)] {
		list = append(list, bp.Spec.Components[i].Name)
	}
	text := strings.Join(list, ", ")
	if more := len(which) - len(list); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func collect(all []built, from func(built) []Object) []Object {
	var objects []Object
	for _, b := range all {
		objects = append(objects, from(b)...)
	}
	return objects
}

// releaseComponents are the versions asked for and what they resolved to.
func releaseComponents(in Input, parts []part) []v1alpha1.ReleaseComponent {
	list := make([]v1alpha1.ReleaseComponent, 0, len(parts))
	for _, p := range parts {
		c := v1alpha1.ReleaseComponent{Name: p.Name, Version: p.asked()}
		switch {
		case p.Image != "":
			c.Image = in.Images[p.Name].String()
		case p.Chart != nil:
			chart := in.Charts[p.Name]
			c.Image = chart.String()
			c.Version = cmp.Or(c.Version, chart.Version)
		default:
			c.Image = "kustomization@" + digest(p.Kustomize.Archive)
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b v1alpha1.ReleaseComponent) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// refuseCollisions finds objects that two components would both make.
func refuseCollisions(d *Desired) error {
	type key struct{ kind, group, namespace, name string }
	owners := map[key]string{}
	for _, o := range d.Objects() {
		u := o.Object
		k := key{u.GetKind(), u.GroupVersionKind().Group, u.GetNamespace(), u.GetName()}
		other, taken := owners[k]
		if !taken {
			owners[k] = ownerName(o.Component)
			continue
		}
		return fault.New(fault.Invalid, "Rename one of the components, or what the chart or kustomization calls the object.",
			"%s and %s both make %s %s", other, ownerName(o.Component), k.kind, k.name)
	}
	return nil
}

func ownerName(component string) string {
	if component == "" {
		return "the environment"
	}
	return "component " + component
}
