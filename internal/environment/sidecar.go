package environment

import (
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

// sidecars adds the component's sidecars to its pod and gives the objects that
// hold their configuration. They are initial containers that go on running: so
// they are there before the component's own container starts and end after it,
// and a job is done when its own container is.
func (r *renderer) sidecars(p *part, own Image, shared config, pod *corev1.PodSpec, at *field.Path) ([]Object, error) {
	var objects []Object
	for i := range p.Sidecars {
		s := p.sidecarPart(i)
		img := own
		if s.Image != "" {
			img = r.in.Images[sidecarImage(p.Name, s.sidecar)]
		}
		if img.Digest == "" {
			return nil, fault.New(fault.Failed, "", "%s: image %s was not resolved to a digest", at.Index(i).Child("image"), shorten(s.Image))
		}
		cfg, err := shared, error(nil)
		if s.ownConfig {
			if cfg, err = r.config(s, at.Index(i)); err != nil {
				return nil, err
			}
			objects = append(objects, cfg.objects...)
		}
		container, volumes, err := r.container(s, img, cfg)
		if err != nil {
			return nil, err
		}
		container.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		setProbes(&container, s)
		pod.InitContainers = append(pod.InitContainers, container)
		for _, v := range volumes {
			if !slices.ContainsFunc(pod.Volumes, func(old corev1.Volume) bool { return old.Name == v.Name }) {
				pod.Volumes = append(pod.Volumes, v)
			}
		}
	}
	return objects, nil
}

// sidecarPart is a sidecar in the place of its component, with what they share.
func (p *part) sidecarPart(i int) *part {
	s, c := p.Sidecars[i], &p.Component
	return &part{index: p.index, sidecar: s.Name, ownConfig: len(s.Env)+len(s.Files) > 0, Component: v1alpha1.Component{
		Name: c.Name, Stores: c.Stores, Volumes: c.Volumes, Security: c.Security, Ports: c.Ports,
		Image: s.Image, Command: s.Command, Args: s.Args, Env: mergeEnv(c.Env, s.Env), Files: mergeFiles(c.Files, s.Files), Resources: s.Resources, Health: s.Health,
	}}
}

// mergeEnv is env with changes, which replace variables in their place.
func mergeEnv(env, changes []corev1.EnvVar) []corev1.EnvVar {
	merged := slices.Clone(env)
	for _, v := range changes {
		at := slices.IndexFunc(merged, func(old corev1.EnvVar) bool { return old.Name == v.Name })
		if at < 0 {
			merged = append(merged, *v.DeepCopy())
		} else {
			merged[at] = *v.DeepCopy()
		}
	}
	return merged
}

// mergeFiles is files with changes, which replace those of the same path in
// their place.
func mergeFiles(files, changes []v1alpha1.File) []v1alpha1.File {
	merged := slices.Clone(files)
	for _, f := range changes {
		at := slices.IndexFunc(merged, func(old v1alpha1.File) bool { return path.Clean(old.Path) == path.Clean(f.Path) })
		if at < 0 {
			merged = append(merged, f)
		} else {
			merged[at] = f
		}
	}
	return merged
}

// sidecarImage names a sidecar's image in Needs.Images; no component's name has
// a slash.
func sidecarImage(component, sidecar string) string { return component + "/" + sidecar }

// container is what the part's container is called.
func (p *part) container() string {
	if p.sidecar != "" {
		return p.sidecar
	}
	return p.Name
}

// configName is the beginning of the names of objects that hold the part's
// configuration.
func (p *part) configName() string {
	if p.sidecar != "" {
		return p.Name + "-" + p.sidecar
	}
	return p.Name
}

// volumeName is the name of a volume that holds configuration: the component's,
// or that of a sidecar with some of its own.
func (p *part) volumeName(name string) string {
	if p.ownConfig {
		return name + "-" + p.sidecar
	}
	return name
}

// probeTarget is the port that a probe asks. Ports are named in the component's
// own container only, so that sidecars go by number.
func (p *part) probeTarget(port *v1alpha1.Port) intstr.IntOrString {
	if p.sidecar != "" {
		return intstr.FromInt32(port.Port)
	}
	return intstr.FromString(port.Name)
}

func validateSidecars(c *v1alpha1.Component, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{c.Name: true}
	for i, s := range c.Sidecars {
		at := at.Index(i)
		errs = append(errs, validateComponentName(s.Name, at.Child("name"))...)
		if seen[s.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), s.Name))
		}
		seen[s.Name] = true
		if _, err := name.ParseReference(s.Image, name.WeakValidation); s.Image != "" && err != nil {
			errs = append(errs, field.Invalid(at.Child("image"), shorten(s.Image), "not an image reference: "+shorten(err.Error())))
		}
		errs = append(errs, validateEnv(s.Env, at.Child("env"))...)
		alike := &v1alpha1.Component{Ports: c.Ports, Volumes: c.Volumes, Files: s.Files, Health: s.Health}
		errs = append(errs, validateFiles(alike, at)...)
		errs = append(errs, validateResources(s.Resources, at.Child("resources"))...)
		errs = append(errs, validateHealth(alike, at.Child("health"))...)
	}
	return errs
}
