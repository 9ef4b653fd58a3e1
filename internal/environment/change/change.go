// Package change holds what people ask of an environment as edits of its
// object: deploy other versions, go back, take over from another one, live
// longer, sleep. Pure: no client, no clock of its own. Start at Deploy and
// Rollback.
package change

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Sign records who asks for the environment's newest change, and why.
func Sign(env *v1alpha1.Environment, author, message string) {
	if env.Annotations == nil {
		env.Annotations = map[string]string{}
	}
	sign := func(key, value string) {
		if value == "" {
			delete(env.Annotations, key)
			return
		}
		env.Annotations[key] = value
	}
	sign(v1alpha1.AnnotationAuthor, author)
	sign(v1alpha1.AnnotationMessage, message)
}

// Request sets a one-shot request, such as v1alpha1.AnnotationHealRequested,
// to a value that no earlier request had.
func Request(env *v1alpha1.Environment, annotation string, now time.Time) string {
	if env.Annotations == nil {
		env.Annotations = map[string]string{}
	}
	value := now.UTC().Format(time.RFC3339Nano)
	env.Annotations[annotation] = value
	return value
}

// Deploy sets versions. A rollback ends with it: the versions that the
// rollback brought back then are where the deploy starts from, so that
// deploying one component does not bring back the bad version of another.
// current is the release that runs; nil when there is none.
func Deploy(env *v1alpha1.Environment, bp *v1alpha1.Blueprint, current *v1alpha1.Release, versions map[string]string) error {
	if err := knownComponents(bp, versions); err != nil {
		return err
	}
	if env.Spec.RollbackTo != "" && current != nil {
		keepRunning(env, bp, current.Spec.Components)
	}
	env.Spec.RollbackTo = ""
	setVersions(env, versions)
	return nil
}

// keepRunning makes the versions that run those of the environment, as far as
// it would get others otherwise.
func keepRunning(env *v1alpha1.Environment, bp *v1alpha1.Blueprint, running []v1alpha1.ReleaseComponent) {
	for _, c := range running {
		component := find(bp, c.Name)
		if !takesVersion(component) || isOwn(component, c.Version, c.Image) {
			continue
		}
		wanted, set := env.Spec.Versions[c.Name]
		if !set {
			wanted = DefaultVersion(component)
		}
		if wanted != c.Version {
			setVersions(env, map[string]string{c.Name: c.Version})
		}
	}
}

func setVersions(env *v1alpha1.Environment, versions map[string]string) {
	if len(versions) == 0 {
		return
	}
	if env.Spec.Versions == nil {
		env.Spec.Versions = map[string]string{}
	}
	maps.Copy(env.Spec.Versions, versions)
}

// DefaultVersion is the version that a component runs where the environment
// sets none; empty where that is not said by the blueprint.
func DefaultVersion(c *v1alpha1.Component) string {
	switch {
	case c.Chart != nil:
		return c.Chart.Version
	case c.Image == "":
		return ""
	}
	if _, digest, ok := strings.Cut(c.Image, "@"); ok {
		return digest
	}
	slash := strings.LastIndex(c.Image, "/")
	if _, tag, ok := strings.Cut(c.Image[slash+1:], ":"); ok {
		return tag
	}
	return "latest"
}

// takesVersion says that an environment can choose the version of c, which may
// be nil: a chart or kustomization that is part of the blueprint has the
// blueprint's.
func takesVersion(c *v1alpha1.Component) bool {
	switch {
	case c == nil:
		return false
	case c.Chart != nil:
		return c.Chart.Repository != "" || c.Chart.VersionPath != ""
	case c.Kustomize != nil:
		return c.Kustomize.VersionImage != ""
	}
	return true
}

// isOwn says that a running version was not chosen by anybody: there is none,
// or it is that of a chart (recorded as NAME:VERSION@DIGEST) whose environments
// choose one of its values instead.
func isOwn(c *v1alpha1.Component, version, recorded string) bool {
	return version == "" || c.Chart != nil && c.Chart.VersionPath != "" && strings.Contains(recorded, ":"+version+"@")
}

