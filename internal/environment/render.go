package environment

import "context"

// Render computes the objects of an environment. Errors are fault.Invalid and
// name the field (spec.components[2].env[0]) or, for charts and
// kustomizations, the file. The context bounds the time that templates take.
func Render(ctx context.Context, in Input) (*Desired, error) {
	return nil, nil
}

// Hash identifies the rendered objects and their order: equal hashes, equal
// environments.
func (d *Desired) Hash() string { return "" }

// Objects of all stages, in order.
func (d *Desired) Objects() []Object { return nil }

// Images are the references by tag in pod templates of charts and
// kustomizations, sorted, without duplicates: what Pin can pin.
func (d *Desired) Images() []string { return nil }

// Pin replaces references by tag with digests, so that charts and
// kustomizations run the same images after a rollback too. References that are
// not in images stay.
func (d *Desired) Pin(images map[string]Image) {}

// Hash identifies the inputs by what people decide: blueprint, versions,
// overrides, Secrets, store settings, routing. What a tag resolved to is not
// part of it, so that a moved tag alone makes no release.
func (in Input) Hash() string { return "" }
