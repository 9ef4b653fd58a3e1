package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/objects"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/cluster/provision/job"
	"github.com/landfall-dev/landfall/internal/cluster/terraform"
	"github.com/landfall-dev/landfall/internal/fault"
)

// createWait is how long a new cluster may take until it answers.
const createWait = 10 * time.Minute

// moduleFlags say what makes a cluster.
type moduleFlags struct {
	module, version string
	variables       []string
	files           []string
	secrets         []string
	backend         string
	backendConfig   []string
	job             v1alpha1.TerraformJob
}

func (m *moduleFlags) addTo(f *pflag.FlagSet) {
	f.StringVar(&m.module, "module", "", "`module` that makes the cluster: "+strings.Join(terraform.Shipped(), ", ")+", a folder (./…), a git URL or an address in a registry")
	f.StringVar(&m.version, "module-version", "", "`version` of a module in a registry")
	f.StringArrayVar(&m.variables, "var", nil, "`NAME=VALUE` of a variable, the value in JSON or as plain text (repeatable)")
	f.StringArrayVar(&m.files, "var-file", nil, "`file` with variables in YAML or JSON (repeatable)")
	f.StringArrayVar(&m.secrets, "secret-var", nil, "`NAME=NAMESPACE/SECRET/KEY`: a variable that is neither shown nor written to disk (repeatable)")
	f.StringVar(&m.backend, "backend", "", "`type` of backend that keeps the state, such as s3; by default a Secret of the management cluster")
	f.StringArrayVar(&m.backendConfig, "backend-config", nil, "`NAME=VALUE` of the backend (repeatable)")
	f.StringVar(&m.job.Image, "job-image", "", "`image` with terraform or tofu for --in-cluster (default "+job.DefaultImage+")")
	f.StringVar(&m.job.SecretName, "job-secret", "", "`name` of a Secret in landfall-system whose keys are environment variables for --in-cluster")
}

type createFlags struct {
	moduleFlags
	routingFlags
	approval
	place
	addons string
	server string
	dryRun bool
}

// approval is given beforehand, or asked for.
type approval struct {
	yes, wait bool
	timeout   time.Duration
}

// patience is how long the cluster may take until it answers; 0 does not wait.
func (a *approval) patience() time.Duration {
	switch {
	case !a.wait:
		return 0
	case a.timeout == 0:
		return math.MaxInt64
	}
	return a.timeout
}

func (a *approval) addTo(f *pflag.FlagSet, timeout time.Duration) {
	f.BoolVarP(&a.yes, "yes", "y", false, "do not ask")
	if timeout > 0 {
		f.BoolVar(&a.wait, "wait", true, "wait until the cluster answers")
		f.DurationVar(&a.timeout, "timeout", timeout, "how long to wait; 0 for ever")
	}
}

func newCreate(c *command.Context) *cobra.Command {
	var flags createFlags
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a cluster by Terraform",
		Long: `Create a cluster by a Terraform module: show what will be made, ask, make it,
and wait until the cluster answers. From then on environments can run on it.

Any module does that puts out how the cluster is reached: kubeconfig, or
endpoint and certificate_authority with something to log in with
(docs/clusters.md). Those that come with Landfall are ` + strings.Join(terraform.Shipped(), ", ") + `.

Terraform's state is kept in a Secret of the management cluster unless another
--backend is chosen. One at a time works on a cluster; what was interrupted is
gone on with by asking again. Needs terraform or tofu; with --in-cluster it runs
in a Job of the management cluster instead, and goes on without you.`,
		Example: `  landfall cluster create green --module local --var nodes=2 --domain green.example.org --ingress-class nginx
  landfall cluster create green --module aws-eks --var-file green.yaml --backend s3 --backend-config bucket=states
  landfall cluster create green --module ./infra/cluster --secret-var token=infra/hoster/token --yes
  landfall cluster create green --module aws-eks --var-file green.yaml --job-secret aws --in-cluster`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return create(cmd.Context(), c, args[0], flags)
		},
	}
	f := cmd.Flags()
	flags.moduleFlags.addTo(f)
	cmd.RegisterFlagCompletionFunc("module", cobra.FixedCompletions(terraform.Shipped(), cobra.ShellCompDirectiveDefault)) // or a folder
	flags.routingFlags.addTo(f)
	flags.approval.addTo(f, createWait)
	flags.place.addTo(f)
	f.StringVar(&flags.addons, "addons", "", "`PROJECT/BLUEPRINT` of the cluster-level resources that the cluster gets")
	cmd.RegisterFlagCompletionFunc("addons", ask.CompleteBlueprintsOfAll(c))
	f.StringVar(&flags.server, "server", "", "`URL` of the API server as Landfall's pods reach it, where it differs")
	f.BoolVar(&flags.dryRun, "dry-run", false, "let the API server check the object, and change nothing")
	return cmd
}

