package platform

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/fault"
)

// pollPeriod is how often workloads are looked at while they start.
const pollPeriod = 250 * time.Millisecond

// awaitReady waits until every workload runs as it should now.
func awaitReady(ctx context.Context, c client.Client, objects []*unstructured.Unstructured, o Options) error {
	step := o.Progress.Step("wait until ready")
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	workloads := workloadsOf(objects)
	var waiting []string
	for {
		var err error
		if waiting, err = notReady(ctx, c, workloads); err == nil && len(waiting) == 0 {
			step.Done("%d workloads", len(workloads))
			return nil
		}
		if err != nil && !transient(ctx, err) {
			step.Fail(err)
			return err
		}
		step.Count(int64(len(workloads)-len(waiting)), int64(len(workloads)), "workloads")
		select {
		case <-ctx.Done():
			err := explainWait(context.WithoutCancel(ctx), c, waiting, ctx.Err())
			step.Fail(err)
			return err
		case <-time.After(pollPeriod):
		}
	}
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

// explainWait says which workloads are missing and why, as far as their pods
// tell.
func explainWait(ctx context.Context, c client.Client, waiting []string, cause error) error {
	var reasons []string
	for _, name := range waiting {
		reasons = append(reasons, name+": "+podTrouble(ctx, c, name))
	}
	return fault.New(fault.Failed, "Look closer with `kubectl -n "+Namespace+" describe pods`, then run the same command again.",
		"waiting until Landfall is ready: %w: %s", cause, strings.Join(reasons, "; "))
}

func podTrouble(ctx context.Context, c client.Client, name string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var pods corev1.PodList
	if err := c.List(ctx, &pods, client.InNamespace(Namespace), client.MatchingLabels(labels(name))); err != nil {
		return "its pods cannot be read: " + err.Error()
	}
	for i := range pods.Items {
		if trouble := troubleOf(&pods.Items[i]); trouble != "" {
			return trouble
		}
	}
	if len(pods.Items) == 0 {
		return "it has no pod yet"
	}
	return "its pod is not ready yet"
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
	return ""
}
