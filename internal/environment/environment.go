// Package environment turns a blueprint and an environment into the objects to
// run: Render is pure, the same input always gives the same bytes. It knows
// Kubernetes objects but no client, no registry and no clock; what has to be
// fetched (images' digests, charts, Secrets, store settings) is named by Needed
// and handed in by the caller.
//
// Start reading at Render. Validate says offline what is wrong with a
// blueprint; ParseObjects reads the files people write.
package environment

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Input is everything the objects of an environment are rendered from. Render
// does not change it.
type Input struct {
	Blueprint   *v1alpha1.Blueprint
	Environment *v1alpha1.Environment
	// Cluster gives the routing; its status' version is what charts see as the
	// version of Kubernetes.
	Cluster *v1alpha1.Cluster
	// Images for each of Needs.Images, by the same names.
	Images map[string]Image
	// Charts by component, for each of Needs.Charts.
	Charts map[string]Chart
	// Secrets of the project namespace by name, for each of Needs.Secrets.
	Secrets map[string]map[string][]byte
	// Stores holds the connection settings by store name: url, host, port,
	// username, password, database and so on.
	Stores map[string]map[string]string
	// APIs is what the target cluster serves. May be the zero value.
	APIs APIs
}

// APIs is what is known of the target cluster's API.
type APIs struct {
	// Versions are the served group versions ("batch/v1") and kinds
	// ("batch/v1/Job"), which charts ask for by .Capabilities.APIVersions; the
	// built-in ones are known without being listed.
	Versions []string
	// Namespaced tells the scope of a kind that is neither built in nor defined
	// by a component's own CustomResourceDefinitions. Nil, or known == false,
	// means namespaced.
	Namespaced func(schema.GroupKind) (namespaced, known bool)
}

// Image is an image that a reference was resolved to.
type Image struct {
	// Repository without tag and digest, as the blueprint writes it.
	Repository string
	// Version as asked for: the tag or digest.
	Version string
	// Digest, "sha256:…".
	Digest string
}

// String is the reference to run: repository@digest, so that what runs never
// depends on where a tag points.
func (i Image) String() string { return i.Repository + "@" + i.Digest }

// Chart is a fetched Helm chart.
type Chart struct {
	// Name and Version as the chart says itself.
	Name    string
	Version string
	// Digest of Archive, "sha256:…".
	Digest string
	// Archive is the packed chart (.tgz).
	Archive []byte
}

// String is how the chart is recorded in a release: name:version@digest.
func (c Chart) String() string { return c.Name + ":" + c.Version + "@" + c.Digest }

// Desired is what an environment is to consist of.
type Desired struct {
	// Stages in the order they are applied.
	Stages []Stage
	// Components with their versions, sorted by name.
	Components []v1alpha1.ReleaseComponent
	// URLs of the public components, sorted by component.
	URLs []v1alpha1.URL
}

// Stage is a group of objects that may be applied at once.
type Stage struct {
	// Name for people, unique in a Desired: "foundation", "run schema",
	// "workloads".
	Name string
	// Objects in the order in which they are best applied.
	Objects []Object
	// Wait: all objects must be ready, or complete, before the next stage.
	Wait bool
}

// Object is one object and whose it is.
type Object struct {
	// Component of the blueprint; empty for what belongs to the environment.
	Component string
	Object    *unstructured.Unstructured

	// BaseName is the name before the hash of its content was added, of an
	// object whose content Pin may still change; else empty. It is of no use
	// afterwards and not kept in a release.
	BaseName string `json:"-"`
}

// Namespace is the environment's namespace on its cluster.
func Namespace(env *v1alpha1.Environment) string {
	if env.Spec.Namespace != "" {
		return env.Spec.Namespace
	}
	return env.Name
}

// Owner is the value of v1alpha1.AnnotationOwner that marks the environment's
// namespace: PROJECT/NAME/UID.
func Owner(env *v1alpha1.Environment) string {
	return strings.Join([]string{env.Namespace, env.Name, string(env.UID)}, "/")
}

// StoreSecret names the Secret in the environment that holds the connection
// settings of a store.
func StoreSecret(store string) string { return "store-" + store }
