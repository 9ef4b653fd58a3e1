package provision

import (
	"context"
	"errors"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/landfall-dev/landfall/internal/cluster/terraform"
)

func TestWhetherAHolderInAPodIsAlive(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	pod := func(phase corev1.PodPhase) []client.Object {
		return []client.Object{&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: "terraform-x"}, Status: corev1.PodStatus{Phase: phase}}}
	}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "terraform-x", errors.New("no"))
	for name, test := range map[string]struct {
		pods   []client.Object
		err    error
		seen   time.Duration
		alive  bool
		listen time.Duration
	}{
		"runs":                         {pods: pod(corev1.PodRunning), seen: time.Second, alive: true},
		"failed a moment ago":          {pods: pod(corev1.PodFailed), seen: time.Second},
		"succeeded":                    {pods: pod(corev1.PodSucceeded), seen: time.Second},
		"runs, silent":                 {pods: pod(corev1.PodRunning), seen: time.Minute, listen: beat + beat/2},
		"deleted a moment ago":         {seen: 5 * time.Second, listen: expiry - 5*time.Second},
		"deleted long ago":             {seen: time.Minute, listen: beat + beat/2},
		"may not be asked for":         {err: forbidden, seen: time.Second, alive: true},
		"may not be asked for, silent": {err: forbidden, seen: time.Minute, listen: beat + beat/2},
	} {
		t.Run(name, func(t *testing.T) {
			cl := fake.NewClientBuilder().WithObjects(test.pods...).WithInterceptorFuncs(interceptor.Funcs{
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
					if test.err != nil {
						return test.err
					}
					return c.Get(ctx, key, o, opts...)
				},
			}).Build()
			p := New(Options{Client: cl, Clock: func() time.Time { return now }})
			lock := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{annotationPod: "terraform-x"}}}
			holder := Holder{Seen: now.Add(-test.seen)}
			listen, err := p.judge(t.Context(), lock, &holder)
			if err != nil || listen != test.listen || holder.Alive != test.alive {
				t.Errorf("alive %v (%s), listen %s, %v; want %v and %s", holder.Alive, holder.Why, listen, err, test.alive, test.listen)
			}
			if listen == 0 && holder.Why == "" {
				t.Error("it does not say why")
			}
		})
	}
}

func TestWhoseLockOfTheStateIsReleased(t *testing.T) {
	for name, test := range map[string]struct {
		previous *Holder
		locked   string
		theirs   bool
	}{
		"the dead one's":              {&Holder{Who: "ann@laptop (pid 7)"}, "ann@laptop", true},
		"somebody else's there":       {&Holder{Who: "ann@laptop (pid 7)"}, "bob@laptop", false},
		"elsewhere":                   {&Holder{Who: "ann@laptop (pid 7)"}, "ann@laptop2", false},
		"nobody died":                 {nil, "ann@laptop", false},
		"it does not say whose":       {&Holder{Who: "ann@laptop (pid 7)"}, "", false},
		"of a pod, under its user":    {&Holder{Who: "ann@terraform-x (pid 1)", Pod: "terraform-x"}, "nonroot@terraform-x", true},
		"of another pod":              {&Holder{Who: "ann@terraform-x (pid 1)", Pod: "terraform-x"}, "nonroot@terraform-y", false},
		"of a pod, now on her laptop": {&Holder{Who: "ann@terraform-x (pid 1)", Pod: "terraform-x"}, "ann@laptop", false},
	} {
		w := &work{lock: &lease{previous: test.previous}}
		if got := w.leftByTheDead(&terraform.StateLocked{Who: test.locked}); got != test.theirs {
			t.Errorf("%s: %v", name, got)
		}
	}
}
