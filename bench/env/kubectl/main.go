// Command kubectl is kubectl as the Kubernetes project publishes it, built
// from its library so that the benchmark and the end-to-end tests compare with
// the real thing on a machine that has none.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		os.Exit(1)
	}
}
