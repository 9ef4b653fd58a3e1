// Package migrate is `landfall migrate`: move a hostname's live traffic from one
// backend to another. Commands write objects and words; the controller does the
// work. Only an abort that no controller hears is carried out here. A file for
// each verb. Start at New.
package migrate

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/objects"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/migration"
)

// New makes the command and those below it.
func New(c *command.Context) *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "migrate",
		Aliases: []string{"migration", "migrations"},
		Short:   "Move live traffic in steps, held by guards, with a way back until you say finish",
		Long: `Move one hostname's live traffic from one backend to another through a router
(HAProxy, Gateway API, an AWS load balancer, Route 53), in steps. Each step is
held while its guards hold; the first that fails sends all traffic back. The old
side stays ready until ` + "`landfall migrate finish`" + `.`,
		Example: `  landfall migrate plan -f migration.yaml
  landfall migrate start -f migration.yaml
  landfall migrate status shop -w
  landfall migrate abort shop`,
	},
		newPlan(c), newStart(c), newStatus(c), newList(c),
		newPause(c), newResume(c), newApprove(c), newAbort(c), newFinish(c),
		newRehearse(c), newHistory(c), newEvidence(c))
}

// read gets the migration called name in the selected project.
func read(ctx context.Context, c *command.Context, name string) (*v1alpha1.Migration, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	m := &v1alpha1.Migration{}
	err = cl.Get(ctx, client.ObjectKey{Namespace: c.Namespace(), Name: name}, m)
	if apierrors.IsNotFound(err) && !command.NotInstalled(err) {
		return nil, command.NotFound("migration", name, c.Namespace(), "migrate list")
	}
	return m, command.Explain(err)
}

// fromFile gives the one migration of a file, with the project it belongs to.
func fromFile(c *command.Context, file string) (*v1alpha1.Migration, error) {
	found, err := objects.Read(c, []string{file})
	if err != nil {
		return nil, err
	}
	var m *v1alpha1.Migration
	for _, o := range found {
		one, ok := o.(*v1alpha1.Migration)
		switch {
		case !ok:
		case m != nil:
			return nil, fault.New(fault.Invalid, "Put each into a file of its own.", "reading %s: it has more than one migration", file)
		default:
			m = one
		}
	}
	if m == nil {
		return nil, fault.New(fault.Invalid, "See docs/spec/v1alpha1/migration.md for what to write.", "reading %s: it has no Migration", file)
	}
	return m, nil
}

// binder makes routers from here, for plans and for an abort that no controller
// hears. Most routers need no cluster: that there is none matters when something
// is to be read from it.
func binder(c *command.Context) migration.Binder {
	cl, err := c.Client()
	bind := migration.Binder{Clock: c.Clock, Reader: cl}
	if err != nil {
		bind.Reader = unreachable{err}
	}
	bind.Cluster = func(_ context.Context, cluster string) (client.Client, error) {
		if cluster != "" {
			return nil, fault.New(fault.Refused, "Choose that cluster with --context and leave cluster out, or let the controller do it.", "reaching cluster %s from here", cluster)
		}
		return cl, err
	}
	return bind
}

// unreachable is a cluster that cannot be asked, and why.
type unreachable struct{ err error }

// Get is part of client.Reader.
func (u unreachable) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return u.err
}

// List is part of client.Reader.
func (u unreachable) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return u.err
}

// complete completes the first argument by migrations' names.
func complete(c *command.Context) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		cl, err := c.Client()
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), command.QuickTimeout)
		defer cancel()
		var list v1alpha1.MigrationList
		if cl.List(ctx, &list, client.InNamespace(c.Namespace())) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var found []string
		for _, m := range list.Items {
			found = append(found, fmt.Sprintf("%s\t%s %s", m.Name, m.Status.Phase, m.Status.Weight))
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}
