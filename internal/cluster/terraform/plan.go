package terraform

import (
	"context"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-exec/tfexec"
)

// PlanOptions choose what is planned.
type PlanOptions struct {
	// Destroy plans to remove everything.
	Destroy bool
	// Replace names resources to be made anew.
	Replace []string
	// Import takes a resource that exists into the state, and nothing else is
	// planned.
	Import *Imported
	// Unlocked leaves the backend's lock alone: for looking only.
	Unlocked bool
}

// Imported is a resource that exists and becomes the module's.
type Imported struct {
	Address, ID string
}

// Plan is what will be carried out, exactly.
type Plan struct {
	Summary Summary
	// Data is Terraform's plan. It holds secrets.
	Data []byte
}

// Plan finds out what has to be done.
func (r *Run) Plan(ctx context.Context, opts PlanOptions) (*Plan, error) {
	root := r.root
	if opts.Import != nil {
		root.imported = opts.Import
	}
	if err := r.write(root); err != nil {
		return nil, err
	}
	step := r.reporter.Step("planning")
	plan, err := r.plan(ctx, opts)
	if err != nil {
		step.Fail(err)
		return nil, err
	}
	step.Done("%d to add, %d to change, %d to destroy", plan.Summary.Add, plan.Summary.Change, plan.Summary.Destroy)
	return plan, nil
}

func (r *Run) plan(ctx context.Context, opts PlanOptions) (*Plan, error) {
	said := r.listen(nil)
	_, err := r.tf.PlanJSON(ctx, said, r.planOptions(opts)...)
	r.tf.SetStdout(nil)
	if err := r.explain("plan", said, err); err != nil {
		return nil, err
	}
	shown, err := r.tf.ShowPlanFile(ctx, r.planFile())
	if err != nil {
		return nil, r.explain("show", nil, err)
	}
	data, err := os.ReadFile(r.planFile())
	if err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	return &Plan{Summary: summarize(shown, r.root.Secrets), Data: data}, nil
}

func (r *Run) planOptions(opts PlanOptions) []tfexec.PlanOption {
	options := []tfexec.PlanOption{tfexec.Out(r.planFile()), tfexec.VarFile(r.secretFile()), tfexec.Lock(!opts.Unlocked)}
	if opts.Destroy {
		options = append(options, tfexec.Destroy(true))
	}
	for _, address := range opts.Replace {
		options = append(options, tfexec.Replace(Full(address)))
	}
	if opts.Import != nil {
		options = append(options, tfexec.Target(Full(opts.Import.Address)))
	}
	return options
}

// Apply carries out a plan that Plan made, here or elsewhere. Errors: ErrStale
// if the state has changed since.
func (r *Run) Apply(ctx context.Context, plan []byte) error {
	if err := os.WriteFile(r.planFile(), plan, 0o600); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	said := r.listen(r.watch())
	err := r.tf.ApplyJSON(ctx, said, tfexec.DirOrPlan(r.planFile()))
	r.tf.SetStdout(nil)
	return r.explain("apply", said, err)
}
