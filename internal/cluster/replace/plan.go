package replace

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/progress"
)

// World is what a plan is made from.
type World struct {
	From, To *v1alpha1.Cluster
	// Steps of the journal, if it was begun.
	Steps        []v1alpha1.ReplacementStep
	Environments []v1alpha1.Environment
	// Migrations that move traffic between the two, and those that were given.
	Migrations []v1alpha1.Migration
	// Write, There and Conflicts count the objects that no environment manages.
	Write, There, Conflicts int
	Wishes                  Wishes
}

// Planned is what one step will do.
type Planned struct {
	Name string `json:"name"`
	// State it is in already.
	State string `json:"state"`
	// What it will do, in words.
	What string `json:"what"`
}

// Plan says what each step will do. It is pure.
func Plan(w World) []Planned {
	what := map[string]func(World) string{
		StepCheck:        func(World) string { return "ask both clusters, and whether hostnames stay" },
		StepPreflight:    planPreflight,
		StepAddons:       planAddons,
		StepTransfer:     planTransfer,
		StepEnvironments: planEnvironments,
		StepRest:         func(World) string { return "write what people put into the environments' namespaces" },
		StepParity:       func(World) string { return "compare; go on only where both are equal" },
		StepTraffic:      planTraffic,
		StepConfirm:      planConfirm,
		StepFinish:       planFinish,
		StepRemove:       planRemove,
	}
	planned := make([]Planned, len(Steps))
	for i, s := range Steps {
		planned[i] = Planned{Name: s.Name, State: stateIn(w.Steps, s.Name), What: what[s.Name](w)}
	}
	return planned
}

func stateIn(steps []v1alpha1.ReplacementStep, name string) string {
	for _, s := range steps {
		if s.Name == name {
			return s.State
		}
	}
	return Pending
}

func planPreflight(w World) string {
	text := "look for what would break"
	if len(w.Wishes.Accept) > 0 {
		text += ", but for " + strings.Join(w.Wishes.Accept, ", ")
	}
	return text
}

func planAddons(w World) string {
	if w.From == nil || w.From.Spec.Addons == nil {
		return "none"
	}
	a := w.From.Spec.Addons
	text := fmt.Sprintf("wait for blueprint %s/%s", a.Project, a.Blueprint)
	if w.To.Spec.Addons == nil {
		text = fmt.Sprintf("give it blueprint %s/%s, and wait for it", a.Project, a.Blueprint)
	}
	return text
}

func planTransfer(w World) string {
	text := fmt.Sprintf("write %s, %d there already", english.Plural(w.Write, "object", ""), w.There)
	switch {
	case w.Conflicts > 0 && w.Wishes.Replace:
		text += fmt.Sprintf(", replace %d that differ", w.Conflicts)
	case w.Conflicts > 0:
		text += fmt.Sprintf("; %d differ there: refused without --replace", w.Conflicts)
	}
	return text
}

func planEnvironments(w World) string {
	var move, there []string
	for i := range w.Environments {
		env := &w.Environments[i]
		if clusterOf(env) == w.To.Name {
			there = append(there, key(env))
		} else {
			move = append(move, key(env))
		}
	}
	switch {
	case len(move) == 0 && len(there) == 0:
		return "none"
	case len(move) == 0:
		return "all there: " + listed(there)
	}
	text := "move " + listed(move)
	if len(there) > 0 {
		text += "; there already: " + listed(there)
	}
	return text
}

func planTraffic(w World) string {
	var parts, names []string
	for i := range w.Migrations {
		m := &w.Migrations[i]
		names = append(names, m.Spec.Hostname)
		parts = append(parts, fmt.Sprintf("%s by migration %s/%s", m.Spec.Hostname, m.Namespace, m.Name))
	}
	var byHand []string
	for i := range w.Environments {
		for _, name := range hostnamesOf(&w.Environments[i]) {
			if !slices.ContainsFunc(names, func(hostname string) bool { return moves(hostname, name) }) {
				byHand = append(byHand, name)
			}
		}
	}
	slices.Sort(byHand)
	if byHand = slices.Compact(byHand); len(byHand) > 0 && !w.Wishes.TrafficSwitched {
		parts = append(parts, "a person leads "+listed(byHand)+" there")
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, "; ")
}

func planConfirm(w World) string {
	if w.Wishes.Yes {
		return "agreed to beforehand"
	}
	return "ask; until then --undo goes back"
}

func planFinish(w World) string {
	return fmt.Sprintf("let schedules run there, finish %s and %s", english.Plural(len(w.Migrations), "migration", ""), english.Plural(len(w.Environments), "move", ""))
}

func planRemove(w World) string {
	switch {
	case w.From == nil:
		return "it is gone"
	case w.From.Spec.Terraform != nil && w.Wishes.Destroy:
		return "destroy " + w.From.Name
	}
	return w.From.Name + " stays, unused"
}

func listed(names []string) string {
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Look reads the world of a replacement and changes nothing. What is on the old
// cluster is counted where it answers.
func (r *Replacer) Look(ctx context.Context, from, to string, w Wishes, reporter progress.Reporter) (World, error) {
	x, err := r.begin(ctx, from, to, w, reporter)
	if err != nil {
		return World{}, err
	}
	if _, err := x.check(ctx, nil); err != nil {
		return World{}, err
	}
	world := World{From: x.old, To: x.new, Steps: x.journal.Steps, Wishes: w}
	if world.Environments, err = x.environmentsOf(ctx); err != nil {
		return World{}, err
	}
	if world.Migrations, err = x.migrations(ctx); err != nil {
		return World{}, err
	}
	for _, m := range w.Migrations {
		if !slices.ContainsFunc(world.Migrations, func(there v1alpha1.Migration) bool { return there.Namespace == m.Namespace && there.Name == m.Name }) {
			world.Migrations = append(world.Migrations, *m)
		}
	}
	if x.journal.begun(StepFinish) {
		return world, nil
	}
	copied, err := x.sides.Copy(ctx, transfer.Selection{Skip: beside(homesOf(world.Environments))}, transfer.Execution{DryRun: true}, reporter)
	if err != nil {
		return World{}, err
	}
	world.Write, world.There, world.Conflicts = copied.Written, copied.There, copied.Conflicts
	return world, nil
}

// beside leaves out what environments manage, and what is in their namespaces.
func beside(homes []string) func(*unstructured.Unstructured) string {
	return func(u *unstructured.Unstructured) string {
		if slices.Contains(homes, u.GetNamespace()) {
			return "comes once its environment is there"
		}
		return managed(u)
	}
}
