package environment

import "github.com/landfall-dev/landfall/api/v1alpha1"

// Needs is what must be fetched before an environment can be rendered.
type Needs struct {
	// Images are the references to resolve, by component.
	Images map[string]string
	// Charts to fetch, by component. Charts packed into the blueprint are among
	// them.
	Charts map[string]v1alpha1.Chart
	// Secrets of the project namespace that are copied into the environment,
	// sorted. The stores' own Secrets are not among them.
	Secrets []string
	// Stores in the environment's version of where they come from, in the
	// blueprint's order.
	Stores []v1alpha1.Store
}

// Needed says what must be fetched to render env.
func Needed(bp *v1alpha1.Blueprint, env *v1alpha1.Environment) Needs {
	return Needs{}
}
