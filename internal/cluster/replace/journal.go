package replace

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

// States of a step.
const (
	Pending = "Pending"
	Running = "Running"
	Done    = "Done"
	Failed  = "Failed"
	// Waiting for a person.
	Waiting = "Waiting"
)

// journal is how far a replacement is, as the new Cluster's status keeps it.
type journal struct {
	v1alpha1.ClusterReplacement
	client  client.Client
	cluster string
	clock   func() metav1.Time
}

// openJournal goes on with the journal that the cluster has, or begins one. It is
// not written before the first step begins.
func (r *Replacer) openJournal(to *v1alpha1.Cluster, from string) (*journal, error) {
	j := &journal{client: r.Client, cluster: to.Name, clock: func() metav1.Time { return metav1.NewTime(r.Clock()) }}
	before := to.Status.Replaces
	switch {
	case before == nil, before.Cluster != from && settled(before), TakenBack(before):
		j.ClusterReplacement = v1alpha1.ClusterReplacement{Cluster: from, StartedAt: j.clock()}
		for _, s := range Steps {
			j.Steps = append(j.Steps, v1alpha1.ReplacementStep{Name: s.Name, State: Pending})
		}
	case before.Cluster != from:
		return nil, fault.New(fault.Refused, fmt.Sprintf("Go on with it, or take it back: `landfall cluster migrate %s %s --undo`.", before.Cluster, to.Name),
			"cluster %s is on its way to replace %s", to.Name, before.Cluster)
	default:
		j.ClusterReplacement = *before.DeepCopy()
	}
	return j, nil
}

// settled tells whether a replacement is over, or was taken back.
func settled(r *v1alpha1.ClusterReplacement) bool { return Over(r) || TakenBack(r) }

// Over tells whether a replacement has come to its end.
func Over(r *v1alpha1.ClusterReplacement) bool { return allAre(r, Done) }

// TakenBack tells whether a replacement was undone, and not begun again.
func TakenBack(r *v1alpha1.ClusterReplacement) bool { return allAre(r, Pending) }

func allAre(r *v1alpha1.ClusterReplacement, state string) bool {
	return !slices.ContainsFunc(r.Steps, func(s v1alpha1.ReplacementStep) bool { return s.State != state })
}

func (j *journal) step(name string) *v1alpha1.ReplacementStep {
	for i := range j.Steps {
		if j.Steps[i].Name == name {
			return &j.Steps[i]
		}
	}
	j.Steps = append(j.Steps, v1alpha1.ReplacementStep{Name: name, State: Pending})
	return &j.Steps[len(j.Steps)-1]
}

func (j *journal) state(name string) string   { return j.step(name).State }
func (j *journal) message(name string) string { return j.step(name).Message }

// begun tells whether a step was ever begun.
func (j *journal) begun(name string) bool { return j.state(name) != Pending }

// skips tells whether a step is not looked at again. Gates and what people said
// stay as they were; what fills the new side is not done again once traffic may
// be on it: from then on the parity guard of the migrations watches. All else
// finds out by itself that it is done.
func (j *journal) skips(name string) bool {
	if j.state(name) != Done {
		return false
	}
	switch {
	case name == StepPreflight, name == StepConfirm:
		return true
	case fills(name):
		return j.begun(StepTraffic) && j.state(StepTraffic) != Failed
	case name == StepTraffic:
		return j.state(StepConfirm) == Done
	}
	return false
}

// fills tells whether a step fills the new side, or compares what fills it.
func fills(step string) bool {
	return slices.Contains([]string{StepAddons, StepTransfer, StepEnvironments, StepRest, StepParity}, step)
}

// write notes a step's state on the Cluster.
func (j *journal) write(ctx context.Context, name, state, message string) error {
	at := j.clock()
	s := j.step(name)
	s.State, s.Message, s.At = state, shortened(message), &at
	return j.store(ctx)
}

// restart forgets all steps: the replacement was taken back.
func (j *journal) restart(ctx context.Context) error {
	for i := range j.Steps {
		j.Steps[i] = v1alpha1.ReplacementStep{Name: j.Steps[i].Name, State: Pending}
	}
	return j.store(ctx)
}

func (j *journal) store(ctx context.Context) error {
	err := retry.OnError(retry.DefaultBackoff, retriable, func() error {
		c := &v1alpha1.Cluster{}
		if err := j.client.Get(ctx, client.ObjectKey{Name: j.cluster}, c); err != nil {
			return err
		}
		before := c.DeepCopy()
		c.Status.Replaces = j.ClusterReplacement.DeepCopy()
		return j.client.Status().Patch(ctx, c, client.MergeFrom(before))
	})
	if err != nil {
		return fmt.Errorf("writing the journal into cluster %s: %w", j.cluster, err)
	}
	return nil
}

// retriable: the API server may be away for a moment.
func retriable(err error) bool { return client.IgnoreNotFound(err) != nil }

// maxMessage keeps the journal readable.
const maxMessage = 1000

func shortened(message string) string {
	if len(message) > maxMessage {
		return message[:maxMessage-3] + "..."
	}
	return message
}
