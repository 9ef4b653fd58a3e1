package platform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// pollPeriod is how often workloads are looked at while they start.
const pollPeriod = 250 * time.Millisecond

// patience is how often a container may crash before waiting makes no sense.
const patience = 4

// wait is the wait for workloads.
type wait struct {
	client    client.Client
	logs      kubernetes.Interface
	workloads []*unstructured.Unstructured
	// restarts of each pod when it was first seen: crashes of before do not
	// count, the change may have been made to end them.
	restarts map[types.UID]int32
}

// all waits for the workloads, for the front door (if its address is known),
// and for the workloads again: just after a start, the cluster tells of pods
// what was true when it was stopped.
func (w wait) all(ctx context.Context, frontDoor string, step progress.Step) error {
	if err := w.ready(ctx, step); err != nil || frontDoor == "" {
		return err
	}
	step.Update("front door %s", frontDoor)
	for !answers(ctx, frontDoor) {
		select {
		case <-ctx.Done():
			return explain(fmt.Errorf("%w: the front door does not answer at %s", ctx.Err(), frontDoor))
		case <-time.After(pollPeriod):
		}
	}
	return w.ready(ctx, step)
}

// answers says whether HTTP is spoken at the address, whatever is said.
func answers(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return true
}

// ready waits until every workload runs as it should now. It gives up early
// when a container keeps crashing.
func (w wait) ready(ctx context.Context, step progress.Step) error {
	for {
		waiting, err := notReady(ctx, w.client, w.workloads)
		if err == nil && len(waiting) == 0 {
			return nil
		}
		if err != nil && !transient(ctx, err) {
			return err
		}
		step.Count(int64(len(w.workloads)-len(waiting)), int64(len(w.workloads)), "workloads")
		if hopeless := w.crashing(ctx, waiting); hopeless != "" {
			return explain(errors.New(hopeless))
		}
		select {
		case <-ctx.Done():
			return explain(fmt.Errorf("%w: %s", ctx.Err(), w.troubles(context.WithoutCancel(ctx), waiting)))
		case <-time.After(pollPeriod):
		}
	}
}

func explain(cause error) error {
	return fault.New(fault.Failed, "Look closer with `kubectl -n "+Namespace+" describe pods`, then run the same command again.",
		"waiting until Landfall is ready: %w", cause)
}

func workloadsOf(objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	var workloads []*unstructured.Unstructured
	for _, object := range objects {
		switch object.GetKind() {
		case "Deployment", "StatefulSet", "DaemonSet":
			workloads = append(workloads, object)
		}
	}
	return workloads
}

// notReady names the workloads that are not as they should be.
func notReady(ctx context.Context, c client.Client, workloads []*unstructured.Unstructured) ([]string, error) {
	var waiting []string
	for _, workload := range workloads {
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(workload.GroupVersionKind())
		if err := c.Get(ctx, client.ObjectKeyFromObject(workload), live); err != nil {
			return nil, fmt.Errorf("looking at %s %s: %w", workload.GetKind(), workload.GetName(), err)
		}
		result, err := status.Compute(live)
		if err != nil {
			return nil, fmt.Errorf("looking at %s %s: %w", workload.GetKind(), workload.GetName(), err)
		}
		if result.Status != status.CurrentStatus {
			waiting = append(waiting, workload.GetName())
		}
	}
	return waiting, nil
}

// transient says that an error of the API server may go by itself.
func transient(ctx context.Context, err error) bool {
	return ctx.Err() != nil || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err)
}

// crashing describes the first workload whose container crashes for ever.
func (w wait) crashing(ctx context.Context, waiting []string) string {
	for _, name := range waiting {
		for _, pod := range w.pods(ctx, name) {
			for _, container := range pod.Status.ContainerStatuses {
				if _, seen := w.restarts[pod.UID]; !seen {
					w.restarts[pod.UID] = container.RestartCount
				}
				crashes := container.RestartCount - w.restarts[pod.UID]
				if crashes >= patience && container.State.Waiting != nil {
					return fmt.Sprintf("%s crashed %d times; its last words: %s", name, crashes, w.lastWords(ctx, &pod))
				}
			}
		}
	}
	return ""
}

// troubles says why each workload is not ready, as far as its pods tell.
func (w wait) troubles(ctx context.Context, waiting []string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	reasons := make([]string, len(waiting))
	for i, name := range waiting {
		reasons[i] = name + ": it has no pod yet"
		for _, pod := range w.pods(ctx, name) {
			reasons[i] = name + ": " + troubleOf(&pod)
		}
	}
	return strings.Join(reasons, "; ")
}

// pods gives none when they cannot be read: they only serve explanations.
func (w wait) pods(ctx context.Context, name string) []corev1.Pod {
	var pods corev1.PodList
	if err := w.client.List(ctx, &pods, client.InNamespace(Namespace), client.MatchingLabels(labels(name))); err != nil {
		return nil
	}
	return pods.Items
}

// lastWords are the last lines of the container that crashed.
func (w wait) lastWords(ctx context.Context, pod *corev1.Pod) string {
	options := &corev1.PodLogOptions{Previous: true, TailLines: ptr(int64(4)), LimitBytes: ptr(int64(4096))}
	text, err := w.logs.CoreV1().Pods(Namespace).GetLogs(pod.Name, options).DoRaw(ctx)
	if err != nil {
		return "not to be had: " + err.Error()
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

func troubleOf(pod *corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return condition.Message
		}
	}
	for _, container := range pod.Status.ContainerStatuses {
		if waiting := container.State.Waiting; waiting != nil && waiting.Reason != "ContainerCreating" {
			return strings.TrimSpace(waiting.Reason + " " + waiting.Message)
		}
	}
	return "its pod is not ready yet"
}
