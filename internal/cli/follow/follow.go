// Package follow waits for what a command asked of an environment and shows
// how it goes: the release's steps, the components' instances, and, where it
// fails, what a person needs to know. It only watches objects; the work is
// the controllers'. Start at Settled.
package follow

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Result is how an environment ended up.
type Result struct {
	Environment *v1alpha1.Environment
	// Release is the newest one; nil when none was made yet.
	Release *v1alpha1.Release
}

// Settled waits until the environment has taken in asked, the object as the
// API server returned it after the change, and has come to rest. It fails when
// the release fails, when the environment is stuck until somebody edits
// something, when timeout passes (0 waits for ever) and when ctx ends; what is
// known then comes back with the error.
func Settled(ctx context.Context, c *command.Context, asked *v1alpha1.Environment, timeout time.Duration) (result Result, err error) {
	cl, err := c.Client()
	if err != nil {
		return Result{}, err
	}
	waiting, cancel := within(ctx, timeout)
	defer cancel()
	show := newDisplay(c.Progress(), asked.Name, asked.Status.Release)
	defer func() { show.close(err) }()
	for range changes(waiting, cl, asked) {
		now, err := read(waiting, cl, asked)
		if err != nil {
			if waiting.Err() == nil && !apierrors.IsNotFound(err) {
				show.trouble(err)
				continue
			}
			if apierrors.IsNotFound(err) {
				return result, fault.New(fault.Failed, "", "waiting for %s: it was deleted meanwhile", asked.Name)
			}
			break
		}
		result = now
		show.update(result)
		if settled, err := judge(asked, result); settled {
			return result, err
		}
	}
	return result, ended(ctx, asked.Name, timeout, result)
}

// read gets the environment and its newest release.
func read(ctx context.Context, cl client.Client, asked *v1alpha1.Environment) (Result, error) {
	env := &v1alpha1.Environment{}
	if err := cl.Get(ctx, client.ObjectKeyFromObject(asked), env); err != nil {
		return Result{}, err
	}
	result := Result{Environment: env}
	if env.Status.Release == "" {
		return result, nil
	}
	release := &v1alpha1.Release{}
	err := cl.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: env.Status.Release}, release)
	if client.IgnoreNotFound(err) != nil {
		return Result{}, err
	}
	if err == nil {
		result.Release = release
	}
	return result, nil
}

// ended explains why waiting ended before the environment settled.
func ended(ctx context.Context, name string, timeout time.Duration, last Result) error {
	state := "nothing has been seen of it yet"
	if env := last.Environment; env != nil {
		state = describe(env)
	}
	see := "`landfall env get " + name + "` shows how it goes on."
	if ctx.Err() != nil {
		return &Interrupted{Name: name, State: state, Hint: see}
	}
	return fault.New(fault.Failed, "The work goes on in the cluster: "+see,
		"waiting for %s: not done after %s: %s", name, timeout, state)
}

// Interrupted is Ctrl-C while waiting: the change stays asked for.
type Interrupted struct{ Name, State, Hint string }

// Error says what state is left.
func (e *Interrupted) Error() string {
	return fmt.Sprintf("interrupted while waiting for %s (%s): the change is asked for and goes on in the cluster; %s", e.Name, e.State, e.Hint)
}

// Unwrap makes it an interruption.
func (e *Interrupted) Unwrap() error { return context.Canceled }

// Gone waits until the environment no longer exists and shows what still
// keeps it. It fails when timeout passes, naming what blocks.
func Gone(ctx context.Context, c *command.Context, asked *v1alpha1.Environment, timeout time.Duration) error {
	_, err := wait{
		step: "delete " + asked.Name, doing: "deleting " + asked.Name,
		hint: "Deletion goes on in the cluster. Remove what blocks it, or, where its cluster is gone for good, use --abandon.",
		look: func(now *v1alpha1.Environment) (bool, string, error) {
			if now == nil || now.UID != asked.UID {
				return true, "", nil
			}
			return false, describe(now), nil
		},
	}.until(ctx, c, asked, timeout)
	return err
}

// Left waits until a move that somebody asked to finish has nothing left on the
// old cluster. It fails when timeout passes, saying what is awaited.
func Left(ctx context.Context, c *command.Context, asked *v1alpha1.Environment, timeout time.Duration) (*v1alpha1.Environment, error) {
	return wait{
		step: "finish the move of " + asked.Name, doing: "finishing the move of " + asked.Name,
		hint: "It goes on in the cluster: `landfall env get " + asked.Name + "` shows how.",
		look: func(now *v1alpha1.Environment) (bool, string, error) {
			if now == nil {
				return false, "", errors.New("it was deleted meanwhile")
			}
			if now.Status.Left == nil {
				return true, "", nil
			}
			if moving := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionMoving); moving != nil {
				return false, moving.Message, nil
			}
			return false, "", nil
		},
	}.until(ctx, c, asked, timeout)
}

// wait is for something that ends an environment, or a part of it. look tells
// whether an environment, nil once there is none, has come that far, and else
// what is awaited; its error ends the wait.
type wait struct {
	step, doing, hint string
	look              func(now *v1alpha1.Environment) (done bool, state string, err error)
}

// until shows the wait and returns the environment as it is in the end.
func (w wait) until(ctx context.Context, c *command.Context, asked *v1alpha1.Environment, timeout time.Duration) (*v1alpha1.Environment, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	waiting, cancel := within(ctx, timeout)
	defer cancel()
	step := c.Progress().Step(w.step)
	state := "nothing has been seen of it yet"
	for range changes(waiting, cl, asked) {
		now, err := read(waiting, cl, asked)
		if err != nil && !apierrors.IsNotFound(err) {
			continue
		}
		done, awaited, err := w.look(now.Environment)
		switch {
		case err != nil:
			err = fault.New(fault.Failed, "", "%s: %w", w.doing, err)
			step.Fail(err)
			return nil, err
		case done:
			step.Done("")
			return now.Environment, nil
		case awaited != "":
			state = awaited
			step.Update("%s", state)
		}
	}
	if ctx.Err() != nil {
		step.Fail(errors.New("interrupted"))
		return nil, &Interrupted{Name: asked.Name, State: state, Hint: "repeat the command to wait again."}
	}
	err = fault.New(fault.Failed, w.hint, "%s: not done after %s: %s", w.doing, timeout, state)
	step.Fail(err)
	return nil, err
}

// within is a context that ends after timeout; 0 is never.
func within(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}
