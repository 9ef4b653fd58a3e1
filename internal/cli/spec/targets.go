package spec

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube"
)

// targetFlags say which targets a command works on, and how they are reached.
type targetFlags struct {
	file     string
	parallel int
	sudo     bool
	ssh      target.SSHOptions
}

const targetHelp = `A TARGET is ` + target.Forms + `.
A word without a scheme is a host for SSH, which the OpenSSH client reaches with
your configuration, agent and known_hosts; it never asks. web{1..3} and
{web,db}1 stand for several.`

func (f *targetFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "targets", "", "`file` with one target a line; - reads standard input")
	flags.IntVar(&f.parallel, "parallel", 8, "`number` of targets at once")
	f.addReach(flags)
}

// addReach adds just the flags that say how targets are reached.
func (f *targetFlags) addReach(flags *pflag.FlagSet) {
	flags.BoolVar(&f.sudo, "sudo", false, "read as root where sudo -n is allowed")
	flags.StringVar(&f.ssh.Identity, "identity", "", "private key `file` for SSH, in place of all others")
	flags.StringVar(&f.ssh.Config, "ssh-config", "", "`file` in place of ~/.ssh/config")
	flags.StringVar(&f.ssh.KnownHosts, "known-hosts", "", "`file` in place of ~/.ssh/known_hosts")
	flags.StringVar(&f.ssh.Jump, "jump", "", "`hosts` to go through, as for ssh -J")
}

// targets gives those of the arguments and of --targets.
func (f *targetFlags) targets(c *command.Context, args []string) ([]target.Target, error) {
	texts, err := f.listed(c)
	if err != nil {
		return nil, err
	}
	targets, err := target.ParseAll(append(slices.Clone(args), texts...), target.Options{
		Sudo: f.sudo, SSH: f.ssh, Pods: podTargets(c), IsContext: contexts(c),
	})
	if err != nil {
		return nil, err
	}
	if len(targets) == 0 {
		return nil, fault.New(fault.Invalid, "Write "+target.Forms+", or --targets FILE.", "no target given")
	}
	return targets, nil
}

func (f *targetFlags) listed(c *command.Context) ([]string, error) {
	switch f.file {
	case "":
		return nil, nil
	case "-":
		return target.ReadList(c.In, "standard input")
	}
	file, err := os.Open(f.file)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading targets: %w", err), "")
	}
	defer file.Close()
	return target.ReadList(file, f.file)
}

func contexts(c *command.Context) func(string) bool {
	return func(name string) bool {
		config, err := c.KubeConfig().RawConfig()
		return err == nil && config.Contexts[name] != nil
	}
}

// podTargets makes targets of pods, in the cluster that the reference or the
// flags name.
func podTargets(c *command.Context) func(target.PodRef) (target.Shell, error) {
	return func(ref target.PodRef) (target.Shell, error) { return pod{c: c, ref: ref}, nil }
}

// pod is a container reached through the API server.
type pod struct {
	c   *command.Context
	ref target.PodRef
}

// Name is the reference.
func (p pod) Name() string { return p.ref.String() }

// Compress: it travels through the API server.
func (p pod) Compress() bool { return true }

// Run implements target.Shell.
func (p pod) Run(ctx context.Context, script io.Reader, stdout io.Writer) error {
	config, err := p.c.RESTConfig()
	if p.ref.Context != "" {
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		rules.ExplicitPath = p.c.Kube.Kubeconfig
		config, err = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: p.ref.Context}).ClientConfig()
	}
	if err != nil {
		return err
	}
	shell := kube.PodShell{Config: config, Namespace: p.ref.Namespace, Pod: p.ref.Pod, Container: p.ref.Container}
	return command.Explain(shell.Run(ctx, script, stdout))
}
