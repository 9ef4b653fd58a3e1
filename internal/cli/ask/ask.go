// Package ask is the path that every command takes which changes an
// environment: read it, edit the object, write it (or show what would be
// written), wait until the cluster has followed, print the outcome. The edits
// are internal/environment/change's. Start at Edit.
package ask

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/follow"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/change"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Timeouts of commands that wait, unless told otherwise: that of deploys is a
// little longer than a release may take by default.
const (
	DeployTimeout = 11 * time.Minute
	DeleteTimeout = 5 * time.Minute
)

// Flags of commands that change an environment.
type Flags struct {
	DryRun  bool
	Wait    bool
	Timeout time.Duration
	Message string
}

// AddTo adds the flags to a command that waits for so long by default.
func (f *Flags) AddTo(cmd *cobra.Command, timeout time.Duration) {
	cmd.Flags().BoolVar(&f.DryRun, "dry-run", false, "show what would be asked for, checked by the API server, and change nothing")
	cmd.Flags().BoolVar(&f.Wait, "wait", true, "wait until the cluster has followed")
	cmd.Flags().DurationVar(&f.Timeout, "timeout", timeout, "how long to wait; 0 for ever")
}

// AddMessageTo adds -m, for commands that make a release.
func (f *Flags) AddMessageTo(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.Message, "message", "m", "", "`text` saying why, kept in the release")
}

// Environment reads the environment called name in the selected project.
func Environment(ctx context.Context, c *command.Context, name string) (*v1alpha1.Environment, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	env := &v1alpha1.Environment{}
	err = cl.Get(ctx, client.ObjectKey{Namespace: c.Namespace(), Name: name}, env)
	if isAbsent(err) {
		return nil, absent(ctx, c, name)
	}
	return env, command.Explain(err)
}

// namesShown is how many names a hint lists.
const namesShown = 8

// absent says that an environment does not exist, and which do.
func absent(ctx context.Context, c *command.Context, name string) error {
	general := command.NotFound("environment", name, c.Namespace(), "env list")
	cl, err := c.Client()
	if err != nil {
		return general
	}
	var list v1alpha1.EnvironmentList
	if err := cl.List(ctx, &list, client.InNamespace(c.Namespace())); err != nil || len(list.Items) == 0 || len(list.Items) > namesShown {
		return general
	}
	names := make([]string, len(list.Items))
	for i, env := range list.Items {
		names[i] = env.Name
	}
	slices.Sort(names)
	return fault.Wrap(fault.NotFound, general,
		"There "+english.PluralWord(len(names), "is ", "are ")+english.WordSeries(names, "and")+"; -n chooses another project.")
}

// Blueprint reads a blueprint of the selected project.
func Blueprint(ctx context.Context, c *command.Context, name string) (*v1alpha1.Blueprint, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	bp := &v1alpha1.Blueprint{}
	err = cl.Get(ctx, client.ObjectKey{Namespace: c.Namespace(), Name: name}, bp)
	if isAbsent(err) {
		return nil, command.NotFound("blueprint", name, c.Namespace(), "apply -f blueprint.yaml` makes one; `kubectl get blueprints")
	}
	return bp, command.Explain(err)
}

// Cluster reads a Cluster.
func Cluster(ctx context.Context, c *command.Context, name string) (*v1alpha1.Cluster, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	cluster := &v1alpha1.Cluster{}
	err = command.Explain(cl.Get(ctx, client.ObjectKey{Name: name}, cluster))
	if fault.ClassOf(err) == fault.NotFound {
		return nil, fault.New(fault.NotFound, "`landfall cluster list` shows what there is.", "cluster %s does not exist", name)
	}
	return cluster, err
}

// isAbsent tells an object that does not exist from a kind that does not.
func isAbsent(err error) bool {
	return apierrors.IsNotFound(err) && !command.NotInstalled(err)
}

// CurrentRelease reads the newest release of env; nil when it has none yet.
func CurrentRelease(ctx context.Context, c *command.Context, env *v1alpha1.Environment) (*v1alpha1.Release, error) {
	if env.Status.Release == "" {
		return nil, nil
	}
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	release := &v1alpha1.Release{}
	err = cl.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: env.Status.Release}, release)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return release, command.Explain(err)
}

