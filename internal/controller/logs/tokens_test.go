package logs

import (
	"testing"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func TestEveryProjectHasOneTokenThatStays(t *testing.T) {
	emptied := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "emptied", Name: v1alpha1.SecretLogs}}
	tokens := Tokens{Client: fake.NewClientBuilder().WithObjects(emptied).Build()}
	seen := map[string]string{}
	for _, project := range []string{"shop", "blog", "emptied"} {
		if token, err := tokens.Token(t.Context(), project); token != "" || err != nil {
			t.Errorf("%s before: %q, %v", project, token, err)
		}
		var last string
		for range 2 {
			if err := tokens.Ensure(t.Context(), project); err != nil {
				t.Fatal(err)
			}
			token, err := tokens.Token(t.Context(), project)
			if err != nil || len(token) < 20 || last != "" && token != last {
				t.Errorf("%s: %q after %q, %v", project, token, last, err)
			}
			last = token
		}
		if other, twice := seen[last]; twice {
			t.Errorf("%s and %s share a token", project, other)
		}
		seen[last] = project
	}
}
