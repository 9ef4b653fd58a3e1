package replace

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/preflight"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
)

// check makes sure that there are two clusters, that both answer, and that
// environments keep their hostnames.
func (x *run) check(ctx context.Context, _ progress.Step) (string, error) {
	if err := answers(x.new); err != nil {
		return "", err
	}
	from, leaving := x.from, x.journal.begun(StepFinish)
	if x.old == nil {
		from = ""
	} else if err := answers(x.old); err != nil {
		if !leaving {
			return "", err
		}
		from = ""
	}
	var err error
	if x.sides, err = x.Connect(ctx, from, x.to); err != nil {
		return "", err
	}
	switch {
	case from == "":
		return "cluster " + x.from + " is gone", nil
	case leaving:
		return "both answer", nil
	}
	return x.fit(ctx)
}

// fit tells whether the sides fit together.
func (x *run) fit(ctx context.Context) (string, error) {
	same, err := x.sides.Same(ctx)
	if err != nil {
		return "", err
	}
	if same {
		return "", fault.New(fault.Invalid, "Look at their kubeconfigs: `landfall cluster get`.", "%s and %s are the same cluster", x.from, x.to)
	}
	envs, err := x.environmentsOf(ctx)
	if err != nil {
		return "", err
	}
	for i := range envs {
		if err := x.keepsHostnames(&envs[i]); err != nil && !slices.Contains(x.wishes.Accept, "routing") {
			return "", err
		}
	}
	return fmt.Sprintf("both answer; %s to move", english.Plural(len(envs), "environment", "")), nil
}

// keepsHostnames tells whether an environment is reached by the same names there.
func (x *run) keepsHostnames(env *v1alpha1.Environment) error {
	if len(env.Status.URLs) == 0 {
		return nil
	}
	const hint = "Give it spec.hostname, or let it get another one with --accept routing."
	here, there := x.old.Spec.Routing, x.new.Spec.Routing
	switch {
	case there == nil:
		return fault.New(fault.Refused, "Say how its hostnames are reached (spec.routing), or go on with --accept routing.", "environment %s has hostnames, and cluster %s has no routing", key(env), x.to)
	case env.Spec.Hostname == "" && here != nil && here.Domain != there.Domain:
		return fault.New(fault.Refused, hint, "environment %s would leave %s for %s", key(env), here.Domain, there.Domain)
	}
	return nil
}

// preflight is a gate: nothing moves that would break there.
func (x *run) preflight(ctx context.Context, _ progress.Step) (string, error) {
	skip, accepted := []string{}, x.wishes.Accept
	names, _ := preflight.Checks()
	for _, name := range accepted {
		if slices.Contains(names, name) {
			skip = append(skip, name)
		}
	}
	report, err := x.sides.Preflight(ctx, preflight.Options{Selection: transfer.Selection{Skip: stays}, Skip: skip})
	if err != nil {
		return "", err
	}
	x.report.Preflight = report
	if report.Answer == result.Holds {
		return report.Outcome(), nil
	}
	first := report.Findings[0]
	what := first.What
	if len(first.Objects) > 0 {
		what = strings.Join(first.Objects, ", ") + ": " + what
	}
	return "", fault.New(fault.NotHolding, fmt.Sprintf("`landfall cluster preflight %s %s` shows all; --accept %s goes on all the same. %s", x.from, x.to, first.Check, first.Remedy),
		"%s, first: %s", report.Outcome(), what)
}

// stays leaves what Landfall itself is on the cluster that it runs in.
func stays(u *unstructured.Unstructured) string {
	const reason = "is Landfall's own"
	group := u.GroupVersionKind().Group
	switch {
	case group == v1alpha1.GroupVersion.Group, u.GetNamespace() == systemNamespace,
		u.GetKind() == "Namespace" && u.GetName() == systemNamespace,
		strings.HasSuffix(u.GetName(), "."+v1alpha1.GroupVersion.Group):
		return reason
	case u.GetLabels()[v1alpha1.LabelManagedBy] == v1alpha1.FieldManager && u.GetLabels()[v1alpha1.LabelEnvironment] == "":
		return reason
	}
	return ""
}

const systemNamespace = "landfall-system"

// managed tells which environment an object belongs to.
func managed(u *unstructured.Unstructured) string {
	labels := u.GetLabels()
	if project, name := labels[v1alpha1.LabelProject], labels[v1alpha1.LabelEnvironment]; project != "" && name != "" {
		return fmt.Sprintf("environment %s/%s manages it", project, name)
	}
	return stays(u)
}