func knownComponents(bp *v1alpha1.Blueprint, versions map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		if find(bp, name) == nil {
			return fault.New(fault.Invalid, "Its components are "+strings.Join(names(bp), ", ")+".",
				"setting the version of %s: blueprint %s has no such component", name, bp.Name)
		}
	}
	return nil
}

func find(bp *v1alpha1.Blueprint, name string) *v1alpha1.Component {
	for i := range bp.Spec.Components {
		if bp.Spec.Components[i].Name == name {
			return &bp.Spec.Components[i]
		}
	}
	return nil
}

func names(bp *v1alpha1.Blueprint) []string {
	var all []string
	for _, c := range bp.Spec.Components {
		all = append(all, c.Name)
	}
	return all
}

// From makes a new environment that runs what source runs, in the versions
// that really run there, also after a rollback. What must be an environment's
// own is not taken over: hostname, namespace, expiry, sleep and stores that
// are somebody's data (the second result names these). bp is the blueprint of
// source.
func From(source *v1alpha1.Environment, bp *v1alpha1.Blueprint, name string) (*v1alpha1.Environment, []string) {
	from := source.DeepCopy()
	env := &v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: source.Namespace},
		Spec: v1alpha1.EnvironmentSpec{
			Blueprint: from.Spec.Blueprint, Cluster: from.Spec.Cluster,
			Versions: from.Spec.Versions, Overrides: from.Spec.Overrides,
			Drift: from.Spec.Drift, Quota: from.Spec.Quota,
			DeployTimeout: from.Spec.DeployTimeout, HistoryLimit: from.Spec.HistoryLimit,
		},
	}
	for _, c := range from.Status.Components {
		if component := find(bp, c.Name); takesVersion(component) && !isOwn(component, c.Version, c.Image) {
			setVersions(env, map[string]string{c.Name: pinned(bp, c)})
		}
	}
	var left []string
	for _, s := range from.Spec.Stores {
		if s.External != "" {
			left = append(left, s.Name)
			continue
		}
		env.Spec.Stores = append(env.Spec.Stores, s)
	}
	return env, left
}

// pinned is the version of an image component with the digest it was resolved
// to, so that the copy is exact even when the tag has moved since.
func pinned(bp *v1alpha1.Blueprint, c v1alpha1.ComponentStatus) string {
	_, digest, resolved := strings.Cut(c.Image, "@")
	if find(bp, c.Name).Image == "" || !resolved || strings.Contains(c.Version, "sha256:") {
		return c.Version
	}
	return c.Version + "@" + digest
}

// Extend makes the environment live for d from now on.
func Extend(env *v1alpha1.Environment, d time.Duration, now time.Time) error {
	if d <= 0 {
		return fault.New(fault.Invalid, "Give a duration such as 8h.", "extending %s: %s is not in the future", env.Name, d)
	}
	lived := now.Sub(env.CreationTimestamp.Time)
	env.Spec.TTL = &metav1.Duration{Duration: (lived + d).Round(time.Second)}
	return nil
}

// Difference is one line of what differs between two environments' wishes or
// between what runs in them.
type Difference struct {
	Field string `json:"field"`
	A     string `json:"a"`
	B     string `json:"b"`
}

// Compare says how two environments differ in what they run and how.
func Compare(a, b *v1alpha1.Environment) []Difference {
	var all []Difference
	add := func(field, left, right string) {
		if left != right {
			all = append(all, Difference{Field: field, A: left, B: right})
		}
	}
	add("blueprint", a.Spec.Blueprint, b.Spec.Blueprint)
	add("cluster", a.Spec.Cluster, b.Spec.Cluster)
	add("asleep", fmt.Sprint(a.Spec.Asleep), fmt.Sprint(b.Spec.Asleep))
	add("quota", fmt.Sprint(a.Spec.Quota), fmt.Sprint(b.Spec.Quota))
	compareVersions(a, b, add)
	compareOverrides(a, b, add)
	compareStores(a, b, add)
	return all
}
