package config_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/config"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestEveryKindIsDefined(t *testing.T) {
	crds, err := config.CRDs()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"baselines.landfall.dev", "blueprints.landfall.dev", "clusters.landfall.dev", "datacopies.landfall.dev", "environments.landfall.dev", "migrations.landfall.dev", "releases.landfall.dev"}
	if diff := cmp.Diff(want, names(crds, "CustomResourceDefinition")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A binding to a role that is not there is accepted by Kubernetes and grants
// nothing.
func TestBindingsReferToRolesThatExist(t *testing.T) {
	objects, err := config.RBAC()
	if err != nil {
		t.Fatal(err)
	}
	roles := append(names(objects, "ClusterRole"), append(names(objects, "Role"), "cluster-admin")...)
	bindings := 0
	for _, o := range objects {
		role, found, _ := unstructured.NestedString(o.Object, "roleRef", "name")
		if !found {
			continue
		}
		bindings++
		if !slices.Contains(roles, role) {
			t.Errorf("%s %s binds %s, which does not exist", o.GetKind(), o.GetName(), role)
		}
	}
	if bindings == 0 {
		t.Error("there is no binding at all")
	}
}

func names(objects []*unstructured.Unstructured, kind string) []string {
	var found []string
	for _, o := range objects {
		if o.GetKind() == kind {
			found = append(found, o.GetName())
		}
	}
	slices.Sort(found)
	return found
}
