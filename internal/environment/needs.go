package environment

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Needs is what must be fetched before an environment can be rendered.
type Needs struct {
	// Images are the references to resolve, by component or, for sidecars with
	// an image of their own, COMPONENT/SIDECAR.
	Images map[string]string
	// Charts to fetch, by component, at the environment's version. Charts
	// packed into the blueprint are among them.
	Charts map[string]v1alpha1.Chart
	// Secrets of the project namespace that are copied into the environment,
	// sorted. The stores' own Secrets are not among them, nor are those that
	// are only referred to as optional: see Optional.
	Secrets []string
	// Optional Secrets are copied where they exist, sorted.
	Optional []string
	// PullSecrets are the Secrets of the project namespace with the credentials
	// for registries, in the blueprint's order.
	PullSecrets []string
	// Stores in the blueprint's order, each with where it comes from in this
	// environment.
	Stores []v1alpha1.Store
}

// Needed says what must be fetched to render env. It takes what it is given:
// whether that makes sense is for Validate to say.
func Needed(bp *v1alpha1.Blueprint, env *v1alpha1.Environment) Needs {
	n := Needs{Images: map[string]string{}, Charts: map[string]v1alpha1.Chart{}, Stores: stores(bp, env)}
	needed, optional := map[string]bool{}, map[string]bool{}
	for _, p := range parts(bp, env) {
		switch {
		case p.Image != "":
			n.Images[p.Name] = p.reference().String()
			for _, s := range p.Sidecars {
				if s.Image != "" {
					n.Images[sidecarImage(p.Name, s.Name)] = splitReference(s.Image).String()
				}
			}
		case p.Chart != nil:
			n.Charts[p.Name] = p.chart()
		}
		for _, ref := range p.secretRefs() {
			if ref.Optional != nil && *ref.Optional {
				optional[ref.Name] = true
			} else {
				needed[ref.Name] = true
			}
		}
	}
	maps.DeleteFunc(optional, func(name string, _ bool) bool { return needed[name] })
	n.Secrets = slices.Sorted(maps.Keys(needed))
	n.Optional = slices.Sorted(maps.Keys(optional))
	for _, ref := range bp.Spec.ImagePullSecrets {
		n.PullSecrets = append(n.PullSecrets, ref.Name)
	}
	return n
}

// stores are the blueprint's with the environment's sources.
func stores(bp *v1alpha1.Blueprint, env *v1alpha1.Environment) []v1alpha1.Store {
	all := slices.Clone(bp.Spec.Stores)
	for i := range all {
		for _, o := range env.Spec.Stores {
			if o.Name == all[i].Name {
				all[i].StoreSource = o.StoreSource
			}
		}
	}
	return all
}

// StoreSettings names the Secret of the project that holds the settings of a
// store made for an environment. Stores have no dots in their names, so no two
// pairs share one.
func StoreSettings(env, store string) string { return "store." + env + "." + store }

// StoreSource names the Secret with the address of a store or of its server.
func StoreSource(st v1alpha1.Store) string {
	switch {
	case st.External != "":
		return st.External
	case st.Server != "":
		return st.Server
	}
	return "landfall-" + string(st.Type)
}

// part is a component as one environment runs it.
type part struct {
	// Component with the environment's overrides.
	v1alpha1.Component
	// index in the blueprint's spec.components.
	index int
	// version the environment asks for; empty for the blueprint's.
	version string
	// sidecar is set where the part stands for one of the component's sidecars.
	sidecar string
	// ownConfig: the sidecar has files or variables beside the component's.
	ownConfig bool
}

// parts are the blueprint's components, in its order, as env runs them.
func parts(bp *v1alpha1.Blueprint, env *v1alpha1.Environment) []part {
	all := make([]part, 0, len(bp.Spec.Components))
	for i, c := range bp.Spec.Components {
		p := part{Component: *c.DeepCopy(), index: i, version: env.Spec.Versions[c.Name]}
		for _, o := range env.Spec.Overrides {
			if o.Component == c.Name {
				p.override(o)
			}
		}
		all = append(all, p)
	}
	return all
}

func (p *part) override(o v1alpha1.Override) {
	if o.Scale != nil {
		p.Scale = o.Scale.DeepCopy()
	}
	if o.Resources != nil {
		p.Resources = o.Resources.DeepCopy()
	}
	p.Env = mergeEnv(p.Env, o.Env)
}

// isJob tells a one-off job, which runs before other components.
func (p *part) isJob() bool { return len(p.RunBefore) > 0 }

// reference is the image to run, as asked for.
func (p *part) reference() reference {
	ref := splitReference(p.Image)
	if p.version != "" {
		ref = ref.at(p.version)
	}
	return ref
}

// asked is the version as asked for, of whatever kind the component is: for
// images the tag or, without one, the digest.
func (p *part) asked() string {
	switch {
	case p.Image != "":
		return p.reference().version()
	case p.version != "":
		return p.version
	case p.Chart != nil:
		return p.Chart.Version
	}
	return ""
}

// chart is the chart to fetch: the environment's version is the chart's own
// unless it sets one of its values.
func (p *part) chart() v1alpha1.Chart {
	c := *p.Chart.DeepCopy()
	if p.version != "" && c.VersionPath == "" {
		c.Version = p.version
	}
	return c
}

// secretRefs are the keys of project Secrets that the component uses.
func (p *part) secretRefs() []corev1.SecretKeySelector {
	env, files := p.Env, p.Files
	for _, s := range p.Sidecars {
		env, files = slices.Concat(env, s.Env), slices.Concat(files, s.Files)
	}
	var refs []corev1.SecretKeySelector
	for _, v := range env {
		if v.ValueFrom != nil && v.ValueFrom.SecretKeyRef != nil {
			refs = append(refs, *v.ValueFrom.SecretKeyRef)
		}
	}
	for _, f := range files {
		if f.SecretKeyRef != nil {
			refs = append(refs, *f.SecretKeyRef)
		}
	}
	return refs
}
