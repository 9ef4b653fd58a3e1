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

// Recover puts a state into the backend that an earlier apply could not write
// there, and says whether there was one.
func (r *Run) Recover(ctx context.Context) (bool, error) {
	path := filepath.Join(r.dir, fileErrored)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err := r.tf.StatePush(ctx, fileErrored, tfexec.Lock(true)); err != nil {
		return true, r.explain("state push", nil, err)
	}
	return true, os.Remove(path)
}

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
