package kube

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
)

// drift writes differences as a person would read them, one a line.
func drift(differences []v1alpha1.Difference, namespace string) string {
	var lines []string
	for _, d := range differences {
		line := string(d.Kind) + " " + d.Object.Kind + "/" + d.Object.Name + d.Path
		if d.Expected != "" || d.Actual != "" {
			line += " " + d.Expected + " -> " + d.Actual
		}
		if d.Manager != "" {
			line += " by " + d.Manager
		}
		lines = append(lines, strings.ReplaceAll(line, namespace, "NS"))
	}
	return strings.Join(lines, "\n")
}

// edit changes a live object as `kubectl edit` does: by an update of the whole.
func edit[T client.Object](t *testing.T, c client.Client, obj T, namespace, name string, change func(T)) {
	t.Helper()
	kubetest.Eventually(t, func() string {
		if err := c.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name}, obj); err != nil {
			return err.Error()
		}
		change(obj)
		if err := c.Update(context.Background(), obj); err != nil {
			return err.Error()
		}
		return ""
	})
}

func TestDiffFindsEveryKindOfDrift(t *testing.T) {
	editDeployment := func(change func(*appsv1.Deployment)) func(*testing.T, client.Client, string) {
		return func(t *testing.T, c client.Client, ns string) { edit(t, c, &appsv1.Deployment{}, ns, "web", change) }
	}
	container := func(d *appsv1.Deployment) *corev1.Container { return &d.Spec.Template.Spec.Containers[0] }
	const web = "Deployment/web.spec.template.spec.containers[name=web]"
	tests := []struct {
		name string
		do   func(*testing.T, client.Client, string)
		want string
	}{
		{"nothing", func(*testing.T, client.Client, string) {}, ""},
		{"image changed", editDeployment(func(d *appsv1.Deployment) { container(d).Image = "evil:1" }),
			"changed " + web + ".image localkube.internal/pause:1 -> evil:1 by somebody"},
		{"variable added", editDeployment(func(d *appsv1.Deployment) {
			container(d).Env = append(container(d).Env, corev1.EnvVar{Name: "DEBUG", Value: "1"})
		}), "added " + web + `.env[name=DEBUG]  -> {"name":"DEBUG","value":"1"} by somebody`},
		{"variable removed", editDeployment(func(d *appsv1.Deployment) { container(d).Env = container(d).Env[1:] }),
			"removed " + web + `.env[name=COLOR] {"name":"COLOR","value":"blue"} -> `},
		{"secret variable changed", editDeployment(func(d *appsv1.Deployment) { container(d).Env[1].Value = "guessed" }),
			"changed " + web + ".env[name=DB_PASSWORD].value (hidden) -> (hidden) by somebody"},
		{"probe added", editDeployment(func(d *appsv1.Deployment) {
			container(d).LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}}
		}), "added " + web + `.livenessProbe  -> {"failureThreshold":3,"periodSeconds":10,"successThreshold":1,"tcpSocket":{"port":8080},"timeoutSeconds":1} by somebody`},
		{"field left at its default changed", editDeployment(func(d *appsv1.Deployment) {
			surge := intstr.FromString("50%")
			d.Spec.Strategy.RollingUpdate.MaxSurge = &surge
		}), "added Deployment/web.spec.strategy.rollingUpdate.maxSurge  -> 50% by somebody"},
		{"label added", editDeployment(func(d *appsv1.Deployment) { d.Labels["who"] = "me" }),
			"added Deployment/web.metadata.labels.who  -> me by somebody"},
		{"label removed", editDeployment(func(d *appsv1.Deployment) { delete(d.Labels, v1alpha1.LabelEnvironment) }),
			"removed Deployment/web.metadata.labels[landfall.dev/environment] shop -> "},
		{"annotation added to the pods", editDeployment(func(d *appsv1.Deployment) {
			d.Spec.Template.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "now"}
		}), "added Deployment/web.spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]  -> now by somebody"},
		{"port removed", func(t *testing.T, c client.Client, ns string) {
			edit(t, c, &corev1.Service{}, ns, "web", func(s *corev1.Service) { s.Spec.Ports = s.Spec.Ports[:1] })
		}, `removed Service/web.spec.ports[port=9090,protocol=TCP] {"name":"metrics","port":9090,"protocol":"TCP","targetPort":9090} -> `},
		{"secret changed", func(t *testing.T, c client.Client, ns string) {
			edit(t, c, &corev1.Secret{}, ns, "keys", func(s *corev1.Secret) {
				s.Data["password"], s.Data["more"] = []byte("guessed"), []byte("said")
			})
		}, "added Secret/keys.data.more  -> (hidden) by somebody\nchanged Secret/keys.data.password (hidden) -> (hidden) by somebody"},
		{"settings changed by apply", func(t *testing.T, c client.Client, ns string) {
			other := kubetest.Object(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {color: red, extra: x}}")
			other.SetNamespace(ns)
			if err := c.Apply(context.Background(), client.ApplyConfigurationFromUnstructured(other), client.ForceOwnership); err != nil {
				t.Fatal(err)
			}
		}, "changed ConfigMap/settings.data.color blue -> red by somebody\nadded ConfigMap/settings.data.extra  -> x by somebody"},
		{"scaled", scaleTo("web", 4), "changed Deployment/web.spec.replicas 2 -> 4 by somebody"},
		{"scaled although an autoscaler does", scaleTo("auto", 4), ""},
		{"object deleted", func(t *testing.T, c client.Client, ns string) {
			if err := c.Delete(context.Background(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}); err != nil {
				t.Fatal(err)
			}
		}, "missing Service/web"},
		{"objects added", func(t *testing.T, c client.Client, ns string) {
			for _, obj := range in(ns, kubetest.Objects(t, `
{apiVersion: v1, kind: Pod, metadata: {name: debug}, spec: {schedulerName: nobody, containers: [{name: a, image: a}]}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: notes, labels: {landfall.dev/environment: shop, landfall.dev/project: team}}}`)) {
				if err := c.Create(context.Background(), obj); err != nil {
					t.Fatal(err)
				}
			}
		}, "extra ConfigMap/notes by somebody\nextra Pod/debug by somebody"},
		{"kubectl's note of what it applied", editDeployment(func(d *appsv1.Deployment) {
			d.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
		}), ""},
		{"kubectl's note where no annotation was", func(t *testing.T, c client.Client, ns string) {
			edit(t, c, &corev1.ConfigMap{}, ns, "settings", func(m *corev1.ConfigMap) {
				m.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
			})
		}, ""},
		{"controllers' own writing", func(t *testing.T, _ client.Client, ns string) {
			c := kubetest.Client(t, "kube-controller-manager")
			edit(t, c, &appsv1.Deployment{}, ns, "web", func(d *appsv1.Deployment) {
				d.Annotations = map[string]string{"deployment.kubernetes.io/revision": "9"}
			})
			edit(t, c, &corev1.Service{}, ns, "web", func(s *corev1.Service) { s.Finalizers = []string{"example.com/balancer"} })
		}, ""},
		{"status", func(t *testing.T, c client.Client, ns string) {
			patch := client.RawPatch(types.MergePatchType, []byte(`{"status":{"collisionCount":3}}`))
			if err := c.Status().Patch(context.Background(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}, patch); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"same quantity written otherwise", editDeployment(func(d *appsv1.Deployment) {
			container(d).Resources.Requests[corev1.ResourceCPU] = *container(d).Resources.Requests.Cpu()
		}), ""},
	}
	target := testTarget(t)
	c := kubetest.Client(t, "somebody")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ns := kubetest.Name(t)
			kubetest.RemoveNamespace(t, ns)
			objs := append(app(t, ns), kubetest.Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+ns+"}}"))
			owner := testOwner("shop")
			apply(t, target, objs, ApplyOptions{Owner: owner})
			expect := func(when, want string) {
				t.Helper()
				for _, proof := range []bool{true, false} {
					differences, err := target.Diff(testContext(t), objs, DiffOptions{Owner: owner, Namespace: ns, Proof: proof})
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, drift(differences, ns)); diff != "" {
						t.Errorf("%s, proof %v (-want +got):\n%s", when, proof, diff)
					}
					for _, d := range differences {
						// The scale subresource does not tell the time.
						if d.Manager == "somebody" && d.Path != ".spec.replicas" && (d.Time == nil || time.Since(d.Time.Time) > time.Minute) {
							t.Errorf("%s has the time %v", d.Path, d.Time)
						}
					}
				}
			}
			expect("before", "")
			tt.do(t, c, ns)
			// Who removed something is known only where that left a trace.
			expect("after", tt.want)

			if _, err := target.Heal(testContext(t), objs, owner); err != nil {
				t.Fatal(err)
			}
			healed := ""
			if strings.HasPrefix(tt.want, "extra") {
				healed = tt.want
			}
			expect("after healing", healed)
		})
	}
}

