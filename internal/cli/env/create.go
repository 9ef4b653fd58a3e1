package env

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/change"
	"github.com/landfall-dev/landfall/internal/fault"
)

// createFlags are the choices for a new environment.
type createFlags struct {
	ask.Flags
	blueprint, from, cluster string
	hostname, targetNS       string
	set, quota, aliases      []string
	ttl                      time.Duration
	adopt                    bool
	stage                    string
	seed                     seedFlags
}

func newCreate(c *command.Context) *cobra.Command {
	var flags createFlags
	cmd := &cobra.Command{
		Use:   "create NAME (--blueprint BLUEPRINT | --from ENV)",
		Short: "Create an environment from a blueprint, or like another environment",
		Long: `Create an environment and wait until it is ready.

With --from it runs what the other environment runs, in exactly those versions,
but for those given by --set. Hostname, expiry and external stores (somebody's
data) are not taken over.

With --seed-from its stores begin with another environment's data, masked as
--mask says and verified before anything runs.`,
		Example: `  landfall env create staging --blueprint shop
  landfall env create pr-1 --from staging --set web=1.4.2 --ttl 8h
  landfall env create pr-2 --from staging --seed-from staging --mask rules.yaml
  landfall env create load --blueprint shop --cluster big --quota cpu=8,memory=16Gi --dry-run`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return create(cmd.Context(), c, args[0], flags)
		},
	}
	flags.AddTo(cmd, ask.DeployTimeout)
	flags.AddMessageTo(cmd)
	addCreateFlags(c, cmd, &flags)
	cmd.Flags().StringVarP(&flags.blueprint, "blueprint", "b", "", "`name` of the blueprint to run")
	cmd.Flags().StringVar(&flags.from, "from", "", "`environment` to take blueprint, versions, overrides and quota from")
	cmd.RegisterFlagCompletionFunc("blueprint", ask.CompleteBlueprints(c))
	cmd.RegisterFlagCompletionFunc("from", func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return ask.CompleteEnvironments(c, 1)(cmd, nil, typed)
	})
	return cmd
}

// addCreateFlags adds the flags that create and clone share.
func addCreateFlags(c *command.Context, cmd *cobra.Command, flags *createFlags) {
	cmd.Flags().StringArrayVar(&flags.set, "set", nil, "`COMPONENT=VERSION`: tag, digest or chart version; repeatable")
	cmd.Flags().DurationVar(&flags.ttl, "ttl", 0, "delete the environment after this long, as in 8h")
	cmd.Flags().StringSliceVar(&flags.aliases, "alias", nil, "further `name` that the hostname's component answers on; repeatable")
	cmd.Flags().StringVar(&flags.hostname, "hostname", "", "`name` it answers on; by default NAME.DOMAIN of its cluster")
	cmd.Flags().StringVar(&flags.cluster, "cluster", "", "`name` of the cluster to run on; by default \"local\"")
	cmd.Flags().StringVar(&flags.targetNS, "target-namespace", "", "`namespace` on the cluster; by default NAME")
	cmd.Flags().StringSliceVar(&flags.quota, "quota", nil, "`RESOURCE=AMOUNT,…` that the whole environment may use, as in cpu=4,memory=8Gi,pods=20")
	cmd.Flags().StringVar(&flags.stage, "stage", "", "`stage` of it: production, staging, test or development; by default production where the name says so")
	flags.seed.add(c, cmd)
	cmd.RegisterFlagCompletionFunc("set", ask.CompleteBlueprintComponents(c, flags.subject, "="))
	cmd.RegisterFlagCompletionFunc("seed-store", ask.CompleteStores(c, flags.subject))
	cmd.Flags().BoolVar(&flags.adopt, "adopt", false, "take over a namespace and objects that exist already and are not ours")
	cmd.RegisterFlagCompletionFunc("cluster", ask.CompleteClusters(c))
	cmd.RegisterFlagCompletionFunc("stage", ask.CompleteStages())
}

// subject is what the new environment will be like: a clone has that for its
// first argument.
func (f *createFlags) subject(args []string) (environment, blueprint string) {
	if f.from != "" || f.blueprint != "" {
		return f.from, f.blueprint
	}
	return ask.FirstArgument(args)
}

