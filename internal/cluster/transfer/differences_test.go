package transfer

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

func TestDifferences(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		want           []string
	}{
		{name: "nothing", from: `{kind: ConfigMap, data: {a: "1"}}`, to: `{kind: ConfigMap, data: {a: "1"}}`},
		{name: "a value", from: `{kind: ConfigMap, data: {a: "1"}}`, to: `{kind: ConfigMap, data: {a: "2"}}`, want: []string{`data.a: "1", there "2"`}},
		{name: "a key with dots", from: `{kind: ConfigMap, data: {limits.cpu: "1"}}`, to: `{kind: ConfigMap, data: {limits.cpu: "1000m"}}`, want: []string{`data[limits.cpu]: "1", there "1000m"`}},
		{name: "all data", from: `{kind: ConfigMap}`, to: `{kind: ConfigMap, data: {a: "1"}}`, want: []string{`data.a: nothing, there "1"`}},
		{name: "an annotation", from: `{metadata: {}}`, to: `{metadata: {annotations: {example.com/a: b}}}`, want: []string{`metadata.annotations[example.com/a]: nothing, there "b"`}},
		{name: "an added map", from: `{spec: {}}`, to: `{spec: {securityContext: {}}}`, want: []string{`spec.securityContext: nothing, there {}`}},
		{name: "an absent list", from: `{spec: {}}`, to: `{spec: {args: []}}`},
		{name: "quantities", from: `{apiVersion: v1, spec: {resources: {limits: {cpu: 100m, memory: 1Gi}}}}`, to: `{apiVersion: v1, spec: {resources: {limits: {cpu: "0.1", memory: 1024Mi}}}}`},
		{name: "other quantities", from: `{apiVersion: v1, spec: {resources: {limits: {cpu: 100m}}}}`, to: `{apiVersion: v1, spec: {resources: {limits: {cpu: 200m}}}}`, want: []string{`spec.resources.limits.cpu: "100m", there "200m"`}},
		{name: "texts like quantities", from: `{apiVersion: v1, spec: {env: [{name: default, value: "1"}]}}`, to: `{apiVersion: v1, spec: {env: [{name: default, value: 1000m}]}}`, want: []string{`spec.env[default].value: "1", there "1000m"`}},
		{name: "a label like a quantity", from: `{metadata: {labels: {limits: "1"}}}`, to: `{metadata: {labels: {limits: 1000m}}}`, want: []string{`metadata.labels.limits: "1", there "1000m"`}},
		{name: "order of env", from: `{apiVersion: v1, spec: {env: [{name: a}, {name: b}]}}`, to: `{apiVersion: v1, spec: {env: [{name: b}, {name: a}]}}`},
		{name: "order of init containers", from: `{apiVersion: v1, spec: {initContainers: [{name: a}, {name: b}]}}`, to: `{apiVersion: v1, spec: {initContainers: [{name: b}, {name: a}]}}`, want: []string{`spec.initContainers: ["a","b"], there ["b","a"]`}},
		{name: "order of custom steps", from: `{apiVersion: tekton.dev/v1, spec: {steps: [{name: a}, {name: b}], ports: [1, 2]}}`, to: `{apiVersion: tekton.dev/v1, spec: {steps: [{name: b}, {name: a}], ports: [1, 2]}}`, want: []string{`spec.steps: ["a","b"], there ["b","a"]`}},
		{name: "order of arguments", from: `{spec: {args: [a, b]}}`, to: `{spec: {args: [b, a]}}`, want: []string{`spec.args[0]: "a", there "b"`, `spec.args[1]: "b", there "a"`}},
		{name: "sets", from: `{apiVersion: v1, rules: [{verbs: [get, list]}]}`, to: `{apiVersion: v1, rules: [{verbs: [list, watch]}]}`, want: []string{`rules[0].verbs[get]: "get", there nothing`, `rules[0].verbs[watch]: nothing, there "watch"`}},
		{name: "metrics", from: `{apiVersion: autoscaling/v2, spec: {metrics: [{type: A, target: {averageValue: 100m}}, {type: B}]}}`, to: `{apiVersion: autoscaling/v2, spec: {metrics: [{type: B}, {type: A, target: {averageValue: "0.1"}}]}}`},
		{name: "an added container", from: `{apiVersion: v1, spec: {containers: [{name: a}]}}`, to: `{apiVersion: v1, spec: {containers: [{name: a}, {name: b, image: x}]}}`, want: []string{`spec.containers[b]: nothing, there {"image":"x","name":"b"}`}},
		{name: "what clusters fill in", from: `{metadata: {ownerReferences: [{name: a, uid: x}]}, webhooks: [{name: a, clientConfig: {caBundle: x}}]}`, to: `{metadata: {annotations: {landfall.dev/transferred-from: blue}, ownerReferences: [{name: a, uid: z}]}, webhooks: [{name: a, clientConfig: {caBundle: z}}]}`},
		{name: "another owner", from: `{metadata: {ownerReferences: [{name: a, uid: x}]}}`, to: `{metadata: {}}`, want: []string{`metadata.ownerReferences[a]: {"name":"a","uid":"x"}, there nothing`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := parsed(t, c.from), parsed(t, c.to)
			if diff := cmp.Diff(c.want, texts(Differences(from, to))); diff != "" {
				t.Errorf("%s", diff)
			}
			if there, back := len(Differences(from, to)), len(Differences(to, from)); there != back {
				t.Errorf("%d differences one way, %d the other", there, back)
			}
			if same := Differences(from, from); len(same) > 0 {
				t.Errorf("it differs from itself: %v", same)
			}
		})
	}
}

func texts(all []Difference) []string {
	var lines []string
	for _, d := range all {
		lines = append(lines, d.String())
	}
	slices.Sort(lines)
	return lines
}

func parsed(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}
