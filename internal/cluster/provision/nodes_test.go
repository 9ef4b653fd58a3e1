package provision

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestNotReady(t *testing.T) {
	node := func(ready corev1.ConditionStatus, taints ...string) corev1.Node {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}
		for _, key := range taints {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
		}
		return n
	}
	for name, tt := range map[string]struct {
		nodes []corev1.Node
		want  string
	}{
		"none":                          {nil, "no node has joined"},
		"ready":                         {[]corev1.Node{node(corev1.ConditionTrue)}, ""},
		"ready, with a taint on duty":   {[]corev1.Node{node(corev1.ConditionTrue, "dedicated")}, ""},
		"ready, still kept away from":   {[]corev1.Node{node(corev1.ConditionTrue, corev1.TaintNodeNotReady)}, "node n1 is not ready"},
		"one of two has not reported":   {[]corev1.Node{node(corev1.ConditionTrue), node(corev1.ConditionUnknown)}, "node n1 is not ready"},
		"nothing is known of its state": {[]corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}}, "node n1 is not ready"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := notReady(tt.nodes); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
