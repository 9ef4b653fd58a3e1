package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion identifies this API in a Kubernetes API server.
	GroupVersion = schema.GroupVersion{Group: "landfall.dev", Version: "v1alpha1"}

	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme registers the kinds of this package with a scheme.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&Blueprint{}, &BlueprintList{},
		&Environment{}, &EnvironmentList{},
		&Release{}, &ReleaseList{},
		&Cluster{}, &ClusterList{},
		&Baseline{}, &BaselineList{},
		&Migration{}, &MigrationList{},
		&DataCopy{}, &DataCopyList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
