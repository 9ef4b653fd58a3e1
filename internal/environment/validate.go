package environment

import (
	"fmt"
	"slices"
	"strings"

	apivalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment/suggest"
	"github.com/landfall-dev/landfall/internal/fault"
)

const (
	maxComponents    = 64
	maxComponentName = 40
	maxPullSecrets   = 16
	// maxEnvironmentName is the limit that the API server enforces.
	maxEnvironmentName = 50
	// maxLabel is the longest value a label can have.
	maxLabel = apivalidation.LabelValueMaxLength
)

// Validate says what is wrong with a blueprint, before an API server sees it
// and beyond what its schema can say: cycles, unknown components and stores,
// duplicate ports and paths, names that collide. It needs no cluster. The error
// is fault.Invalid and names every wrong field.
func Validate(bp *v1alpha1.Blueprint) error {
	errs := validateName(bp.Name, field.NewPath("metadata", "name"))
	errs = append(errs, validateStores(bp.Spec.Stores, field.NewPath("spec", "stores"))...)
	errs = append(errs, validatePullSecrets(bp, field.NewPath("spec", "imagePullSecrets"))...)
	errs = append(errs, validateComponents(bp)...)
	return invalid("blueprint "+shorten(bp.Name), errs)
}

// ValidateEnvironment says what in env does not fit the blueprint. The error is
// fault.Invalid and names every wrong field.
func ValidateEnvironment(bp *v1alpha1.Blueprint, env *v1alpha1.Environment) error {
	spec := field.NewPath("spec")
	errs := validateNamespace(env)
	errs = append(errs, validateVersions(bp, env, spec.Child("versions"))...)
	errs = append(errs, validateOverrides(bp, env, spec.Child("overrides"))...)
	errs = append(errs, validateStoreOverrides(bp, env, spec.Child("stores"))...)
	errs = append(errs, validateAliases(bp, env, spec.Child("aliases"))...)
	errs = append(errs, validateSettings(env, spec)...)
	return invalid("environment "+shorten(env.Name), errs)
}

// validateNamespace checks the environment's name, which becomes part of host
// names, and the namespace, which is the same unless another is given.
func validateNamespace(env *v1alpha1.Environment) field.ErrorList {
	path := field.NewPath("metadata", "name")
	if len(env.Name) > maxEnvironmentName {
		return field.ErrorList{field.TooLong(path, "", maxEnvironmentName)}
	}
	errs := validateName(env.Name, path)
	if env.Spec.Namespace != "" {
		path = field.NewPath("spec", "namespace")
	}
	if len(errs) > 0 {
		return errs
	}
	for _, msg := range apivalidation.IsDNS1123Label(Namespace(env)) {
		errs = append(errs, field.Invalid(path, shorten(Namespace(env)), "not a namespace's name: "+msg))
	}
	return errs
}

// validatePullSecrets checks names under which Secrets are copied beside those of
// the stores.
func validatePullSecrets(bp *v1alpha1.Blueprint, path *field.Path) field.ErrorList {
	if n := len(bp.Spec.ImagePullSecrets); n > maxPullSecrets {
		return field.ErrorList{field.TooMany(path, n, maxPullSecrets)}
	}
	var errs field.ErrorList
	seen := map[string]bool{}
	for i, ref := range bp.Spec.ImagePullSecrets {
		at := path.Index(i).Child("name")
		for _, msg := range apivalidation.IsDNS1123Subdomain(ref.Name) {
			errs = append(errs, field.Invalid(at, shorten(ref.Name), "not a Secret's name: "+msg))
		}
		if seen[ref.Name] {
			errs = append(errs, field.Duplicate(at, shorten(ref.Name)))
		}
		seen[ref.Name] = true
		for _, s := range bp.Spec.Stores {
			if ref.Name == StoreSecret(s.Name) {
				errs = append(errs, field.Invalid(at, ref.Name, "the environment has the settings of store "+s.Name+" under this name"))
			}
		}
	}
	return errs
}

// invalid turns what was found into one error, or nil.
func invalid(subject string, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	if len(errs) == 1 {
		return fault.New(fault.Invalid, "", "%s: %w", subject, errs[0])
	}
	lines := make([]string, len(errs))
	for i, e := range errs {
		lines[i] = "\n  " + e.Error()
	}
	return fault.New(fault.Invalid, "", "%s:%s", subject, strings.Join(lines, ""))
}

// validateName checks the name of a blueprint or environment, which becomes the
// value of a label.
func validateName(name string, path *field.Path) field.ErrorList {
	if len(name) > maxLabel {
		return field.ErrorList{field.TooLong(path, "", maxLabel)}
	}
	var errs field.ErrorList
	for _, msg := range apivalidation.IsDNS1123Subdomain(name) {
		errs = append(errs, field.Invalid(path, name, msg))
	}
	return errs
}

func validateComponents(bp *v1alpha1.Blueprint) field.ErrorList {
	path := field.NewPath("spec", "components")
	switch n := len(bp.Spec.Components); {
	case n == 0:
		return field.ErrorList{field.Required(path, "a blueprint has at least one component")}
	case n > maxComponents:
		return field.ErrorList{field.TooMany(path, n, maxComponents)}
	}
	var errs field.ErrorList
	seen := map[string]bool{}
	for i := range bp.Spec.Components {
		c := &bp.Spec.Components[i]
		if seen[c.Name] {
			errs = append(errs, field.Duplicate(path.Index(i).Child("name"), c.Name))
		}
		seen[c.Name] = true
		errs = append(errs, validateComponent(bp, c, path.Index(i))...)
	}
	errs = append(errs, validateOrder(bp, path)...)
	return append(errs, validateClaims(bp, path)...)
}

