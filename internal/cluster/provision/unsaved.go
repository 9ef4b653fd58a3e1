package provision

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/landfall-dev/landfall/internal/fault"
)

// keyUnsaved is the key, in the Secret of keep.go, of a state that its backend
// did not take, compressed.
const keyUnsaved = "unsaved.tfstate.gz"

// savePatience is how long a state is tried to be saved before it is left where
// it is.
const savePatience = 2 * time.Minute

// saveState saves a state that an apply could not write: into its backend, where
// that takes it by now, else on the management cluster for the next run, wherever
// that is. Only if neither can be had it stays on this machine. It does not end
// with ctx: what the state knows of is known nowhere else.
func (w *work) saveState(ctx context.Context) error {
	state, err := w.run.Unsaved()
	if err != nil || state == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), savePatience)
	defer cancel()
	step := w.reporter.Step("saving the state, which its backend did not take")
	var last error
	err = wait.PollUntilContextCancel(ctx, beat, true, func(ctx context.Context) (bool, error) {
		pushed := w.run.Save(ctx, state)
		if pushed == nil {
			step.Done("it takes it now")
			return true, nil
		}
		if last = w.keepUnsaved(ctx, state); last == nil {
			step.Done("on the management cluster, for the next run")
			return true, nil
		}
		last = errors.Join(pushed, last)
		step.Update("%v", last)
		return false, nil
	})
	if err == nil {
		return nil
	}
	err = fault.New(fault.Failed, "It is on this machine only: run the same again here once its backend answers.", "saving the state: %w", last)
	step.Fail(err)
	return err
}

func (w *work) keepUnsaved(ctx context.Context, state []byte) error {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, err := zip.Write(state)
	if err = errors.Join(err, zip.Close()); err != nil {
		return err
	}
	if packed.Len() > largestPlan {
		return fmt.Errorf("with %d KiB it is too large for a Secret", packed.Len()>>10)
	}
	err = w.p.keep(ctx, w.cluster.Name, func(data map[string][]byte) { data[keyUnsaved] = packed.Bytes() })
	if err != nil {
		return err
	}
	// Only one may be left: an older copy would be refused some day.
	return w.run.ForgetUnsaved()
}

// recover saves a state that an earlier run could not, before anything else is
// done: without it Terraform would make again what is there already.
func (w *work) recover(ctx context.Context) error {
	kept, err := w.keptUnsaved(ctx)
	if err != nil {
		return err
	}
	state := kept
	if state == nil {
		if state, err = w.run.Unsaved(); err != nil || state == nil {
			return err
		}
	}
	if err := w.run.Save(ctx, state); err != nil {
		return fault.Wrap(fault.ClassOf(err), fmt.Errorf("saving a state that an earlier run could not save: %w", err), "Nothing can be planned without it: see that its backend takes it, then ask again.")
	}
	w.reporter.Note("a state that an earlier run could not save is saved")
	if kept == nil {
		return nil
	}
	return w.p.keep(ctx, w.cluster.Name, func(data map[string][]byte) { delete(data, keyUnsaved) })
}

// keptUnsaved is a state that is kept on the management cluster; nil if none is.
func (w *work) keptUnsaved(ctx context.Context) ([]byte, error) {
	secret, err := w.p.kept(ctx, w.cluster.Name)
	if err != nil || secret.Data[keyUnsaved] == nil {
		return nil, err
	}
	zip, err := gzip.NewReader(bytes.NewReader(secret.Data[keyUnsaved]))
	if err != nil {
		return nil, fmt.Errorf("reading the state that is kept for cluster %s: %w", w.cluster.Name, err)
	}
	const largest = 512 << 20
	return io.ReadAll(io.LimitReader(zip, largest))
}