func scaleTo(name string, n int32) func(*testing.T, client.Client, string) {
	return func(t *testing.T, c client.Client, ns string) {
		scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: n}}
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
		if err := c.SubResource("scale").Update(context.Background(), d, client.WithSubResourceBody(scale)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDiffIsUnknownWhenTheDryRunFails(t *testing.T) {
	target := testTarget(t)
	ns := kubetest.Namespace(t)
	owner := testOwner("shop")
	objs := app(t, ns)
	apply(t, target, objs, ApplyOptions{Owner: owner})
	_ = unstructured.SetNestedField(named(t, objs, "Service", "web").Object, "not a map", "spec", "selector")
	differences, err := target.Diff(testContext(t), objs, DiffOptions{Owner: owner})
	if err == nil || differences != nil {
		t.Errorf("got %v, %v; want an error and no answer", differences, err)
	}
}

func TestDiffAsksForNoDryRunWhereNothingMoved(t *testing.T) {
	target := testTarget(t)
	ns := kubetest.Namespace(t)
	owner := testOwner("shop")
	objs := app(t, ns)
	apply(t, target, objs, ApplyOptions{Owner: owner})
	look := func() map[string]int64 {
		before := maps.Clone(target.Requests())
		if _, err := target.Diff(testContext(t), objs, DiffOptions{Owner: owner, Namespace: ns}); err != nil {
			t.Fatal(err)
		}
		made := map[string]int64{}
		for verb, n := range target.Requests() {
			made[verb] = n - before[verb]
		}
		return made
	}
	kubetest.Eventually(t, func() string {
		if read(t, target, named(t, objs, "Deployment", "web")).GetAnnotations()["deployment.kubernetes.io/revision"] == "" {
			return "the Deployment was not noticed"
		}
		return ""
	})
	if n := look()["dry-run"]; n < int64(len(objs)) {
		t.Errorf("the first look made %d dry runs", n)
	}
	// Controllers may still have been writing.
	look()
	if made := look(); made["dry-run"] != 0 || made["list"] != int64(len(searchedKinds)) || made["get"] != 0 {
		t.Errorf("the second look made %v; want %d lists only", made, len(searchedKinds))
	}
}

func TestTakeOverRemovesFieldsOfClientSideApply(t *testing.T) {
	target := testTarget(t)
	ns := kubetest.Namespace(t)
	ctx := testContext(t)
	before := kubetest.Object(t, "{apiVersion: v1, kind: Service, metadata: {name: web, annotations: {note: old}}, spec: {selector: {app: web, tier: old}, ports: [{port: 80, name: http, targetPort: 8080}, {port: 81, name: old}]}}")
	before.SetNamespace(ns)
	raw, err := json.Marshal(before.Object)
	if err != nil {
		t.Fatal(err)
	}
	before.SetAnnotations(map[string]string{"note": "old", "kubectl.kubernetes.io/last-applied-configuration": string(raw)})
	if err := kubetest.Client(t, "kubectl-client-side-apply").Create(ctx, before); err != nil {
		t.Fatal(err)
	}
	objs := app(t, ns)
	apply(t, target, objs, ApplyOptions{Owner: testOwner("shop"), Adopt: true})
	live := read(t, target, named(t, objs, "Service", "web"))
	ports, _, _ := unstructured.NestedSlice(live.Object, "spec", "ports")
	selector, _, _ := unstructured.NestedStringMap(live.Object, "spec", "selector")
	if len(ports) != 2 || !maps.Equal(selector, map[string]string{"app": "web"}) || live.GetAnnotations()["note"] != "" {
		t.Errorf("what was there before is left over: ports %v, selector %v, annotations %v", ports, selector, live.GetAnnotations())
	}
}