// addons gives the new cluster what the old one has, and waits for it.
func (x *run) addons(ctx context.Context, shown progress.Step) (string, error) {
	wanted := x.old.Spec.Addons
	if wanted == nil {
		return "none", nil
	}
	has := x.new.Spec.Addons
	switch {
	case has == nil:
		before := x.new.DeepCopy()
		x.new.Spec.Addons = wanted.DeepCopy()
		if err := x.Client.Patch(ctx, x.new, client.MergeFrom(before)); err != nil {
			return "", fmt.Errorf("giving cluster %s its add-ons: %w", x.to, err)
		}
	case !equality.Semantic.DeepEqual(has, wanted):
		return "", fault.New(fault.Refused, "Let both name the same, or leave them empty on the new one.", "clusters %s and %s have different add-ons: %s/%s and %s/%s", x.from, x.to, wanted.Project, wanted.Blueprint, has.Project, has.Blueprint)
	}
	env := &v1alpha1.Environment{}
	env.Namespace, env.Name = wanted.Project, addonsOf(x.to)
	err := x.poll(ctx, func() (bool, error) {
		if err := x.Client.Get(ctx, client.ObjectKeyFromObject(env), env); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		how, message := arrivedOn(env, x.to)
		shown.Update("%s", message)
		if how == stuck {
			return false, fault.New(fault.Failed, "`landfall env get "+env.Name+" -n "+env.Namespace+"` shows more.", "add-ons of cluster %s: %s", x.to, message)
		}
		return how == arrived, nil
	})
	return "release " + env.Status.Release + " runs", err
}

// transfer copies what no environment manages and is not beside one: for that
// the environments' namespaces must be there first.
func (x *run) transfer(ctx context.Context, shown progress.Step) (string, error) {
	envs, err := x.environmentsOf(ctx)
	if err != nil {
		return "", err
	}
	return x.copy(ctx, shown, transfer.Selection{Skip: beside(homesOf(envs))})
}

// rest copies what people put into the namespaces of environments.
func (x *run) rest(ctx context.Context, shown progress.Step) (string, error) {
	envs, err := x.environmentsOf(ctx)
	if err != nil || len(envs) == 0 {
		return "nothing", err
	}
	return x.copy(ctx, shown, transfer.Selection{Namespaces: homesOf(envs), Skip: managed})
}

func homesOf(envs []v1alpha1.Environment) []string {
	var homes []string
	for i := range envs {
		homes = append(homes, namespaceOf(&envs[i]))
	}
	slices.Sort(homes)
	return slices.Compact(homes)
}

func (x *run) copy(ctx context.Context, shown progress.Step, s transfer.Selection) (string, error) {
	done, err := x.sides.Copy(ctx, s, transfer.Execution{Replace: x.wishes.Replace}, within{shown})
	if err != nil {
		return "", err
	}
	x.namespaces = append(x.namespaces, done.Namespaces...)
	return fmt.Sprintf("%s written, %d there already", english.Plural(done.Written, "object", ""), done.There), nil
}

// environments moves them all at once, and waits until each runs there.
func (x *run) environments(ctx context.Context, shown progress.Step) (string, error) {
	return x.settle(ctx, shown, x.to)
}

// settle lets all environments of the replacement run on a cluster.
func (x *run) settle(ctx context.Context, shown progress.Step, cluster string) (string, error) {
	envs, err := x.environmentsOf(ctx)
	if err != nil {
		return "", err
	}
	for i := range envs {
		if err := x.send(ctx, &envs[i], cluster); err != nil {
			return "", err
		}
	}
	var ready int
	err = x.poll(ctx, func() (bool, error) {
		ready = 0
		for i := range envs {
			env := &envs[i]
			if err := x.Client.Get(ctx, client.ObjectKeyFromObject(env), env); err != nil {
				return false, fmt.Errorf("waiting for environment %s: %w", key(env), err)
			}
			switch how, message := arrivedOn(env, cluster); how {
			case arrived:
				ready++
			case stuck:
				return false, fault.New(fault.Failed, fmt.Sprintf("`landfall env get %s -n %s` shows more; the same command goes on.", env.Name, env.Namespace),
					"environment %s does not run on %s: %s", key(env), cluster, message)
			default:
				shown.Update("%d of %d; %s: %s", ready, len(envs), key(env), message)
			}
		}
		return ready == len(envs), nil
	})
	return english.Plural(len(envs), "environment", "") + " on " + cluster, err
}

func (x *run) send(ctx context.Context, env *v1alpha1.Environment, cluster string) error {
	if env.Spec.Cluster == cluster {
		return nil
	}
	before := env.DeepCopy()
	env.Spec.Cluster = cluster
	if err := x.Client.Patch(ctx, env, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("moving environment %s to %s: %w", key(env), cluster, err)
	}
	return nil
}

// poll waits until done; errors end it.
func (x *run) poll(ctx context.Context, done func() (bool, error)) error {
	return wait.PollUntilContextCancel(ctx, x.Every, true, func(context.Context) (bool, error) { return done() })
}

// within shows the steps of a part in one step of the whole.
type within struct{ shown progress.Step }

// Step is part of progress.Reporter.
func (w within) Step(name string) progress.Step {
	w.shown.Update("%s", name)
	return part{w.shown, name}
}

// Note is part of progress.Reporter.
func (w within) Note(format string, args ...any) { w.shown.Update(format, args...) }

// part is a step of a part: its end is not that of the whole.
type part struct {
	progress.Step
	name string
}

// Count is part of progress.Step. It says what is counted: one after another
// several parts count the same things.
func (p part) Count(done, total int64, unit string) {
	p.Step.Count(done, total, fmt.Sprintf("%s (%s)", unit, p.name))
}

// Done is part of progress.Step.
func (part) Done(string, ...any) {}

// Fail is part of progress.Step.
func (part) Fail(error) {}
