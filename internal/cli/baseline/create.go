package baseline

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/baseline"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/objects"
	"github.com/landfall-dev/landfall/internal/fault"
)

// maxObject bounds the object in bytes: etcd takes 1.5 MiB with all that the
// API server adds.
const maxObject = 1 << 20

type createFlags struct {
	blueprint  string
	hostSpecs  []string
	checks     string
	component  string
	objectives []string
	secret     string
	interval   time.Duration
	dryRun     bool
}

func newCreate(c *command.Context) *cobra.Command {
	var flags createFlags
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Put host specs, checks and objectives together, or replace them",
		Long: `Make a Baseline of files, and with --blueprint let that blueprint's environments
be held against it: ` + "`landfall env list`" + ` shows whether it holds.

A host spec belongs to a component: what must be so in its container. That is
the part of a captured host that belongs to the image or its configuration:
` + "`landfall spec triage`" + ` tells. Checks ask the environment they belong to, whatever
url they name. An objective NAME=PERCENT[/WINDOW[/CHECK]] says how many of the
runs within the window must hold.`,
		Example: `  landfall baseline create shop --blueprint shop --host-spec web=web.yaml --checks checks.yaml
  landfall baseline create shop --checks checks.yaml --objective available=99.5/24h --objective orders=99/1h/orders
  landfall baseline create shop --checks checks.yaml --dry-run -o yaml > baseline.yaml`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return create(cmd.Context(), c, args[0], flags) },
	}
	cmd.Flags().StringVar(&flags.blueprint, "blueprint", "", "`name` of the blueprint whose normal this is")
	cmd.Flags().StringArrayVar(&flags.hostSpecs, "host-spec", nil, "`COMPONENT[/CONTAINER]=FILE`: what must be so in its container; repeatable")
	cmd.Flags().StringVar(&flags.checks, "checks", "", "`file` of HTTP checks")
	cmd.Flags().StringVar(&flags.component, "component", "", "`component` that the checks ask; by default the first public one")
	cmd.Flags().StringArrayVar(&flags.objectives, "objective", nil, "`NAME=PERCENT[/WINDOW[/CHECK]]`; repeatable")
	cmd.Flags().StringVar(&flags.secret, "secret", "", "`name` of the project's Secret with the checks' secrets, by env")
	cmd.Flags().DurationVar(&flags.interval, "interval", baseline.DefaultInterval, "time between two runs of the checks")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "show what would be made, checked by the API server, and change nothing")
	cmd.RegisterFlagCompletionFunc("blueprint", ask.CompleteBlueprints(c))
	cmd.RegisterFlagCompletionFunc("component", ask.CompleteBlueprintComponents(c, func([]string) (string, string) { return "", flags.blueprint }, ""))
	return cmd
}

func create(ctx context.Context, c *command.Context, name string, flags createFlags) error {
	object, err := flags.object(c, name)
	if err != nil {
		return err
	}
	cl, err := c.Client()
	if err != nil {
		return err
	}
	if flags.blueprint != "" {
		if _, err := ask.Blueprint(ctx, c, flags.blueprint); err != nil {
			return err
		}
	}
	applied, err := objects.Apply(ctx, cl, object, flags.dryRun)
	if err != nil {
		return err
	}
	if flags.blueprint != "" && !flags.dryRun {
		if err := use(ctx, c, flags.blueprint, name); err != nil {
			return err
		}
	}
	object.ManagedFields = nil
	return c.Print(object, func(w io.Writer) error {
		note := ""
		if flags.dryRun {
			note = " (nothing was changed; -o yaml shows the object)"
		} else if flags.blueprint != "" {
			note = ", normal for environments of " + flags.blueprint
		}
		_, err := fmt.Fprintf(w, "baseline %s %s%s\n", name, applied.Change, note)
		return err
	})
}

// use lets the blueprint name the baseline.
func use(ctx context.Context, c *command.Context, blueprint, name string) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	bp, err := ask.Blueprint(ctx, c, blueprint)
	if err != nil {
		return err
	}
	before := bp.DeepCopy()
	bp.Spec.Baseline = name
	return command.Explain(cl.Patch(ctx, bp, client.MergeFrom(before), client.FieldOwner("landfall-cli")))
}

// object makes the Baseline of the files and checks it.
func (f createFlags) object(c *command.Context, name string) (*v1alpha1.Baseline, error) {
	object := &v1alpha1.Baseline{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace(), Name: name}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Baseline"))
	spec := &object.Spec
	spec.Component, spec.SecretName, spec.Interval = f.component, f.secret, metav1.Duration{Duration: f.interval}
	size := 0
	for _, pair := range f.hostSpecs {
		place, file, ok := strings.Cut(pair, "=")
		component, container, _ := strings.Cut(place, "/")
		if !ok || component == "" || file == "" {
			return nil, fault.New(fault.Invalid, "Write --host-spec COMPONENT=FILE.", "reading --host-spec %q: not COMPONENT[/CONTAINER]=FILE", pair)
		}
		document, err := embed(file)
		if err != nil {
			return nil, err
		}
		size += len(document.Raw)
		spec.HostSpecs = append(spec.HostSpecs, v1alpha1.ComponentHostSpec{Component: component, Container: container, Document: *document})
	}
	if f.checks != "" {
		document, err := embed(f.checks)
		if err != nil {
			return nil, err
		}
		size += len(document.Raw)
		spec.Checks = document
	}
	for _, text := range f.objectives {
		objective, err := parseObjective(text)
		if err != nil {
			return nil, err
		}
		spec.Objectives = append(spec.Objectives, objective)
	}
	if size > maxObject {
		return nil, fault.New(fault.Invalid, "Leave out what is noise with `landfall spec suggest FILE --write`, and what is not the image's: see `landfall spec triage`.",
			"the documents have %d KiB, more than the %d KiB of one object", size>>10, maxObject>>10)
	}
	if len(spec.HostSpecs) == 0 && spec.Checks == nil {
		return nil, fault.New(fault.Invalid, "Give --host-spec, --checks or both.", "a baseline needs something that can hold")
	}
	_, err := baseline.Read(name, *spec)
	return object, err
}

// embed reads a YAML document as it goes into an object.
func embed(file string) (*runtime.RawExtension, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading a document: %w", err), "")
	}
	raw, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading %s: %w", file, err), "")
	}
	return &runtime.RawExtension{Raw: raw}, nil
}

// parseObjective reads NAME=PERCENT[/WINDOW[/CHECK]].
func parseObjective(text string) (v1alpha1.Objective, error) {
	invalid := func(why string) error {
		return fault.New(fault.Invalid, "Write --objective NAME=PERCENT[/WINDOW[/CHECK]], for example available=99.5/24h.", "reading --objective %q: %s", text, why)
	}
	name, rest, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return v1alpha1.Objective{}, invalid("it has no name")
	}
	parts := strings.SplitN(rest, "/", 3)
	objective := v1alpha1.Objective{Name: name, Target: strings.TrimSuffix(parts[0], "%")}
	if len(parts) > 1 {
		window, err := time.ParseDuration(parts[1])
		if err != nil {
			return objective, invalid("the window is no time such as 24h")
		}
		objective.Window = metav1.Duration{Duration: window}
	}
	if len(parts) > 2 {
		objective.Check = parts[2]
	}
	return objective, nil
}
