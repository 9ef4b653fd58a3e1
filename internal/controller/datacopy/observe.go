package datacopy

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/fault"
)

// observe writes how far the Job is into the status.
func (r *Reconciler) observe(ctx context.Context, dc *v1alpha1.DataCopy) (time.Duration, error) {
	// The Job first: what it says is final, is also in the record.
	job := &batchv1.Job{}
	if err := r.Live.Get(ctx, client.ObjectKey{Namespace: dc.Namespace, Name: workName(dc)}, job); err != nil {
		return tryAgain, client.IgnoreNotFound(err)
	}
	state, err := r.state(ctx, dc)
	if err != nil {
		return 0, err
	}
	if state != nil {
		describe(dc, *state)
	}
	for _, condition := range job.Status.Conditions {
		if condition.Status != corev1.ConditionTrue {
			continue
		}
		switch condition.Type {
		case batchv1.JobComplete, batchv1.JobFailed:
			r.ended(dc, state, condition)
			return 0, nil
		}
	}
	return lookAgain, nil
}

// ended says how a copy ended: by what the pod wrote, else by what the Job says.
func (r *Reconciler) ended(dc *v1alpha1.DataCopy, state *batch.State, condition batchv1.JobCondition) {
	switch {
	case condition.Type == batchv1.JobComplete:
		r.finish(dc, v1alpha1.DataCopySucceeded, v1alpha1.ReasonCopied, finished(dc))
	case state != nil && state.Phase == batch.PhaseDifferent:
		r.finish(dc, v1alpha1.DataCopyDifferent, v1alpha1.ReasonDifferent, state.Message)
	case state != nil && state.Phase == batch.PhaseFailed:
		r.finish(dc, v1alpha1.DataCopyFailed, reasonOf(fault.ClassOf(state.Err())), state.Message)
	default:
		r.finish(dc, v1alpha1.DataCopyFailed, v1alpha1.ReasonCopyFailed,
			fmt.Sprintf("its pod did not come to an end: %s (`kubectl logs -n %s job/%s` shows more)", condition.Message, dc.Namespace, workName(dc)))
	}
}

func finished(dc *v1alpha1.DataCopy) string {
	switch dc.Spec.Action {
	case string(batch.Plan):
		return "planned"
	case string(batch.Check):
		return "nothing personal is without a rule"
	case string(batch.Suggest):
		return "rules are drafted"
	}
	return fmt.Sprintf("%s and %s are equal", dc.Status.From, dc.Status.To)
}

// state reads what the pod wrote; nil when it has not written yet.
func (r *Reconciler) state(ctx context.Context, dc *v1alpha1.DataCopy) (*batch.State, error) {
	kept := &corev1.ConfigMap{}
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: dc.Namespace, Name: workName(dc)}, kept)
	if apierrors.IsNotFound(err) || err == nil && kept.Data[batch.StateFile] == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state: %w", err)
	}
	state := &batch.State{}
	if err := json.Unmarshal([]byte(kept.Data[batch.StateFile]), state); err != nil {
		return nil, fmt.Errorf("reading the state: %w", err)
	}
	return state, nil
}

// Limits of what a status lists.
const (
	unitsListed       = 100
	differencesListed = 10
)

// describe puts a state into the status.
func describe(dc *v1alpha1.DataCopy, state batch.State) {
	status := &dc.Status
	status.Phase, status.Message = v1alpha1.DataCopyRunning, underWay(state)
	status.Progress = fmt.Sprintf("%.0f %%", state.Share()*100)
	status.Answer = ""
	if !state.Ended.IsZero() && (dc.Spec.Action == string(batch.Copy) || dc.Spec.Action == string(batch.Verify)) {
		status.Answer = string(state.Answer())
	}
	status.Stores = make([]v1alpha1.DataCopyStore, len(state.Stores))
	for i, store := range state.Stores {
		status.Stores[i] = describeStore(store, state)
	}
}

// underWay names what is being done.
func underWay(state batch.State) string {
	text := ""
	for _, store := range state.Stores {
		if text != "" {
			text += ", "
		}
		text += store.Name + " " + store.State
	}
	return text
}

func describeStore(store batch.StoreState, state batch.State) v1alpha1.DataCopyStore {
	shown := v1alpha1.DataCopyStore{
		Name: store.Name, Kind: string(store.Kind), State: store.State, From: store.From, To: store.To,
		Answer: string(store.Answer), Masked: store.Masked, Message: store.Message,
	}
	at := map[string]int{}
	for i, unit := range store.Units {
		if i == unitsListed {
			break
		}
		at[unit.Name] = i
		shown.Units = append(shown.Units, v1alpha1.DataCopyUnit{Name: unit.Name, Noun: unit.Noun, Done: unit.Done, Total: unit.Total})
	}
	outcome := store.Outcome
	if outcome == nil {
		return shown
	}
	if outcome.Result != nil {
		shown.Retries = outcome.Result.Retries
		for _, unit := range outcome.Result.Units {
			shown.Bytes += unit.Bytes
		}
		if took := outcome.Result.Duration.Seconds(); took > 0 {
			shown.BytesPerSecond = int64(float64(shown.Bytes) / took)
		}
	}
	if outcome.Report != nil {
		for _, unit := range outcome.Report.Units {
			if i, listed := at[unit.Name]; listed {
				u := &shown.Units[i]
				u.Done, u.Total, u.Answer, u.Digest, u.TargetDigest = unit.TargetCount, unit.Count, string(unit.Answer), unit.Digest, unit.TargetDigest
				for _, difference := range unit.Differences[:min(len(unit.Differences), differencesListed)] {
					u.Differences = append(u.Differences, difference.Key+": "+difference.What)
				}
			}
		}
	}
	return shown
}

// resume lets a failed copy go on: its Job and what it was given are made anew,
// its journal stays.
func (r *Reconciler) resume(ctx context.Context, dc *v1alpha1.DataCopy, request string) (time.Duration, error) {
	if err := r.forgetSecrets(ctx, dc); err != nil {
		return 0, err
	}
	job := &batchv1.Job{}
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: dc.Namespace, Name: workName(dc)}, job)
	switch {
	case err == nil && metav1.IsControlledBy(job, dc):
		// In the foreground: the next pod starts when the last one has ended.
		err := r.Client.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationForeground))
		return lookAgain, client.IgnoreNotFound(err)
	case err != nil && !apierrors.IsNotFound(err):
		return 0, fmt.Errorf("reading the Job: %w", err)
	}
	status := &dc.Status
	status.ResumedRequest, status.Phase, status.Message = request, v1alpha1.DataCopyPending, "going on"
	status.FinishedAt, status.Answer = nil, ""
	return lookAgain, nil
}
