// Package component holds the mains of the parts of a cluster that live in
// the localkube binary. The binary becomes one of them by its first argument.
// It must not know how the parts are arranged. Start reading at Main.
package component

import (
	"context"
	"flag"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // log format json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // version metric
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// Main runs a component until it ends, and returns its exit code. The
// component finds its flags in os.Args, the component's name being os.Args[0].
type Main func() int

// Lookup returns the main of the named component.
func Lookup(name string) (Main, bool) {
	m, ok := mains[name]
	return m, ok
}

var mains = map[string]Main{
	"etcd":                    runEtcd,
	"kube-apiserver":          kubernetes(apiserver.NewAPIServerCommand),
	"kube-controller-manager": kubernetes(controllermanager.NewControllerManagerCommand),
	"kube-scheduler":          kubernetes(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kube-proxy":              kubernetes(proxy.NewProxyCommand),
	"kubelet": kubernetes(func() *cobra.Command {
		return kubelet.NewKubeletCommand(context.Background())
	}),
}

// kubernetes defers the construction of a command, which has side effects on
// the process (signal handlers, feature gates), to when it is run.
func kubernetes(newCommand func() *cobra.Command) Main {
	return func() int {
		command := newCommand()
		// Libraries register flags of their own on flag.CommandLine, which
		// complain when they are used before being parsed.
		_ = flag.CommandLine.Parse(nil)
		command.SetArgs(os.Args[1:])
		return cli.Run(command)
	}
}