func create(ctx context.Context, c *command.Context, name string, flags createFlags) error {
	cluster, err := wantedCluster(c, name, flags)
	if err != nil {
		return err
	}
	if flags.inCluster {
		if err := job.Check(name, cluster.Spec.Terraform); err != nil {
			return err
		}
	}
	cl, err := c.Client()
	if err != nil {
		return err
	}
	if err := notAnother(ctx, cl, name); err != nil {
		return err
	}
	applied, err := objects.Apply(ctx, cl, cluster, flags.dryRun)
	if err != nil || flags.dryRun {
		return printOutcome(c, err, applied, fmt.Sprintf("cluster %s would be %s (dry run)", name, applied.Change))
	}
	return applyCluster(ctx, c, name, "create", provision.ApplyOptions{Server: flags.server}, flags.place, flags.approval)
}

func printOutcome(c *command.Context, err error, value any, text string) error {
	if err != nil {
		return err
	}
	return c.Print(value, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, text)
		return err
	})
}

// notAnother refuses to turn a cluster that is only reached into one that
// Terraform makes.
func notAnother(ctx context.Context, cl client.Client, name string) error {
	there := &v1alpha1.Cluster{}
	err := cl.Get(ctx, client.ObjectKey{Name: name}, there)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil && there.Spec.Terraform == nil {
		return fault.New(fault.Refused, "Choose another name, or forget that one: `landfall cluster remove "+name+"`.", "creating cluster %s: there is one of that name, which Terraform did not make", name)
	}
	return command.Explain(err)
}

// wantedCluster is the object. It refers to its kubeconfig from the start, as
// without one it would be the management cluster.
func wantedCluster(c *command.Context, name string, flags createFlags) (*v1alpha1.Cluster, error) {
	route, err := chosenRouting(flags.routingFlags)
	if err != nil {
		return nil, err
	}
	made, err := flags.moduleFlags.terraform(c, name)
	if err != nil {
		return nil, err
	}
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ClusterSpec{
		Terraform: made, Routing: route, KubeconfigSecret: provision.SecretRef(name),
	}}
	if flags.addons != "" {
		project, blueprint, ok := strings.Cut(flags.addons, "/")
		if !ok || project == "" || blueprint == "" {
			return nil, fault.New(fault.Invalid, "Write --addons PROJECT/BLUEPRINT.", "reading --addons %q: not PROJECT/BLUEPRINT", flags.addons)
		}
		cluster.Spec.Addons = &v1alpha1.Addons{Project: project, Blueprint: blueprint}
	}
	return cluster, nil
}

