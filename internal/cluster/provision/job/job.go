// Package job runs Terraform in a pod of the management cluster instead of on
// the machine of whoever asks: near the credentials, and going on when a laptop
// is closed. A Runner makes the Job, follows its pods and asks for approval; in
// the pod Serve does the work by a provision.Provisioner. Between them are lines
// of JSON, the pod's log. Start at Runner, then Serve.
package job

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/cluster/terraform"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Operations of a Request.
const (
	opPlan    = "plan"
	opApply   = "apply"
	opDestroy = "destroy"
	opDrift   = "drift"
	opUnlock  = "unlock"
)

// Request is what a pod is to do; of the options, those of the operation count.
type Request struct {
	Operation string                   `json:"operation"`
	Cluster   string                   `json:"cluster"`
	Plan      provision.PlanOptions    `json:"plan"`
	Apply     provision.ApplyOptions   `json:"apply"`
	Destroy   provision.DestroyOptions `json:"destroy"`
	// Force of Unlock.
	Force bool `json:"force,omitempty"`
}

// Options are what a Runner works with.
type Options struct {
	// Client and Kube of the management cluster.
	Client client.Client
	Kube   kubernetes.Interface
	// By is who asks; the lock names them.
	By string
	// Unasked: what the pod shows is approved beforehand.
	Unasked bool
}

// Runner does what a provision.Provisioner does, in Jobs. Safe for concurrent
// use. A Job whose follower goes away goes on; asking for the same again follows
// it. Errors are those that the Provisioner gave in the pod: their class, text
// and hint; and fault.Refused for a Cluster whose module or state a pod cannot
// reach.
type Runner struct{ Options }

// New makes a Runner.
func New(opts Options) *Runner { return &Runner{opts} }

// Plan is provision.Provisioner's.
func (r *Runner) Plan(ctx context.Context, name string, opts provision.PlanOptions, reporter progress.Reporter) (*provision.Planned, error) {
	return answered[provision.Planned](ctx, r, Request{Operation: opPlan, Cluster: name, Plan: opts}, nil, reporter)
}

// Drift is provision.Provisioner's.
func (r *Runner) Drift(ctx context.Context, name string, reporter progress.Reporter) (*provision.Planned, error) {
	return answered[provision.Planned](ctx, r, Request{Operation: opDrift, Cluster: name}, nil, reporter)
}

// Apply is provision.Provisioner's. Without opts.Approve nothing has to be
// approved.
func (r *Runner) Apply(ctx context.Context, name string, opts provision.ApplyOptions, reporter progress.Reporter) (*provision.Planned, error) {
	return answered[provision.Planned](ctx, r, Request{Operation: opApply, Cluster: name, Apply: opts}, decide(opts.Approve), reporter)
}

// Destroy is provision.Provisioner's.
func (r *Runner) Destroy(ctx context.Context, name string, opts provision.DestroyOptions, reporter progress.Reporter) error {
	_, err := r.run(ctx, Request{Operation: opDestroy, Cluster: name, Destroy: opts}, decide(opts.Approve), reporter)
	return err
}

// Unlock is provision.Provisioner's, where only a pod reaches the state. What was
// found is not given with an error.
func (r *Runner) Unlock(ctx context.Context, name string, force bool, reporter progress.Reporter) (*provision.Unlocked, error) {
	return answered[provision.Unlocked](ctx, r, Request{Operation: opUnlock, Cluster: name, Force: force}, nil, reporter)
}

// approve shows what is to be done, as it came from the pod; an error stops.
type approve func(ctx context.Context, shown json.RawMessage) error

// decide lets somebody decide who expects a value.
func decide[T any](ask func(context.Context, *T) error) approve {
	if ask == nil {
		return nil
	}
	return func(ctx context.Context, shown json.RawMessage) error {
		value := new(T)
		if err := json.Unmarshal(shown, value); err != nil {
			return fmt.Errorf("reading what the pod shows: %w", err)
		}
		return ask(ctx, value)
	}
}

// answered runs a request, and gives what the pod answers.
func answered[T any](ctx context.Context, r *Runner, request Request, ask approve, reporter progress.Reporter) (*T, error) {
	text, err := r.run(ctx, request, ask, reporter)
	if err != nil || len(text) == 0 {
		return nil, err
	}
	answer := new(T)
	if err := json.Unmarshal(text, answer); err != nil {
		return nil, fmt.Errorf("reading the pod's answer: %w", err)
	}
	return answer, nil
}

// run finds the Job that does this already, or makes one, and follows it to its
// end.
func (r *Runner) run(ctx context.Context, request Request, ask approve, reporter progress.Reporter) (json.RawMessage, error) {
	name, err := r.underWay(ctx, request)
	if err != nil {
		return nil, err
	}
	if name != "" {
		reporter.Note("following Job %s/%s, which does this already", provision.Namespace, name)
	} else if name, err = r.start(ctx, request, ask == nil); err != nil {
		return nil, err
	}
	f := &follower{r: r, job: name, request: request, ask: ask, player: player{reporter: reporter}}
	return f.toTheEnd(ctx)
}

// start makes the Job for a request.
func (r *Runner) start(ctx context.Context, request Request, unasked bool) (string, error) {
	cluster := &v1alpha1.Cluster{}
	err := r.Client.Get(ctx, client.ObjectKey{Name: request.Cluster}, cluster)
	if client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("reading cluster %s: %w", request.Cluster, err)
	}
	var archive []byte
	if spec := cluster.Spec.Terraform; spec != nil {
		if err := Check(cluster.Name, spec); err != nil {
			return "", err
		}
		if terraform.IsFolder(spec.Module) {
			if archive, err = pack(spec.Module); err != nil {
				return "", err
			}
		}
	}
	image, err := r.landfallImage(ctx)
	if err != nil {
		return "", err
	}
	wanted := made{request: request, by: r.By, unasked: unasked || r.Unasked, archive: archive, landfall: image}
	if spec := cluster.Spec.Terraform; spec != nil && spec.Job != nil {
		wanted.pod = *spec.Job
	}
	return r.create(ctx, wanted)
}

// Check refuses what is on one machine only: a pod cannot reach it.
func Check(name string, spec *v1alpha1.Terraform) error {
	refuse := func(hint, format string, args ...any) error {
		return fault.New(fault.Refused, hint, "running Terraform for cluster %s in a pod: "+format, append([]any{name}, args...)...)
	}
	if spec.Module == "local" {
		return refuse("Leave out --in-cluster.", "module local makes clusters on the machine that runs it")
	}
	backend := spec.Backend
	if backend == nil {
		return nil
	}
	if backend.Type == "local" {
		return refuse("Leave out spec.terraform.backend: the state is then a Secret of the management cluster. `terraform state push` brings it there.", "backend local keeps the state on one machine")
	}
	for _, file := range []string{"config_path", "config_paths"} {
		if backend.Type == "kubernetes" && backend.Config[file] != "" {
			return refuse("Leave it out for the management cluster's own.", "its backend reads the kubeconfig %s of one machine", backend.Config[file])
		}
	}
	return nil
}
