package spec

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/containerize"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/image"
)

type containerizeFlags struct {
	targetFlags
	target       string
	rules        []string
	output       string
	name         string
	image        string
	allow        []string
	force        bool
	secretValues bool
}

func newContainerize(c *command.Context) *cobra.Command {
	var flags containerizeFlags
	cmd := &cobra.Command{
		Use:   "containerize FILE --target TARGET -o FOLDER",
		Short: "Make of a host what runs it on Kubernetes",
		Long: `Make of a host what runs it on Kubernetes, by what ` + "`landfall spec triage`" + ` says
of each of its items:

  Dockerfile, rootfs/  the packages in the versions of the host, the application
                       and what was installed by hand; not root, logs to stdout,
                       one process a container
  blueprint.yaml       nginx and PHP-FPM as two containers of a pod, with probes,
                       resources as measured, configuration and secrets by
                       reference, scaling, jobs, stores
  secret.yaml          the names of what must not be seen
  expected.yaml        what of the host must hold in the pod:
                       landfall spec verify expected.yaml --target pod://…
  README.md            what was adapted, and what is left to do

With --image the image is also assembled from the host's own files, without
Docker, and pushed: it runs at once, while the Dockerfile is polished.

What looks like a private key or another credential is not packed: the command
refuses and names it, unless --allow does. Two sessions, nothing written on the
host. Only Debian and its derivatives.`,
		Example: `  landfall spec containerize web1.yaml --target ssh://root@web1 -o shop/
  landfall spec containerize web1.yaml --target ssh://root@web1 -o shop/ --name shop --image localhost:15000/shop:1`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.run(cmd.Context(), c, args[0])
		},
	}
	f := cmd.Flags()
	flags.add(f)
	for _, several := range []string{"targets", "parallel"} { // there is one host
		_ = f.MarkHidden(several)
	}
	f.StringVar(&flags.target, "target", "", "`TARGET` whose files are taken: the host that FILE was captured from")
	f.StringArrayVar(&flags.rules, "rules", nil, "`file` with rules of triage of your own (repeatable)")
	f.StringVarP(&flags.output, "output", "o", "", "`folder` for the result")
	f.StringVar(&flags.name, "name", "shop", "`name` of the blueprint and its first component")
	f.StringVar(&flags.image, "image", "", "assemble the image and push it to this `REFERENCE`")
	f.StringArrayVar(&flags.allow, "allow", nil, "pack this `path` although it looks like a credential; * stands for any characters (repeatable)")
	f.BoolVar(&flags.force, "force", false, "replace files of an earlier run")
	f.BoolVar(&flags.secretValues, "secret-values", false, "write the values found into secret.yaml, which only you may read")
	return cmd
}

func (f *containerizeFlags) run(ctx context.Context, c *command.Context, file string) error {
	options, err := f.options(c, file)
	if err != nil {
		return err
	}
	made, err := containerize.Run(ctx, options)
	if err != nil {
		return err
	}
	if made.Archive != "" {
		defer os.Remove(made.Archive)
	}
	if err := checkBlueprint(made.Blueprint); err != nil {
		return err
	}
	result := containerized{Result: made}
	if f.image != "" {
		pushed, err := pushAssembled(ctx, c, made, f.image)
		if err != nil {
			return err
		}
		result.Image = &pushed
	}
	return c.Print(result, func(w io.Writer) error { return printContainerized(w, result) })
}

// containerized is the result with the image that was pushed.
type containerized struct {
	*containerize.Result
	Image *image.Pushed `json:"image,omitempty"`
}

func (f *containerizeFlags) options(c *command.Context, file string) (containerize.Options, error) {
	none := containerize.Options{}
	if f.target == "" || f.output == "" {
		return none, fault.New(fault.Invalid, "Add --target ssh://root@HOST -o FOLDER.", "containerizing needs the host and a folder")
	}
	spec, err := readDocument(c, file)
	if err != nil {
		return none, err
	}
	rules, err := readTriageRules(f.rules)
	if err != nil {
		return none, err
	}
	targets, err := f.targets(c, []string{f.target})
	if err != nil {
		return none, err
	}
	host, ok := targets[0].(target.Shell)
	if !ok || len(targets) != 1 {
		return none, fault.New(fault.Invalid, "Name the one host that the document was captured from.", "containerizing %s: it is not one host with a shell", f.target)
	}
	reference := f.image
	if reference == "" {
		reference = "registry.example/" + f.name + ":1"
	}
	return containerize.Options{
		Spec: spec, Rules: rules, Host: host, Name: f.name, Image: reference, Assemble: f.image != "",
		Allow: f.allow, Dir: f.output, Force: f.force, SecretValues: f.secretValues, Progress: c.Progress(),
	}, nil
}

// checkBlueprint reads the blueprint as `landfall apply` will.
func checkBlueprint(text []byte) error {
	objects, err := environment.ParseObjects(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("checking the blueprint that was written: %w", err)
	}
	for _, o := range objects {
		if bp, ok := o.(*v1alpha1.Blueprint); ok {
			if err := environment.Validate(bp); err != nil {
				return fault.Wrap(fault.Failed, fmt.Errorf("checking the blueprint that was written: %w", err), "Correct blueprint.yaml by hand before you apply it.")
			}
		}
	}
	return nil
}

func pushAssembled(ctx context.Context, c *command.Context, made *containerize.Result, reference string) (image.Pushed, error) {
	cache, err := image.DefaultCache()
	if err != nil {
		return image.Pushed{}, err
	}
	step := c.Progress().Step("push " + reference)
	config := image.Config{Cmd: made.Run.Command, Env: made.Run.Env, User: made.Run.User, StopSignal: made.Run.StopSignal}
	for _, port := range made.Run.Ports {
		config.Expose = append(config.Expose, strconv.Itoa(int(port)))
	}
	img, err := image.Build(cache, made.Archive, nil, config)
	if err == nil {
		var pushed image.Pushed
		pushed, err = image.Push(ctx, img, reference, func(done, total int64) { step.Count(done, total, "B") })
		if err == nil {
			step.Done("%.1f MB", float64(pushed.Size)/1e6)
			return pushed, nil
		}
	}
	step.Fail(err)
	return image.Pushed{}, err
}

func printContainerized(w io.Writer, result containerized) error {
	fmt.Fprintf(w, "%s: %d packages pinned, %d changes to configuration, %d secrets by reference\n",
		result.Dir, len(result.Packages), len(result.Changes), len(result.Secrets))
	if result.Image != nil {
		fmt.Fprintf(w, "image: %s (%.1f MB)\n", result.Image.Image, float64(result.Image.Size)/1e6)
	}
	if result.OneInstance != "" {
		fmt.Fprintf(w, "one instance only: %s\n", result.OneInstance)
	}
	if len(result.Open) > 0 {
		fmt.Fprintf(w, "open decisions: %d (landfall spec triage)\n", len(result.Open))
	}
	_, err := fmt.Fprintf(w, "next: read %s/README.md\n", result.Dir)
	return err
}
