package platform

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kubefake "k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

func deployment(name string, ready int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name, Generation: 1},
		Spec:       appsv1.DeploymentSpec{Replicas: ptr(int32(1)), Selector: selector(name)},
		Status: appsv1.DeploymentStatus{
			ObservedGeneration: 1, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: ready, AvailableReplicas: ready,
			Conditions: []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue}},
		},
	}
}

func crashing(name string, restarts int32) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name + "-0", UID: "1", Labels: labels(name)},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			RestartCount: restarts,
			State:        corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off"}},
		}}},
	}
}

func waitFor(t *testing.T, objects ...client.Object) wait {
	t.Helper()
	scheme := testScheme(t)
	w := wait{
		client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build(),
		logs:   kubefake.NewClientset(), restarts: map[types.UID]int32{},
	}
	for _, object := range objects {
		if _, ok := object.(*appsv1.Deployment); ok {
			plain, err := toUnstructured(object, scheme)
			if err != nil {
				t.Fatal(err)
			}
			w.workloads = append(w.workloads, plain)
		}
	}
	return w
}

func TestReadyWorkloadsAndFrontDoor(t *testing.T) {
	calls := 0
	frontDoor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { calls++; w.WriteHeader(404) }))
	defer frontDoor.Close()
	w := waitFor(t, deployment("a", 1), deployment("b", 1))
	if err := w.all(t.Context(), frontDoor.URL, progress.Discard.Step("")); err != nil || calls != 1 {
		t.Errorf("%v, %d calls", err, calls)
	}
}

func TestTimeoutNamesTheWorkloadAndWhy(t *testing.T) {
	w := waitFor(t, deployment("fine", 1), deployment("bad", 0), crashing("bad", 7), deployment("none", 0))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := w.all(ctx, "", progress.Discard.Step(""))
	for _, want := range []string{"bad: CrashLoopBackOff back-off", "none: it has no pod yet"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "fine") || fault.HintOf(err) == "" {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
}

func TestSilentFrontDoorIsNamed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := waitFor(t, deployment("a", 1)).all(ctx, "http://127.0.0.1:1/", progress.Discard.Step(""))
	if err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:1/") {
		t.Errorf("got %v", err)
	}
}

func TestOnlyCrashesSinceTheBeginningCount(t *testing.T) {
	w := waitFor(t, deployment("bad", 0), crashing("bad", 7))
	if got := w.crashing(t.Context(), []string{"bad"}); got != "" {
		t.Errorf("crashes of before: %s", got)
	}
	if err := w.client.Status().Update(t.Context(), crashing("bad", 11)); err != nil {
		t.Fatal(err)
	}
	if got := w.crashing(t.Context(), []string{"bad"}); !strings.Contains(got, "bad crashed 4 times") {
		t.Errorf("got %q", got)
	}
}