// Releases reads the releases of an environment, in no particular order.
func Releases(ctx context.Context, c *command.Context, name string) ([]v1alpha1.Release, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	var list v1alpha1.ReleaseList
	err = cl.List(ctx, &list, client.InNamespace(c.Namespace()), client.MatchingFields{"spec.environment": name})
	return list.Items, command.Explain(err)
}

// Deploy edits env so that it runs these versions, and checks the result.
func Deploy(ctx context.Context, c *command.Context, env *v1alpha1.Environment, versions map[string]string) error {
	bp, err := Blueprint(ctx, c, env.Spec.Blueprint)
	if err != nil {
		return err
	}
	current, err := CurrentRelease(ctx, c, env)
	if err != nil {
		return err
	}
	if err := change.Deploy(env, bp, current, versions); err != nil {
		return err
	}
	return environment.ValidateEnvironment(bp, env)
}

// Edit reads the environment, lets edit change it, writes it, waits and prints
// the outcome. edit runs again on what somebody else changed in between. The
// words say what was asked, as in "deploy".
func Edit(ctx context.Context, c *command.Context, name, words string, flags Flags, edit func(*v1alpha1.Environment) error) error {
	author := c.WhoAmI(ctx)
	env, err := Write(ctx, c, name, flags, func(env *v1alpha1.Environment) error {
		change.Sign(env, author, flags.Message)
		return edit(env)
	})
	if err != nil {
		return err
	}
	return Finish(ctx, c, env, words, flags)
}

// EditThen is Edit for changes that make no release: nothing is waited for,
// and people says what was done.
func EditThen(ctx context.Context, c *command.Context, name string, flags Flags, edit func(*v1alpha1.Environment) error, people func(io.Writer, *v1alpha1.Environment) error) error {
	env, err := Write(ctx, c, name, flags, edit)
	if err != nil {
		return err
	}
	return Print(c, env, func(w io.Writer) error { return people(w, env) })
}

// Write is the first half of Edit: nothing is waited for or printed.
func Write(ctx context.Context, c *command.Context, name string, flags Flags, edit func(*v1alpha1.Environment) error) (*v1alpha1.Environment, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	var env *v1alpha1.Environment
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if env, err = Environment(ctx, c, name); err != nil {
			return err
		}
		before := env.DeepCopy()
		if err := edit(env); err != nil {
			return err
		}
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		return cl.Patch(ctx, env, patch, patchOptions(flags)...)
	})
	return env, command.Explain(err)
}

func patchOptions(flags Flags) []client.PatchOption {
	options := []client.PatchOption{client.FieldOwner("landfall-cli")}
	if flags.DryRun {
		options = append(options, client.DryRunAll)
	}
	return options
}

// Finish waits, unless told not to, for the environment as it was written, and
// prints the outcome.
func Finish(ctx context.Context, c *command.Context, written *v1alpha1.Environment, words string, flags Flags) error {
	if flags.DryRun || !flags.Wait {
		return Print(c, written, func(w io.Writer) error {
			return asked(w, written, words, flags.DryRun)
		})
	}
	result, err := follow.Settled(ctx, c, written, flags.Timeout)
	if err != nil {
		return err
	}
	return Print(c, result.Environment, func(w io.Writer) error {
		return outcome(w, result)
	})
}

// Print prints an environment without the API server's bookkeeping.
func Print(c *command.Context, env *v1alpha1.Environment, people func(io.Writer) error) error {
	shown := env.DeepCopy()
	shown.ManagedFields = nil
	shown.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Environment"))
	return c.Print(shown, people)
}

func asked(w io.Writer, env *v1alpha1.Environment, words string, dryRun bool) error {
	if dryRun {
		_, err := fmt.Fprintf(w, "would %s %s (nothing was changed; -o yaml shows the object)\n", words, env.Name)
		return err
	}
	_, err := fmt.Fprintf(w, "asked to %s %s; `landfall env get %s` shows how it goes\n", words, env.Name, env.Name)
	return err
}
