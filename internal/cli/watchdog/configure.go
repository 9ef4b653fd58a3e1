package watchdog

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	runtime "github.com/landfall-dev/landfall/internal/haproxy"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy"
)

// layoutFlags say what a backend is to be like.
type layoutFlags struct {
	backend          string
	old, new         []string
	oldName, newName string
	check, checkHost string
	nameservers      []string
}

func (f *layoutFlags) add(set *pflag.FlagSet) {
	set.StringVar(&f.backend, "backend", "", "`name` of the backend")
	set.StringArrayVar(&f.old, "old", nil, "`NAME[=HOST:PORT]` of a server of the old side; repeat it for more")
	set.StringArrayVar(&f.new, "new", nil, "`NAME[=HOST:PORT]` of a server of the new side; repeat it for more")
	set.StringVar(&f.oldName, "old-name", "", "`name` of the old side in the migration: requests can ask for it")
	set.StringVar(&f.newName, "new-name", "", "`name` of the new side in the migration: requests can ask for it")
	set.StringVar(&f.check, "check", "", "`path` that servers are asked for to see whether they are up")
	set.StringVar(&f.checkHost, "check-host", "", "`name` that servers are asked by in checks")
	set.StringArrayVar(&f.nameservers, "nameserver", nil, "`HOST:PORT` that resolves servers' names while HAProxy runs; repeat it for more")
	for _, name := range []string{"backend", "old", "new"} {
		_ = cobra.MarkFlagRequired(set, name)
	}
}

func (f *layoutFlags) layout() haproxy.Layout {
	return haproxy.Layout{
		Backend: f.backend, Old: addresses(f.old), New: addresses(f.new),
		OldName: f.oldName, NewName: f.newName, Check: f.check, CheckHost: f.checkHost, Nameservers: f.nameservers,
	}
}

func addresses(flags []string) []haproxy.Address {
	var servers []haproxy.Address
	for _, flag := range flags {
		name, address, _ := strings.Cut(flag, "=")
		servers = append(servers, haproxy.Address{Name: name, Address: address})
	}
	return servers
}

// newSnippet makes `landfall watchdog snippet`.
func newSnippet(c *command.Context) *cobra.Command {
	f := &layoutFlags{}
	cmd := &cobra.Command{
		Use:   "snippet",
		Short: "Print what HAProxy's configuration needs for a migration",
		Long: `Print HAProxy's configuration for the two sides of a migration: whole sections
where servers have addresses, otherwise the lines to put into a backend that is
there. They count answers by how long they took, send requests that ask for a side
by X-Landfall-Backend to it, and give the new side weight 0.`,
		Example: `  # lines for a backend that is there
  landfall watchdog snippet --backend shop --old web1 --old web2 --new k8s --old-name ec2 --new-name kubernetes

  # a whole backend
  landfall watchdog snippet --backend shop --old web1=10.0.0.11:80 --new k8s=shop.example.svc:80 \
    --check /health --nameserver 10.96.0.10:53`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			text, err := f.layout().Render()
			if err != nil {
				return err
			}
			_, err = io.WriteString(c.Out, text)
			return err
		},
	}
	f.add(cmd.Flags())
	return cmd
}

type configureFlags struct {
	layoutFlags
	file        string
	configs     []string
	program     string
	haproxy     string
	master      string
	serverState string
}

// newConfigure makes `landfall watchdog configure`.
func newConfigure(c *command.Context) *cobra.Command {
	f := &configureFlags{}
	cmd := &cobra.Command{
		Use:   "configure",
		Short: "Put a migration's backend into HAProxy's configuration, without losing a request",
		Long: `Write the backend of a migration into a file of its own, on the machine of a
HAProxy in master-worker mode. The configuration is tried by haproxy -c first, the
reload hands listening sockets on, and what does not come to a HAProxy that serves
the backend is undone. The new side has weight 0 after it. Running it again changes
nothing.`,
		Example: `  landfall watchdog configure --backend shop --old web1=10.0.0.11:80 --new k8s=10.1.0.4:80 \
    --config /etc/haproxy/haproxy.cfg --config /etc/haproxy/conf.d --file /etc/haproxy/conf.d/shop.cfg \
    --haproxy unix:///run/haproxy/admin.sock --master unix:///run/haproxy-master.sock \
    --server-state /var/lib/haproxy/server-state`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), c) },
	}
	set := cmd.Flags()
	f.add(set)
	set.StringVar(&f.file, "file", "", "`file` to write, for this backend alone")
	set.StringArrayVar(&f.configs, "config", []string{"/etc/haproxy/haproxy.cfg"}, "`file or folder` that HAProxy was started with by -f; repeat it for more")
	set.StringVar(&f.program, "program", "haproxy", "HAProxy `program` that tries the configuration")
	set.StringVar(&f.haproxy, "haproxy", "unix:///run/haproxy/admin.sock", "`address` of HAProxy's runtime interface, with level admin")
	set.StringVar(&f.master, "master", "unix:///run/haproxy-master.sock", "`address` of HAProxy's master (-S)")
	set.StringVar(&f.serverState, "server-state", "", "HAProxy's server-state-`file`, to be written before the reload")
	_ = cmd.MarkFlagRequired("file")
	return cmd
}

func (f *configureFlags) run(ctx context.Context, c *command.Context) error {
	i := haproxy.Installation{Layout: f.layout(), Configs: f.configs, ServerState: f.serverState}
	var err error
	if i.File, err = filepath.Abs(f.file); err != nil {
		return err
	}
	if i.Socket, err = runtime.ParseSocket(f.haproxy); err != nil {
		return err
	}
	if i.Master, err = runtime.ParseSocket(f.master); err != nil {
		return err
	}
	if i.Program, err = exec.LookPath(f.program); err != nil {
		return fault.New(fault.Invalid, "Install it (apt-get install haproxy) or name it with --program.", "finding HAProxy: %w", err)
	}
	changed, err := i.Apply(ctx)
	if err != nil {
		return err
	}
	if !changed {
		_, err = fmt.Fprintf(c.Out, "%s is as it should be; nothing was changed\n", i.File)
		return err
	}
	_, err = fmt.Fprintf(c.Out, "%s is in service: HAProxy was reloaded, all requests of backend %s go to the old side\n", i.File, f.backend)
	return err
}
