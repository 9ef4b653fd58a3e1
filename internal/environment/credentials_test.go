package environment_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
)

// What an environment adopts is left as it is: the account of others' pods, and
// the Secrets themselves where the namespace is the project's own.
func TestAdoptedNamespacesKeepTheirCredentials(t *testing.T) {
	tests := map[string]struct {
		change              func(*v1alpha1.Environment)
		copies, forStranger bool
	}{
		"a namespace of its own":          {func(*v1alpha1.Environment) {}, true, true},
		"an adopted one":                  {func(env *v1alpha1.Environment) { env.Spec.Adopt = true }, true, false},
		"the project's own, adopted":      {func(env *v1alpha1.Environment) { env.Spec.Adopt, env.Spec.Namespace = true, "team" }, false, false},
		"of the project's name elsewhere": {func(env *v1alpha1.Environment) { env.Spec.Namespace = "team" }, true, true},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			in := readInput(t, filepath.Join("testdata", "private"))
			test.change(in.Environment)
			d, err := environment.Render(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			var copies []string
			account, pulling := false, 0
			for _, o := range d.Objects() {
				if name := environment.CopyOf(o); name != "" {
					copies = append(copies, name)
				}
				account = account || o.Object.GetKind() == "ServiceAccount" && o.Object.GetName() == "default"
				if names, _, _ := unstructured.NestedSlice(o.Object.Object, "spec", "template", "spec", "imagePullSecrets"); len(names) >= 2 {
					pulling++
				}
			}
			if want := []string{"registry", "mirror"}; slices.Equal(copies, want) != test.copies || !test.copies && len(copies) > 0 {
				t.Errorf("copies of %v", copies)
			}
			if account != test.forStranger {
				t.Errorf("the account default is among the objects: %v", account)
			}
			if pulling != 6 {
				t.Errorf("%d workloads pull with the Secrets, want all 6", pulling)
			}
		})
	}
}
