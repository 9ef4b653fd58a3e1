package environment_test

import (
	"context"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

// TestAPIServerTakesTheStories: a real API server knows every field that is
// rendered, and admits every pod under the security level and quota of its
// namespace. The foundation is applied, the rest is a dry run.
func TestAPIServerTakesTheStories(t *testing.T) {
	for _, story := range []string{"shop", "jobs", "scaling", "chart", "kustomization", "gateway"} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			c := client.WithFieldValidation(kubetest.Client(t, v1alpha1.FieldManager), "Strict")
			in := readInput(t, filepath.Join("testdata", story))
			in.Environment.Spec.Namespace = kubetest.Name(t)
			kubetest.RemoveNamespace(t, in.Environment.Spec.Namespace)
			d, err := environment.Render(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			d.Pin(pins(d.Images()))
			apply(t, c, d.Stages[0].Objects)
			for _, stage := range d.Stages[1:] {
				apply(t, client.NewDryRunClient(c), stage.Objects)
			}
			for _, o := range d.Objects() {
				admitPod(t, client.NewDryRunClient(c), o)
			}
		})
	}
}

func apply(t *testing.T, c client.Client, objects []environment.Object) {
	t.Helper()
	for _, o := range objects {
		u := o.Object.DeepCopy()
		err := c.Apply(context.Background(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(v1alpha1.FieldManager))
		if err != nil && !meta.IsNoMatchError(err) { // a kind that this cluster does not have
			t.Errorf("%s %s: %v", u.GetKind(), u.GetName(), err)
		}
	}
}

// admitPod creates the pod that a workload would make, as a dry run.
func admitPod(t *testing.T, c client.Client, o environment.Object) {
	t.Helper()
	template, err := environment.PodOf(o.Object)
	if err != nil {
		t.Fatal(err)
	}
	if template == nil || o.Component == "" {
		return
	}
	kubetest.Eventually(t, func() string { // a new quota is not enforced at once
		pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
		pod.Namespace, pod.GenerateName = o.Object.GetNamespace(), "x-"
		// Accounts of charts are not there in a dry run.
		pod.Spec.ServiceAccountName = ownAccount
		if err := c.Create(context.Background(), pod); err != nil {
			return o.Component + ": " + err.Error()
		}
		return ""
	})
}

const ownAccount = "landfall"
