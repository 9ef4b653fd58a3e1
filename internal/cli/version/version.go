// Package version is `landfall version`, and the number itself.
package version

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/spf13/cobra"
	"k8s.io/client-go/discovery"
)

// version is set by the linker.
var version string

// Version of this build: the number given to the linker, else the revision
// that was built, else "dev".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
			return "dev-" + setting.Value[:12]
		}
	}
	return "dev"
}

// Versions is what the command prints.
type Versions struct {
	Landfall string `json:"landfall"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Kubernetes of the selected cluster; empty when none answers.
	Kubernetes string `json:"kubernetes,omitempty"`
}

// New makes the command.
func New(c *command.Context) *cobra.Command {
	clientOnly := false
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show the versions of Landfall and of the cluster",
		Example: "  landfall version\n  landfall version --client -o json",
		Args:    command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), c, clientOnly)
		},
	}
	cmd.Flags().BoolVar(&clientOnly, "client", false, "do not ask the cluster")
	return cmd
}

func run(_ context.Context, c *command.Context, clientOnly bool) error {
	v := Versions{Landfall: Version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if !clientOnly {
		v.Kubernetes = serverVersion(c)
	}
	return c.Print(v, func(w io.Writer) error {
		kubernetes := v.Kubernetes
		if kubernetes == "" {
			kubernetes = "no cluster answers"
		}
		_, err := fmt.Fprintf(w, "landfall    %s (%s, %s)\nkubernetes  %s\n", v.Landfall, v.Go, v.Platform, kubernetes)
		return err
	})
}

// serverVersion is empty when there is no cluster: that is no failure here.
func serverVersion(c *command.Context) string {
	config, err := c.RESTConfig()
	if err != nil {
		return ""
	}
	config.Timeout = command.QuickTimeout
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return ""
	}
	info, err := client.ServerVersion()
	if err != nil {
		return ""
	}
	return info.GitVersion
}
