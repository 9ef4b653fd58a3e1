package baseline

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/baseline"
	"github.com/landfall-dev/landfall/internal/baseline/check"
	"github.com/landfall-dev/landfall/internal/baseline/objective"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/kube"
	"github.com/landfall-dev/landfall/internal/result"
)

// partChecks is the name of the checks' part.
const partChecks = "checks"

// Bounds of what is written into a status.
const (
	maxFindings = 50
	maxText     = 300
)

// look is one look at one environment.
type look struct {
	*Reconciler
	env      *v1alpha1.Environment
	now      time.Time
	previous *v1alpha1.BaselineStatus
	status   *v1alpha1.BaselineStatus
}

func newLook(r *Reconciler, env *v1alpha1.Environment, name string) *look {
	l := &look{Reconciler: r, env: env, now: r.Clock(), status: &v1alpha1.BaselineStatus{Name: name}}
	if before := env.Status.Baseline; before != nil && before.Name == name {
		l.previous = before
	}
	return l
}

// unknown is an answer that could not be had. Objectives keep their counts.
func (l *look) unknown(reason string) *v1alpha1.BaselineStatus {
	l.status.Answer, l.status.Reason = v1alpha1.AnswerUnknown, shorten(reason)
	if l.previous != nil {
		l.status.Objectives = l.previous.Objectives
	}
	return l.status
}

// keep leaves what was known: while something new is being deployed it says
// nothing about that.
func (l *look) keep(orElse string) *v1alpha1.BaselineStatus {
	if l.previous != nil {
		return l.previous
	}
	return l.unknown(orElse)
}

// wait is how long the last look is recent enough; none when something else
// runs, or is asked, by now.
func (l *look) wait(d definition) time.Duration {
	if l.previous == nil || l.previous.CheckedAt == nil || l.previous.Generation != d.generation || l.previous.Reason != "" {
		return 0
	}
	for _, part := range l.previous.Parts {
		if part.Release != l.env.Status.Release {
			return 0
		}
	}
	return d.Interval - l.now.Sub(l.previous.CheckedAt.Time)
}

// runChecks asks the environment by HTTP, and counts for the objectives.
func (l *look) runChecks(ctx context.Context, d definition) {
	if d.Checks == nil {
		return
	}
	results := l.askedResults(ctx, d)
	l.addPart(partChecks, results, l.now)
	runs := d.Runs(results)
	for _, o := range d.Objectives {
		l.status.Objectives = append(l.status.Objectives, l.count(o, runs[o.Name]))
	}
}

func (l *look) askedResults(ctx context.Context, d definition) []result.Result {
	options, err := l.options(ctx, d)
	if err != nil {
		return []result.Result{{Group: partChecks, Name: "address", Reason: err.Error()}}
	}
	runner, err := check.NewRunner(d.Checks, options)
	if err != nil {
		return []result.Result{{Group: partChecks, Name: "address", Reason: err.Error()}}
	}
	defer runner.Close()
	return runner.Run(ctx).Results
}

// options say where the environment answers. On our own cluster its Services
// are asked, by the names that people use: those names may lead nowhere from
// here.
func (l *look) options(ctx context.Context, d definition) (check.Options, error) {
	options := check.Options{Now: l.Clock, ReadFile: noFile}
	var err error
	if options.Getenv, err = l.secrets(ctx, l.env.Namespace, d.Secret); err != nil {
		return options, err
	}
	if options.URL, err = d.URL(l.env); err != nil {
		return options, err
	}
	cluster := &v1alpha1.Cluster{}
	if err := l.Client.Get(ctx, client.ObjectKey{Name: environment.Cluster(l.env)}, cluster); err != nil {
		return options, fmt.Errorf("reading cluster %s: %w", environment.Cluster(l.env), err)
	}
	if cluster.Spec.KubeconfigSecret == nil {
		options.Addresses, err = l.services(ctx)
	}
	return options, err
}

// services are the addresses behind the environment's names.
func (l *look) services(ctx context.Context) (map[string]string, error) {
	target, err := l.Target(ctx, environment.Cluster(l.env))
	if err != nil {
		return nil, err
	}
	addresses := map[string]string{}
	for host, component := range baseline.Hosts(l.env) {
		service := &corev1.Service{}
		key := client.ObjectKey{Namespace: l.env.Status.Namespace, Name: component}
		if err := target.Client.Get(ctx, key, service); err != nil {
			return nil, fmt.Errorf("finding where %s answers: %w", component, err)
		}
		if len(service.Spec.Ports) == 0 || net.ParseIP(service.Spec.ClusterIP) == nil {
			return nil, fmt.Errorf("finding where %s answers: Service %s has no address of its own", component, service.Name)
		}
		addresses[host] = net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(int(servicePort(service))))
	}
	return addresses, nil
}

// servicePort is that of HTTP.
func servicePort(service *corev1.Service) int32 {
	for _, port := range service.Spec.Ports {
		if port.Name == "http" {
			return port.Port
		}
	}
	return service.Spec.Ports[0].Port
}

func noFile(string) ([]byte, error) {
	return nil, fmt.Errorf("files are not read for a baseline")
}