// terraform reads the flags.
func (m moduleFlags) terraform(c *command.Context, name string) (*v1alpha1.Terraform, error) {
	if m.module == "" {
		return nil, fault.New(fault.Invalid, "Give --module: "+strings.Join(terraform.Shipped(), ", ")+", or one of your own.", "creating cluster %s: no module", name)
	}
	spec := &v1alpha1.Terraform{Module: m.module, Version: m.version}
	if strings.HasPrefix(m.module, ".") || filepath.IsAbs(m.module) {
		absolute, err := filepath.Abs(m.module)
		if err != nil {
			return nil, fmt.Errorf("finding module %s: %w", m.module, err)
		}
		spec.Module = absolute
	}
	variables, err := m.values()
	if err != nil {
		return nil, err
	}
	fillIn(c, spec.Module, name, variables)
	spec.Variables = variables
	if spec.SecretVariables, err = secretVariables(m.secrets); err != nil {
		return nil, err
	}
	if m.job != (v1alpha1.TerraformJob{}) {
		spec.Job = &m.job
	}
	config, err := command.Pairs("backend-config", m.backendConfig)
	if err != nil {
		return nil, err
	}
	if m.backend != "" {
		spec.Backend = &v1alpha1.TerraformBackend{Type: m.backend, Config: config}
	} else if len(config) > 0 {
		return nil, fault.New(fault.Invalid, "Give --backend.", "reading --backend-config: no backend is chosen")
	}
	return spec, nil
}

// fillIn gives modules of Landfall what they all need, unless it is given.
func fillIn(c *command.Context, module, name string, variables map[string]apiextensionsv1.JSON) {
	if !slices.Contains(terraform.Shipped(), module) {
		return
	}
	set := func(variable, value string) {
		if _, given := variables[variable]; !given && value != "" {
			variables[variable] = jsonString(value)
		}
	}
	set("name", name)
	if module == "local" {
		set("state_dir", c.Getenv("LANDFALL_LOCAL_DIR"))
	}
}

func jsonString(s string) apiextensionsv1.JSON {
	text, err := json.Marshal(s)
	if err != nil {
		text = []byte(`""`) // a string can always be written
	}
	return apiextensionsv1.JSON{Raw: text}
}

// values of variables: files in their order, then flags.
func (m moduleFlags) values() (map[string]apiextensionsv1.JSON, error) {
	all := map[string]apiextensionsv1.JSON{}
	for _, file := range m.files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading variables: %w", err), "")
		}
		var some map[string]json.RawMessage
		if err := yaml.Unmarshal(text, &some); err != nil {
			return nil, fault.New(fault.Invalid, "Write NAME: VALUE lines, in YAML or JSON.", "reading variables of %s: %w", file, err)
		}
		for name, value := range some {
			all[name] = apiextensionsv1.JSON{Raw: value}
		}
	}
	for _, pair := range m.variables {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fault.New(fault.Invalid, "Write --var NAME=VALUE.", "reading --var %q: not NAME=VALUE", pair)
		}
		all[name] = plainOrJSON(value)
	}
	return all, nil
}

// plainOrJSON takes what is JSON as that, and all else as text.
func plainOrJSON(value string) apiextensionsv1.JSON {
	if json.Valid([]byte(value)) {
		return apiextensionsv1.JSON{Raw: []byte(value)}
	}
	return jsonString(value)
}

func secretVariables(flags []string) ([]v1alpha1.SecretVariable, error) {
	pairs, err := command.Pairs("secret-var", flags)
	if err != nil {
		return nil, err
	}
	var all []v1alpha1.SecretVariable
	for name, value := range pairs {
		parts := strings.Split(value, "/")
		if len(parts) != 3 || slices.Contains(parts, "") {
			return nil, fault.New(fault.Invalid, "Write --secret-var NAME=NAMESPACE/SECRET/KEY.", "reading --secret-var %s: not NAMESPACE/SECRET/KEY", name)
		}
		all = append(all, v1alpha1.SecretVariable{Variable: name, ValueFrom: v1alpha1.SecretKeyRef{Namespace: parts[0], Name: parts[1], Key: parts[2]}})
	}
	slices.SortFunc(all, func(a, b v1alpha1.SecretVariable) int { return strings.Compare(a.Variable, b.Variable) })
	return all, nil
}
