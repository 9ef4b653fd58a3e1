package environment

import (
	"fmt"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

var (
	// tagPattern and digestPattern are those of the OCI distribution
	// specification.
	tagPattern    = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	digestPattern = regexp.MustCompile(`^sha256:[a-f0-9]{64}$`)
)

func validateVersions(bp *v1alpha1.Blueprint, env *v1alpha1.Environment, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	components := map[string]*v1alpha1.Component{}
	for i := range bp.Spec.Components {
		components[bp.Spec.Components[i].Name] = &bp.Spec.Components[i]
	}
	for _, name := range sortedKeys(env.Spec.Versions) {
		c, version := components[name], env.Spec.Versions[name]
		switch {
		case c == nil:
			errs = append(errs, unknown(at.Key(name), "component", name, componentNames(bp)))
		case version == "":
			errs = append(errs, field.Required(at.Key(name), "leave the component out to run the blueprint's version"))
		case c.Image != "" || c.Kustomize != nil:
			errs = append(errs, validateImageVersion(c, version, at.Key(name))...)
		case c.Chart != nil && c.Chart.Repository == "" && c.Chart.VersionPath == "":
			errs = append(errs, field.Forbidden(at.Key(name), "the chart is part of the blueprint: its version can only be chosen with versionPath"))
		}
	}
	return errs
}

func validateImageVersion(c *v1alpha1.Component, version string, at *field.Path) field.ErrorList {
	if c.Kustomize != nil && c.Kustomize.VersionImage == "" {
		return field.ErrorList{field.Forbidden(at, "the kustomization names no versionImage to set")}
	}
	tag, digest := splitVersion(version)
	if (tag == "" || tagPattern.MatchString(tag)) && (digest == "" || digestPattern.MatchString(digest)) && tag+digest != "" {
		return nil
	}
	return field.ErrorList{field.Invalid(at, shorten(version), "not a tag, a digest (sha256: and 64 hexadecimal digits) or both (TAG@sha256:…)")}
}

func validateOverrides(bp *v1alpha1.Blueprint, env *v1alpha1.Environment, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	merged := map[string]*part{}
	all := parts(bp, env)
	for i := range all {
		merged[all[i].Name] = &all[i]
	}
	seen := map[string]bool{}
	for i, o := range env.Spec.Overrides {
		at := at.Index(i)
		if seen[o.Component] {
			errs = append(errs, field.Duplicate(at.Child("component"), o.Component))
		}
		seen[o.Component] = true
		p := merged[o.Component]
		switch {
		case p == nil:
			errs = append(errs, unknown(at.Child("component"), "component", o.Component, componentNames(bp)))
			continue
		case p.Image == "":
			errs = append(errs, field.Forbidden(at, "only image components are overridden: set a chart's values in the blueprint"))
			continue
		case o.Scale != nil && (p.isJob() || p.Schedule != ""):
			errs = append(errs, field.Forbidden(at.Child("scale"), "a job takes no scale"))
			continue
		}
		errs = append(errs, validateEnv(o.Env, at.Child("env"))...)
		errs = append(errs, validateResources(o.Resources, at.Child("resources"))...)
		if o.Scale != nil || o.Resources != nil {
			errs = append(errs, validateScale(&p.Component, at.Child("scale"))...)
		}
	}
	return errs
}

func validateStoreOverrides(bp *v1alpha1.Blueprint, env *v1alpha1.Environment, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, s := range env.Spec.Stores {
		if !slices.Contains(storeNames(bp), s.Name) {
			errs = append(errs, unknown(at.Index(i).Child("name"), "store", s.Name, storeNames(bp)))
		}
		if s.External != "" && s.Server != "" {
			errs = append(errs, field.Forbidden(at.Index(i), "at most one of external and server"))
		}
	}
	return errs
}

func validateAliases(bp *v1alpha1.Blueprint, env *v1alpha1.Environment, at *field.Path) field.ErrorList {
	public := 0
	for i := range bp.Spec.Components {
		for _, port := range bp.Spec.Components[i].Ports {
			if port.Public {
				public++
			}
		}
	}
	if len(env.Spec.Aliases) > 0 && public != 1 {
		return field.ErrorList{field.Forbidden(at, fmt.Sprintf("%d components are public: aliases lead to the only one", public))}
	}
	return nil
}

// validateSettings checks what does not depend on the blueprint.
func validateSettings(env *v1alpha1.Environment, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if ttl := env.Spec.TTL; ttl != nil && ttl.Duration <= 0 {
		errs = append(errs, field.Invalid(at.Child("ttl"), ttl.Duration.String(), "not more than zero"))
	}
	if timeout := env.Spec.DeployTimeout; timeout != nil && timeout.Duration <= 0 {
		errs = append(errs, field.Invalid(at.Child("deployTimeout"), timeout.Duration.String(), "not more than zero"))
	}
	for _, name := range sortedKeys(env.Spec.Quota) {
		if q := env.Spec.Quota[name]; q.Sign() < 0 {
			errs = append(errs, field.Invalid(at.Child("quota").Key(string(name)), q.String(), "less than zero"))
		}
	}
	// Everything runs in the environment's own namespace: these hold others'.
	for _, reserved := range []string{"kube-system", "kube-public", "kube-node-lease", "landfall-system", corev1.NamespaceDefault} {
		if Namespace(env) == reserved && !env.Spec.Adopt {
			errs = append(errs, field.Invalid(at.Child("namespace"), reserved, "the namespace holds the cluster's own objects"))
		}
	}
	return errs
}