// verifyHostSpecs compares containers where that is due.
func (l *look) verifyHostSpecs(ctx context.Context, d definition) {
	for _, h := range d.HostSpecs {
		name := "hostSpec " + h.Component
		if done := l.recent(name, d); done != nil {
			l.takeOver(*done)
			continue
		}
		l.addPart(name, l.compared(ctx, h), l.now)
	}
}

// recent is a part that need not be looked at again yet.
func (l *look) recent(name string, d definition) *v1alpha1.BaselinePart {
	if l.previous == nil || l.previous.Generation != d.generation {
		return nil
	}
	for _, part := range l.previous.Parts {
		known := part.Name == name && part.Release == l.env.Status.Release && part.Answer != v1alpha1.AnswerUnknown
		if known && part.CheckedAt != nil && l.now.Sub(part.CheckedAt.Time) < hostSpecsEvery {
			return &part
		}
	}
	return nil
}

func (l *look) takeOver(part v1alpha1.BaselinePart) {
	l.status.Parts = append(l.status.Parts, part)
	for _, finding := range l.previous.Findings {
		if finding.Part == part.Name {
			l.status.Findings = append(l.status.Findings, finding)
		}
	}
}

func (l *look) compared(ctx context.Context, h baseline.HostSpec) []result.Result {
	unknown := func(err error) []result.Result {
		return []result.Result{{Group: "target", Name: "pod", Reason: err.Error()}}
	}
	target, err := l.Target(ctx, environment.Cluster(l.env))
	if err != nil {
		return unknown(err)
	}
	pod, err := kube.ReadyPod(ctx, target.Client, l.env.Status.Namespace, h.Component)
	if err != nil {
		return unknown(err)
	}
	container := cmp.Or(h.Container, pod.Spec.Containers[0].Name)
	return h.Verify(ctx, kube.PodShell{Config: target.Config, Namespace: pod.Namespace, Pod: pod.Name, Container: container})
}

// addPart sums results up; what does not hold becomes a finding.
func (l *look) addPart(name string, results []result.Result, when time.Time) {
	var counts result.Counts
	for _, r := range results {
		counts.Add(r.Answer)
		if r.Answer != result.Holds {
			l.status.Findings = append(l.status.Findings, finding(name, r))
		}
	}
	l.status.Parts = append(l.status.Parts, v1alpha1.BaselinePart{
		Name: name, Answer: v1alpha1.Answer(counts.Answer().String()), CheckedAt: at(when), Release: l.env.Status.Release,
		Holds: int32(counts.Holds), Fails: int32(counts.Fails), Unknown: int32(counts.Unknown),
	})
}

func finding(part string, r result.Result) v1alpha1.BaselineFinding {
	name := r.Group
	if r.Name != "" && r.Name != r.Group {
		name += "/" + r.Name
	}
	return v1alpha1.BaselineFinding{
		Part: part, Name: shorten(name), Answer: v1alpha1.Answer(r.Answer.String()),
		Expected: shorten(r.Expected), Actual: shorten(r.Actual), Reason: shorten(r.Reason),
	}
}

// shorten makes foreign text safe to show and small enough for a status.
func shorten(text string) string {
	text = result.Clean(text)
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText-1]) + "…"
	}
	return text
}

func (l *look) count(o objective.Objective, run [2]int64) v1alpha1.ObjectiveStatus {
	var past []objective.Span
	if l.previous != nil {
		for _, known := range l.previous.Objectives {
			if known.Name == o.Name {
				past = spans(known)
			}
		}
	}
	counted := o.Count(past, l.now, run[0], run[1])
	verdict := o.Judge(counted)
	status := v1alpha1.ObjectiveStatus{
		Name: o.Name, Answer: v1alpha1.Answer(verdict.Answer.String()), Good: verdict.Good, Total: verdict.Total,
	}
	if verdict.Total > 0 {
		status.BudgetLeft = strconv.FormatFloat(verdict.BudgetLeft, 'f', 1, 64)
	}
	for _, s := range counted {
		status.Spans = append(status.Spans, v1alpha1.ObjectiveSpan{Start: metav1.NewTime(s.Start), Good: s.Good, Total: s.Total})
	}
	return status
}

func spans(status v1alpha1.ObjectiveStatus) []objective.Span {
	var all []objective.Span
	for _, s := range status.Spans {
		all = append(all, objective.Span{Start: s.Start.UTC(), Good: s.Good, Total: s.Total})
	}
	return all
}

// conclude gives the answer of all parts and objectives together.
func (l *look) conclude(d definition) *v1alpha1.BaselineStatus {
	var counts result.Counts
	for _, part := range l.status.Parts {
		counts.Add(answer(part.Answer))
	}
	for _, o := range l.status.Objectives {
		counts.Add(answer(o.Answer))
	}
	l.status.Answer = v1alpha1.Answer(counts.Answer().String())
	l.status.CheckedAt = at(l.now)
	l.status.Generation = d.generation
	slices.SortStableFunc(l.status.Findings, func(a, b v1alpha1.BaselineFinding) int { return cmp.Compare(a.Answer, b.Answer) })
	l.status.Findings = l.status.Findings[:min(len(l.status.Findings), maxFindings)]
	return l.status
}

func answer(word v1alpha1.Answer) (a result.Answer) {
	_ = a.UnmarshalText([]byte(word)) // an unknown word is unknown
	return a
}