func validateComponent(bp *v1alpha1.Blueprint, c *v1alpha1.Component, path *field.Path) field.ErrorList {
	errs := validateComponentName(c.Name, path.Child("name"))
	switch kinds := c.Image != "" && c.Chart == nil && c.Kustomize == nil; {
	case kinds:
		errs = append(errs, validateImageComponent(bp, c, path)...)
	case c.Image == "" && (c.Chart != nil) != (c.Kustomize != nil):
		errs = append(errs, validatePackaged(c, path)...)
	default:
		errs = append(errs, field.Required(path, "exactly one of image, chart and kustomize"))
	}
	return errs
}

func validateComponentName(name string, path *field.Path) field.ErrorList {
	if len(name) > maxComponentName {
		return field.ErrorList{field.TooLong(path, "", maxComponentName)}
	}
	var errs field.ErrorList
	for _, msg := range apivalidation.IsDNS1035Label(name) {
		errs = append(errs, field.Invalid(path, name, msg))
	}
	return errs
}

// validatePackaged checks a chart or kustomization component.
func validatePackaged(c *v1alpha1.Component, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if own := imageFields(c); len(own) > 0 {
		errs = append(errs, field.Forbidden(path.Child(own[0]), "only image components take this"))
	}
	if c.Kustomize != nil {
		if (c.Kustomize.Path != "") == (len(c.Kustomize.Archive) > 0) {
			errs = append(errs, field.Required(path.Child("kustomize"), "exactly one of path and archive"))
		}
		return errs
	}
	chart, at := c.Chart, path.Child("chart")
	sources := 0
	for _, set := range []bool{chart.Path != "", len(chart.Archive) > 0, chart.Repository != ""} {
		if set {
			sources++
		}
	}
	if sources != 1 {
		errs = append(errs, field.Required(at, "exactly one of path, archive and repository"))
	}
	if chart.Values != nil {
		if _, err := chartValues(chart.Values); err != nil {
			errs = append(errs, field.Invalid(at.Child("values"), "", err.Error()))
		}
	}
	return errs
}

// imageFields are the fields set that only image components take.
func imageFields(c *v1alpha1.Component) []string {
	var set []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"command", c.Command != nil}, {"args", c.Args != nil}, {"ports", c.Ports != nil}, {"env", c.Env != nil},
		{"files", c.Files != nil}, {"volumes", c.Volumes != nil}, {"resources", c.Resources != nil},
		{"health", c.Health != nil}, {"scale", c.Scale != nil}, {"schedule", c.Schedule != ""},
		{"runBefore", c.RunBefore != nil}, {"stores", c.Stores != nil}, {"security", c.Security != nil},
		{"sidecars", c.Sidecars != nil},
	} {
		if f.set {
			set = append(set, f.name)
		}
	}
	return set
}

func validateStores(stores []v1alpha1.Store, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{}
	types := []v1alpha1.StoreType{v1alpha1.StoreMySQL, v1alpha1.StoreRedis, v1alpha1.StoreS3}
	for i, s := range stores {
		at := path.Index(i)
		if seen[s.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), s.Name))
		}
		seen[s.Name] = true
		for _, msg := range apivalidation.IsDNS1035Label(s.Name) {
			errs = append(errs, field.Invalid(at.Child("name"), shorten(s.Name), msg))
		}
		if !slices.Contains(types, s.Type) {
			errs = append(errs, field.NotSupported(at.Child("type"), s.Type, types))
		}
		if s.External != "" && s.Server != "" {
			errs = append(errs, field.Forbidden(at, "at most one of external and server"))
		}
	}
	return errs
}

// validateClaims finds volumes whose claims would have one name:
// COMPONENT-VOLUME is not unique where both parts may hold hyphens.
func validateClaims(bp *v1alpha1.Blueprint, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	owners := map[string]string{}
	for i, c := range bp.Spec.Components {
		for j, v := range c.Volumes {
			if v.Size == nil {
				continue
			}
			claim := claimName(c.Name, v.Name)
			if other, taken := owners[claim]; taken && other != c.Name {
				errs = append(errs, field.Invalid(path.Index(i).Child("volumes").Index(j).Child("name"), v.Name,
					fmt.Sprintf("its claim would be called %s, as one of component %s is", claim, other)))
			}
			owners[claim] = c.Name
		}
	}
	return errs
}

// shorten keeps a message readable when what it quotes is absurdly long.
func shorten(s string) string {
	const longest = 80
	if len(s) <= longest {
		return s
	}
	return s[:longest] + "…"
}

func componentNames(bp *v1alpha1.Blueprint) []string {
	names := make([]string, 0, len(bp.Spec.Components))
	for _, c := range bp.Spec.Components {
		names = append(names, c.Name)
	}
	return names
}

func storeNames(bp *v1alpha1.Blueprint) []string {
	names := make([]string, 0, len(bp.Spec.Stores))
	for _, s := range bp.Spec.Stores {
		names = append(names, s.Name)
	}
	return names
}

// unknown says that a name is not among those known, and which it may be.
func unknown(path *field.Path, kind, name string, known []string) *field.Error {
	return field.Invalid(path, shorten(name), "the blueprint has no such "+kind+suggest.DidYouMean(name, known))
}
