package cluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/cluster/provision/job"
	"github.com/landfall-dev/landfall/internal/cluster/provision/leftovers"
	"github.com/landfall-dev/landfall/internal/cluster/terraform"
	"github.com/landfall-dev/landfall/internal/dnsaccount"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/localcluster"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// engine carries out what commands ask of Terraform: here, or in a Job.
type engine interface {
	Plan(ctx context.Context, name string, opts provision.PlanOptions, reporter progress.Reporter) (*provision.Planned, error)
	Apply(ctx context.Context, name string, opts provision.ApplyOptions, reporter progress.Reporter) (*provision.Planned, error)
	Destroy(ctx context.Context, name string, opts provision.DestroyOptions, reporter progress.Reporter) error
	Drift(ctx context.Context, name string, reporter progress.Reporter) (*provision.Planned, error)
	Unlock(ctx context.Context, name string, force bool, reporter progress.Reporter) (*provision.Unlocked, error)
}

// place says where Terraform runs.
type place struct{ inCluster bool }

func (p *place) addTo(f *pflag.FlagSet) {
	f.BoolVar(&p.inCluster, "in-cluster", false, "run Terraform in a Job of the management cluster, as spec.terraform.job says")
}

// engine that runs there; unasked says that everything is approved beforehand.
func (p place) engine(ctx context.Context, c *command.Context, unasked bool) (engine, error) {
	if !p.inCluster {
		return Provisioner(c)
	}
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	config, err := c.RESTConfig()
	if err != nil {
		return nil, err
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reaching the management cluster: %w", err)
	}
	return job.New(job.Options{Client: cl, Kube: kube, By: c.WhoAmI(ctx), Unasked: unasked}), nil
}

// Provisioner makes and removes clusters for the person behind this run.
func Provisioner(c *command.Context) (*provision.Provisioner, error) {
	tool, err := terraform.Find(c.Getenv)
	if err != nil {
		return nil, err
	}
	// The module `local` runs the localkube that belongs to this landfall.
	if local, err := localcluster.Find(c.Getenv); err == nil {
		tool.Environ = append(slices.Clone(tool.Environ), localcluster.EnvBinary+"="+local.Path)
	}
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	hub, err := hub(c)
	if err != nil {
		return nil, err
	}
	dir, err := folder(c)
	if err != nil {
		return nil, err
	}
	holder, err := holder(c)
	if err != nil {
		return nil, err
	}
	return provision.New(provision.Options{
		Client: cl, Tool: tool, Hub: hub, Dir: dir, Holder: holder, Pod: c.Getenv(job.EnvPod), Clock: c.Clock, Reached: crashPoint(c),
		DNS: dnsaccount.Opener(cl, &awsaccount.Accounts{}),
	}), nil
}

// holder is USER@HOST, as Terraform calls who has its lock; in a pod, whose host
// has the pod's name, USER is who asked.
func holder(c *command.Context) (string, error) {
	if pod := c.Getenv(job.EnvPod); pod != "" {
		return c.Getenv("USER") + "@" + pod, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("finding out this machine's name: %w", err)
	}
	who, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("finding out the user's name: %w", err)
	}
	return who.Username + "@" + host, nil
}

// folder is where what Terraform downloads is kept: below $XDG_STATE_HOME.
func folder(c *command.Context) (string, error) {
	state := c.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("finding the folder of clusters: %w", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "landfall", "clusters"), nil
}

// hub describes the management cluster, complete in itself: the selected context
// of the kubeconfig, or the pod's own access to its cluster.
func hub(c *command.Context) (*clientcmdapi.Config, error) {
	raw, err := c.KubeConfig().RawConfig()
	if err != nil {
		return nil, fault.New(fault.Invalid, "Choose a kubeconfig with --kubeconfig.", "reading the kubeconfig: %w", err)
	}
	if len(raw.Contexts) == 0 {
		config, err := c.RESTConfig()
		if err != nil {
			return nil, err
		}
		return fromPod(config), nil
	}
	if c.Kube.Context != "" {
		raw.CurrentContext = c.Kube.Context
	}
	if err := provision.Complete(&raw); err != nil {
		return nil, fault.New(fault.Invalid, "`kubectl config view` shows what the kubeconfig holds; --context chooses.", "reading the kubeconfig: %w", err)
	}
	return &raw, nil
}

