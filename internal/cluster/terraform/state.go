package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/terraform-exec/tfexec"
)

// Outputs gives the outputs of the user's module by name, in JSON. They hold
// secrets. None, before the first apply.
func (r *Run) Outputs(ctx context.Context) (map[string]json.RawMessage, error) {
	all, err := r.tf.Output(ctx)
	if err != nil {
		return nil, r.explain("output", nil, err)
	}
	outputs := map[string]json.RawMessage{}
	if found, ok := all[call]; ok {
		if err := json.Unmarshal(found.Value, &outputs); err != nil {
			return nil, fmt.Errorf("reading the module's outputs: %w", err)
		}
	}
	return outputs, nil
}

// Unlock releases the backend's own lock; see StateLocked.
func (r *Run) Unlock(ctx context.Context, id string) error {
	return r.explain("force-unlock", nil, r.tf.ForceUnlock(ctx, id))
}

// Unsaved gives the state that an apply could not write to its backend; nil if
// all is saved. It holds secrets.
func (r *Run) Unsaved() ([]byte, error) {
	state, err := os.ReadFile(r.unsavedFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return state, err
}

// Save puts a state into the backend that an apply could not write there; it is
// then no longer unsaved. It is refused if the backend has a newer one.
func (r *Run) Save(ctx context.Context, state []byte) error {
	if err := os.WriteFile(r.unsavedFile(), state, 0o600); err != nil {
		return fmt.Errorf("saving the state: %w", err)
	}
	if err := r.tf.StatePush(ctx, fileErrored, tfexec.Lock(true)); err != nil {
		return r.explain("state push", nil, err)
	}
	return r.ForgetUnsaved()
}

// ForgetUnsaved is for a state that is kept elsewhere.
func (r *Run) ForgetUnsaved() error {
	if err := os.Remove(r.unsavedFile()); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (r *Run) unsavedFile() string { return filepath.Join(r.dir, fileErrored) }

// Locked says who holds the backend's lock; nil if nobody does. It finds out by
// taking the lock for a moment.
func (r *Run) Locked(ctx context.Context) (*StateLocked, error) {
	said := r.listen(nil)
	_, err := r.tf.PlanJSON(ctx, said, tfexec.Refresh(false), tfexec.VarFile(r.secretFile()))
	r.tf.SetStdout(nil)
	var locked *StateLocked
	if err := r.explain("plan", said, err); errors.As(err, &locked) || err == nil {
		return locked, nil
	}
	return nil, ctx.Err() // whatever else is wrong, the lock was free
}
