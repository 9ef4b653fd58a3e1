package parity

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/transfer"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	json, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := u.UnmarshalJSON(json); err != nil {
		t.Fatal(err)
	}
	return u
}

// ingress that two managers wrote.
const ingress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: shop
  annotations: {example.com/a: CHANGED, example.com/b: b}
  managedFields:
  - manager: robot
    operation: Apply
    apiVersion: networking.k8s.io/v1
    fieldsType: FieldsV1
    fieldsV1: {"f:metadata": {"f:annotations": {".": {}, "f:example.com/a": {}}}, "f:spec": {"f:ingressClassName": {}}}
spec: {ingressClassName: CHANGED, tls: [{secretName: x}]}
`

func TestIgnoreRules(t *testing.T) {
	from := strings.ReplaceAll(ingress, "CHANGED", "old")
	to := strings.ReplaceAll(ingress, "CHANGED", "new")
	both := []string{"metadata.annotations[example.com/a]", "spec.ingressClassName"}
	for _, c := range []struct {
		name   string
		to     string // to by default
		rule   v1alpha1.ParityIgnore
		want   []string
		unused bool
	}{
		{name: "by path", rule: v1alpha1.ParityIgnore{Path: "spec.ingressClassName"}, want: both[:1]},
		{name: "and all below", rule: v1alpha1.ParityIgnore{Path: "metadata"}, want: both[1:]},
		{name: "by a pattern", rule: v1alpha1.ParityIgnore{Path: "metadata.annotations[example.com/*]"}, want: both[1:]},
		{name: "by kind and group", rule: v1alpha1.ParityIgnore{Kind: "Ingress.networking.k8s.io"}},
		{name: "by namespace and name", rule: v1alpha1.ParityIgnore{Namespace: "sh*", Name: "w*b"}},
		{name: "of another kind", rule: v1alpha1.ParityIgnore{Kind: "Service"}, want: both, unused: true},
		{name: "of another group", rule: v1alpha1.ParityIgnore{Kind: "Ingress.extensions"}, want: both, unused: true},
		{name: "of another object", rule: v1alpha1.ParityIgnore{Kind: "Ingress", Name: "api", Path: "spec"}, want: both, unused: true},
		{name: "a path that is longer", rule: v1alpha1.ParityIgnore{Path: "spec.ingressClassName.more"}, want: both, unused: true},
		{name: "by manager", rule: v1alpha1.ParityIgnore{Manager: "robot"}},
		{name: "by manager and path", rule: v1alpha1.ParityIgnore{Manager: "robot", Path: "spec"}, want: both[:1]},
		{name: "by another manager", rule: v1alpha1.ParityIgnore{Manager: "kubectl"}, want: both, unused: true},
		{
			// The manager made the annotations, others put theirs in.
			name: "not the manager's own", rule: v1alpha1.ParityIgnore{Manager: "robot"},
			to: strings.ReplaceAll(from, "example.com/b: b", "example.com/b: c"), want: []string{"metadata.annotations[example.com/b]"}, unused: true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.rule.Reason = "meant"
			if c.to == "" {
				c.to = to
			}
			r := compared(Options{Ignore: []v1alpha1.ParityIgnore{c.rule}}, object(t, from), object(t, c.to))
			var got []string
			for _, o := range r.Objects {
				for _, d := range o.Differences {
					got = append(got, d.Path)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if unused := len(r.Unused) > 0; unused != c.unused {
				t.Errorf("unused: %v, want %v", unused, c.unused)
			}
			if want := result.Holds; len(c.want) == 0 && r.Answer != want {
				t.Errorf("the answer is %s, want %s", r.Answer, want)
			}
		})
	}
}

// A rule about whole objects is about missing ones, too; one about a field is
// not.
func TestIgnoreMissing(t *testing.T) {
	for _, c := range []struct {
		rule v1alpha1.ParityIgnore
		want State
	}{{v1alpha1.ParityIgnore{Kind: "Ingress", Reason: "x"}, ""}, {v1alpha1.ParityIgnore{Kind: "Ingress", Path: "spec", Reason: "x"}, Missing}, {v1alpha1.ParityIgnore{Manager: "robot", Reason: "x"}, Missing}} {
		r := compared(Options{Ignore: []v1alpha1.ParityIgnore{c.rule}}, object(t, ingress), nil)
		got := State("")
		if len(r.Objects) > 0 {
			got = r.Objects[0].State
		}
		if got != c.want {
			t.Errorf("%s: it is %q, want %q", RuleText(c.rule), got, c.want)
		}
	}
	if r := compared(Options{}, nil, object(t, ingress)); len(r.Objects) != 1 || r.Objects[0].State != Extra || r.Answer != result.Fails {
		t.Errorf("what only the target has is no difference: %+v", r.Objects)
	}
	if r := compared(Options{}, nil, nil); r.Answer != result.Unknown {
		t.Errorf("nothing compared is %s", r.Answer)
	}
}

func TestRulesThatAreRefused(t *testing.T) {
	for _, rule := range []v1alpha1.ParityIgnore{
		{Kind: "Pod"}, {Reason: "everything"}, {Reason: "everything, too", Kind: "*", Namespace: "*", Name: "**", Path: "*"},
	} {
		if _, err := compile([]v1alpha1.ParityIgnore{rule}); fault.ClassOf(err) != fault.Invalid {
			t.Errorf("%+v: got %v", rule, err)
		}
	}
}

func TestWorkloads(t *testing.T) {
	running := func(ready, desired int64, image string) Running {
		return Running{Ready: ready, Desired: desired, Images: map[string][]string{"web": {image}}, observed: true}
	}
	unseen := running(2, 2, "sha256:a")
	unseen.observed = false
	for _, c := range []struct {
		name     string
		from, to Running
		want     result.Answer
		gate     result.Answer // where readiness does not count
	}{
		{"both ready", running(2, 2, "sha256:a"), running(2, 2, "sha256:a"), result.Holds, result.Holds},
		{"another size", running(2, 2, "sha256:a"), running(5, 5, "sha256:a"), result.Holds, result.Holds},
		{"not ready there", running(2, 2, "sha256:a"), running(1, 2, "sha256:a"), result.Fails, result.Holds},
		{"ready on neither side", running(1, 2, "sha256:a"), running(0, 2, "sha256:a"), result.Holds, result.Holds},
		{"another image", running(2, 2, "sha256:a"), running(2, 2, "sha256:b"), result.Fails, result.Fails},
		{"an image without digest", running(2, 2, "sha256:a"), running(2, 2, "local:sha256:a"), result.Unknown, result.Unknown},
		{"not seen by its controller", running(2, 2, "sha256:a"), unseen, result.Unknown, result.Holds},
	} {
		for readiness, want := range map[bool]result.Answer{true: c.want, false: c.gate} {
			w := Workload{Key: transfer.Key{Name: "web"}, From: c.from, To: c.to}
			w.judge(readiness)
			if w.Answer != want || (want != result.Holds && w.Reason == "") {
				t.Errorf("%s, with readiness %v: %s (%s), want %s", c.name, readiness, w.Answer, w.Reason, want)
			}
		}
	}
}

func TestDigest(t *testing.T) {
	for id, want := range map[string]string{
		"registry.example/web@sha256:a":                 "sha256:a",
		"docker-pullable://mirror.example/web@sha256:a": "sha256:a",
		"sha256:b": "local:sha256:b",
	} {
		if got := digest(id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

func TestCommonVersion(t *testing.T) {
	resource := func(versions ...string) transfer.Resource {
		r := transfer.Resource{Versions: versions}
		r.Version = versions[0]
		return r
	}
	for _, c := range []struct {
		from, to transfer.Resource
		want     string
	}{
		{resource("v1"), resource("v2", "v1"), "v1"},
		{resource("v2beta2", "v1"), resource("v2", "v1"), "v1"},
		{resource("v1", "v2"), resource("v2", "v3"), "v2"},
		{resource("v1beta1"), resource("v1"), ""},
	} {
		if got := common(c.from, c.to); got != c.want {
			t.Errorf("%v and %v are read as %q, want %q", c.from.Versions, c.to.Versions, got, c.want)
		}
	}
}

// Objects are what foreign controllers wrote: whatever is where a kind has its
// fields, nothing panics.
func TestMalformedObjects(t *testing.T) {
	for _, kind := range []string{"Pod", "Service", "Secret", "Deployment.apps", "DaemonSet.apps", "ReplicaSet.apps", "CronJob.batch", "HorizontalPodAutoscaler.autoscaling", "CustomResourceDefinition.apiextensions.k8s.io"} {
		name, group, _ := strings.Cut(kind, ".")
		version := strings.TrimPrefix(group+"/v1", "/")
		for _, spec := range []any{nil, "text", int64(3), []any{nil, "x"}, map[string]any{"replicas": "many", "selector": []any{}, "containers": []any{"x", nil}, "suspend": "yes", "scaleTargetRef": int64(1)}} {
			make := func(status any) *unstructured.Unstructured {
				return &unstructured.Unstructured{Object: map[string]any{"apiVersion": version, "kind": name, "spec": spec, "status": status, "data": spec,
					"metadata": map[string]any{"name": "x", "namespace": "y", "annotations": map[string]any{transfer.Suspended: "x"}}}}
			}
			compared(Options{}, make("text"), make(map[string]any{"readyReplicas": "all", "containerStatuses": []any{int64(1), map[string]any{"imageID": int64(3)}}}))
		}
	}
}

// The rules of the guide are rules.
func TestGuide(t *testing.T) {
	text, err := os.ReadFile("../../../docs/parity.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte("```yaml\n"))
	example, _, _ := bytes.Cut(rest, []byte("```"))
	rules, err := ReadIgnore(bytes.NewReader(example))
	if err != nil || len(rules) < 4 {
		t.Fatalf("%d rules, %v", len(rules), err)
	}
}

// What one side could not be asked about is unknown there, not missing.
func TestUnaskedIsNotMissing(t *testing.T) {
	for name, forget := range map[string]func(*comparison, transfer.Key){
		"a kind":  func(c *comparison, k transfer.Key) { c.apart[k.Kind] = true },
		"a group": func(c *comparison, k transfer.Key) { c.lost[k.Kind.Group] = true },
	} {
		c := newComparison(&transfer.Cluster{Name: "blue"}, &transfer.Cluster{Name: "green"}, Options{}, nil)
		u := object(t, ingress)
		c.unknown = append(c.unknown, transfer.Unreadable{What: "it", Reason: "down"})
		forget(c, transfer.KeyOf(u))
		c.meet(c.from, u)
		c.settle()
		if r := c.report(); r.Answer != result.Unknown || len(r.Objects) > 0 {
			t.Errorf("%s that could not be asked for: %s, %+v", name, r.Answer, r.Objects)
		}
	}
}