// fromPod writes down how a pod reaches its own cluster. The token is a file
// that Kubernetes renews.
func fromPod(config *rest.Config) *clientcmdapi.Config {
	const name = "pod"
	made := clientcmdapi.NewConfig()
	made.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthority: config.CAFile, CertificateAuthorityData: config.CAData}
	made.AuthInfos[name] = &clientcmdapi.AuthInfo{TokenFile: config.BearerTokenFile}
	made.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	made.CurrentContext = name
	return made
}

// marks of what happens to a resource, as Terraform writes them.
var marks = map[terraform.Action]string{
	terraform.Create: "+", terraform.Update: "~", terraform.Replace: "-/+", terraform.Delete: "-", terraform.Import: "&", terraform.Forget: ".",
}

var colors = map[terraform.Action]string{terraform.Create: "32", terraform.Update: "33", terraform.Replace: "31", terraform.Delete: "31", terraform.Import: "36"}

// showPlanned writes what a plan does, by address.
func showPlanned(w io.Writer, planned *provision.Planned, color bool) error {
	var b strings.Builder
	for _, change := range planned.Changes {
		line := fmt.Sprintf("%3s %s", marks[change.Action], change.Address)
		if code := colors[change.Action]; color && code != "" {
			line = "\x1b[" + code + "m" + line + "\x1b[0m"
		}
		b.WriteString(line + because(change) + "\n")
		for i, a := range change.Attributes {
			const most = 12
			if i == most {
				fmt.Fprintf(&b, "      … and %d more\n", len(change.Attributes)-most)
				break
			}
			why := ""
			if a.Replaces {
				why = "  (cannot be changed in place)"
			}
			fmt.Fprintf(&b, "      %s: %s → %s%s\n", a.Path, a.Before, a.After, why)
		}
	}
	fmt.Fprintf(&b, "%s\n", counts(planned))
	_, err := io.WriteString(w, b.String())
	return err
}

func because(change terraform.Change) string {
	var why []string
	if change.Reason != "" {
		why = append(why, change.Reason)
	}
	if change.Outside {
		why = append(why, "changed by other means")
	}
	if len(why) == 0 {
		return ""
	}
	return "  (" + strings.Join(why, "; ") + ")"
}

func counts(planned *provision.Planned) string {
	switch {
	case planned.Empty():
		return "nothing to do"
	case len(planned.Changes) == 0:
		return "only outputs change"
	}
	text := fmt.Sprintf("%d to add, %d to change, %d to destroy", planned.Add, planned.Change, planned.Destroy)
	if planned.Import > 0 {
		text += fmt.Sprintf(", %d to import", planned.Import)
	}
	return text
}

// showDestruction writes what destroying a cluster does.
func showDestruction(w io.Writer, d *provision.Destruction, color bool) error {
	if len(d.Leftovers) > 0 {
		if _, err := fmt.Fprintln(w, "what the cluster made outside, removed first:"); err != nil {
			return err
		}
		if err := showLeftovers(w, d.Leftovers); err != nil {
			return err
		}
	}
	if len(d.Pointers) > 0 {
		if _, err := fmt.Fprintln(w, "what sends requests to the cluster all the same:"); err != nil {
			return err
		}
	}
	for _, pointer := range d.Pointers {
		if _, err := fmt.Fprintf(w, "  ! %s\n", pointer); err != nil {
			return err
		}
	}
	for _, warning := range d.Warnings {
		if _, err := fmt.Fprintln(w, "warning: "+warning); err != nil {
			return err
		}
	}
	return showPlanned(w, d.Plan, color)
}

func showLeftovers(w io.Writer, all []leftovers.Leftover) error {
	for _, l := range all {
		if _, err := fmt.Fprintf(w, "  - %s  (%s)\n", l, l.Why); err != nil {
			return err
		}
	}
	return nil
}

// consent shows something and asks for it, unless it was given beforehand.
func consent(ctx context.Context, c *command.Context, yes bool, question string, show func(io.Writer) error) error {
	if err := show(c.Err); err != nil {
		return err
	}
	if yes || c.Confirmed(ctx, question) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return fault.Wrap(fault.Refused, provision.ErrNotApproved, "Answer y on a terminal, or give --yes.")
}
