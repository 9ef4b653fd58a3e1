package baseline

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/baseline"
	"github.com/landfall-dev/landfall/internal/baseline/check"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube"
	"github.com/landfall-dev/landfall/internal/result"
)

type verifyFlags struct {
	baseline string
	format   result.Format
	all      bool
}

func newVerify(c *command.Context) *cobra.Command {
	var flags verifyFlags
	cmd := &cobra.Command{
		Use:   "verify ENV",
		Short: "Hold an environment against its baseline, now and from here",
		Long: `Run the checks of the baseline against the environment's address as people here
reach it, and compare a container of each component with its host spec. What the
controller found last is in ` + "`landfall env get`" + `.

Exit code 0: all holds. 1: something fails. 3: something is unknown.`,
		Example: `  landfall baseline verify staging
  landfall baseline verify staging --all
  landfall baseline verify pr-1 --baseline shop --format junit > report.xml`,
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: ask.CompleteEnvironments(c, 1),
		RunE:              func(cmd *cobra.Command, args []string) error { return verify(cmd.Context(), c, args[0], flags) },
	}
	cmd.Flags().StringVar(&flags.baseline, "baseline", "", "`name` of another baseline than the blueprint's")
	cmd.Flags().Var(&flags.format, "format", "`format` of the results: table, json, junit or tap")
	cmd.RegisterFlagCompletionFunc("format", ask.CompleteWords(result.Formats...))
	cmd.Flags().BoolVar(&flags.all, "all", false, "show also what holds")
	return cmd
}

func verify(ctx context.Context, c *command.Context, name string, flags verifyFlags) error {
	env, err := ask.Environment(ctx, c, name)
	if err != nil {
		return err
	}
	defined, err := definition(ctx, c, env, flags.baseline)
	if err != nil {
		return err
	}
	started := c.Clock()
	var report result.Report
	if defined.Checks != nil {
		results, err := runChecks(ctx, c, env, defined)
		if err != nil {
			return err
		}
		report.Add(results...)
	}
	if len(defined.HostSpecs) > 0 {
		results, err := compare(ctx, c, env, defined)
		if err != nil {
			return err
		}
		report.Add(results...)
	}
	if c.Output.Machine() && flags.format == "" {
		flags.format = result.JSON
	}
	err = report.Write(c.Out, flags.format, result.Options{
		Color: c.Color(c.Out), All: flags.all, Name: "baseline of " + name,
		Took: func() time.Duration { return c.Clock().Sub(started) },
	})
	if err != nil {
		return err
	}
	return report.Err()
}

// definition reads the baseline that is named, or else the blueprint's.
func definition(ctx context.Context, c *command.Context, env *v1alpha1.Environment, name string) (*baseline.Definition, error) {
	if name == "" {
		bp, err := ask.Blueprint(ctx, c, env.Spec.Blueprint)
		if err != nil {
			return nil, err
		}
		if name = bp.Spec.Baseline; name == "" {
			return nil, fault.New(fault.Invalid, "`landfall baseline create NAME --blueprint "+bp.Name+" …` makes one; --baseline names another.",
				"blueprint %s of environment %s has no baseline", bp.Name, env.Name)
		}
	}
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	object := &v1alpha1.Baseline{}
	err = cl.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: name}, object)
	if client.IgnoreNotFound(err) == nil && err != nil && !command.NotInstalled(err) {
		return nil, command.NotFound("baseline", name, env.Namespace, "baseline list")
	}
	if err != nil {
		return nil, command.Explain(err)
	}
	return baseline.Read(name, object.Spec)
}

func runChecks(ctx context.Context, c *command.Context, env *v1alpha1.Environment, d *baseline.Definition) ([]result.Result, error) {
	options := check.Options{Addresses: map[string]string{}, Now: c.Clock}
	var err error
	if options.URL, err = d.URL(env); err != nil {
		return nil, err
	}
	door, err := frontDoor(ctx, c, env)
	if err != nil {
		return nil, err
	}
	for host := range baseline.Hosts(env) {
		if door != "" {
			options.Addresses[host] = door
		}
	}
	if options.Getenv, err = secrets(ctx, c, env.Namespace, d.Secret); err != nil {
		return nil, err
	}
	runner, err := check.NewRunner(d.Checks, options)
	if err != nil {
		return nil, err
	}
	defer runner.Close()
	step := c.Progress().Step("checking " + result.Clean(runner.Target()))
	report := runner.Run(ctx)
	step.Done("%s", report.Counts())
	return report.Results, ctx.Err()
}

// frontDoor is where environments of a local cluster answer on this machine,
// whatever their names, www.shop.example too; "" where DNS says.
func frontDoor(ctx context.Context, c *command.Context, env *v1alpha1.Environment) (string, error) {
	cl, err := c.Client()
	if err != nil {
		return "", err
	}
	name := environment.Cluster(env)
	cluster := &v1alpha1.Cluster{}
	if err := cl.Get(ctx, client.ObjectKey{Name: name}, cluster); err != nil {
		return "", command.Explain(fmt.Errorf("reading cluster %s: %w", name, err))
	}
	routing := cluster.Spec.Routing
	if routing == nil || routing.Port == nil || routing.Domain != "localhost" && !strings.HasSuffix(routing.Domain, ".localhost") {
		return "", nil
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(*routing.Port))), nil
}

// secrets come from the baseline's Secret, else from the environment of the
// command.
func secrets(ctx context.Context, c *command.Context, project, name string) (func(string) string, error) {
	if name == "" {
		return c.Getenv, nil
	}
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{}
	if err := cl.Get(ctx, client.ObjectKey{Namespace: project, Name: name}, secret); err != nil {
		return nil, command.Explain(fmt.Errorf("reading the checks' secrets: %w", err))
	}
	return func(key string) string { return cmp.Or(string(secret.Data[key]), c.Getenv(key)) }, nil
}

func compare(ctx context.Context, c *command.Context, env *v1alpha1.Environment, d *baseline.Definition) ([]result.Result, error) {
	config, err := ask.TargetConfig(ctx, c, environment.Cluster(env))
	if err != nil {
		return nil, err
	}
	pods, err := client.New(config, client.Options{Scheme: command.Scheme()})
	if err != nil {
		return nil, command.Explain(err)
	}
	var all []result.Result
	for _, h := range d.HostSpecs {
		step := c.Progress().Step("comparing a container of " + h.Component)
		results := inContainer(ctx, pods, config, env.Status.Namespace, h)
		counts := result.Report{Results: results}.Counts()
		step.Done("%s", counts)
		all = append(all, results...)
	}
	return all, ctx.Err()
}

func inContainer(ctx context.Context, pods client.Client, config *rest.Config, namespace string, h baseline.HostSpec) []result.Result {
	pod, err := kube.ReadyPod(ctx, pods, namespace, h.Component)
	if err != nil {
		return []result.Result{{Group: "target", Name: "pod", Target: h.Component, Reason: err.Error()}}
	}
	shell := kube.PodShell{Config: config, Namespace: pod.Namespace, Pod: pod.Name, Container: cmp.Or(h.Container, pod.Spec.Containers[0].Name)}
	results := h.Verify(ctx, shell)
	for i := range results {
		results[i].Target = h.Component
	}
	return results
}