func create(ctx context.Context, c *command.Context, name string, flags createFlags) error {
	var env *v1alpha1.Environment
	var err error
	switch {
	case flags.blueprint != "" && flags.from != "":
		return fault.New(fault.Invalid, "Give one of --blueprint and --from.", "creating %s: both --blueprint and --from are given", name)
	case flags.from != "":
		env, err = likeAnother(ctx, c, flags.from, name)
	case flags.blueprint != "":
		env = &v1alpha1.Environment{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.Namespace()},
			Spec:       v1alpha1.EnvironmentSpec{Blueprint: flags.blueprint},
		}
	default:
		return fault.New(fault.Invalid, "Give --blueprint NAME, or --from ENVIRONMENT.", "creating %s: of what?", name)
	}
	if err != nil {
		return err
	}
	return write(ctx, c, env, flags)
}

// likeAnother makes the object of an environment that runs what another runs.
func likeAnother(ctx context.Context, c *command.Context, source, name string) (*v1alpha1.Environment, error) {
	from, err := ask.Environment(ctx, c, source)
	if err != nil {
		return nil, err
	}
	bp, err := ask.Blueprint(ctx, c, from.Spec.Blueprint)
	if err != nil {
		return nil, err
	}
	env, left := change.From(from, bp, name)
	if len(left) > 0 {
		c.Progress().Note("stores %s of %s are external and not taken over: %s gets its own", strings.Join(left, ", "), source, name)
	}
	return env, nil
}

// write checks the new object, stores it, waits and prints.
func write(ctx context.Context, c *command.Context, env *v1alpha1.Environment, flags createFlags) error {
	if err := choose(env, flags); err != nil {
		return err
	}
	if seed := env.Spec.Seed; seed != nil {
		if _, err := ask.Environment(ctx, c, seed.From); fault.ClassOf(err) == fault.NotFound {
			return fmt.Errorf("--seed-from: %w", err)
		}
	}
	bp, err := ask.Blueprint(ctx, c, env.Spec.Blueprint)
	if err != nil {
		return err
	}
	versions, err := command.Pairs("set", flags.set)
	if err != nil {
		return err
	}
	if err := change.Deploy(env, bp, nil, versions); err != nil {
		return err
	}
	if err := environment.ValidateEnvironment(bp, env); err != nil {
		return err
	}
	change.Sign(env, c.WhoAmI(ctx), flags.Message)
	cl, err := c.Client()
	if err != nil {
		return err
	}
	options := []client.CreateOption{client.FieldOwner("landfall-cli")}
	if flags.DryRun {
		options = append(options, client.DryRunAll)
	}
	err = cl.Create(ctx, env, options...)
	if apierrors.IsAlreadyExists(err) {
		return fault.New(fault.Refused, "`landfall deploy "+env.Name+"` changes it; another name makes another.",
			"creating %s: the environment exists already", env.Name)
	}
	if err != nil {
		return command.Explain(err)
	}
	return ask.Finish(ctx, c, env, "create", flags.Flags)
}

// choose puts the flags into the object.
func choose(env *v1alpha1.Environment, flags createFlags) error {
	if problems := validation.IsDNS1123Label(env.Name); len(problems) > 0 {
		return fault.New(fault.Invalid, "Choose a name of lower-case letters, digits and '-', at most 50 long.",
			"creating an environment: the name %q is not possible: %s", shorten(env.Name), strings.Join(problems, "; "))
	}
	if flags.cluster != "" {
		env.Spec.Cluster = flags.cluster
	}
	env.Spec.Hostname, env.Spec.Namespace, env.Spec.Adopt = flags.hostname, flags.targetNS, flags.adopt
	env.Spec.Aliases = flags.aliases
	if flags.ttl < 0 {
		return fault.New(fault.Invalid, "Give a duration such as 8h.", "creating %s: --ttl %s is in the past", env.Name, flags.ttl)
	}
	if flags.ttl > 0 {
		env.Spec.TTL = &metav1.Duration{Duration: flags.ttl}
	}
	env.Spec.Stage = v1alpha1.Stage(flags.stage)
	if err := flags.seed.choose(env); err != nil {
		return err
	}
	return chooseQuota(env, flags.quota)
}

func chooseQuota(env *v1alpha1.Environment, values []string) error {
	amounts, err := command.Pairs("quota", values)
	if err != nil {
		return err
	}
	for name, amount := range amounts {
		quantity, err := resource.ParseQuantity(amount)
		if err != nil {
			return fault.New(fault.Invalid, "Write amounts as Kubernetes does: 500m, 2, 4Gi.", "creating %s: --quota %s=%s: %w", env.Name, name, amount, err)
		}
		if env.Spec.Quota == nil {
			env.Spec.Quota = corev1.ResourceList{}
		}
		env.Spec.Quota[corev1.ResourceName(name)] = quantity
	}
	return nil
}

func shorten(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
