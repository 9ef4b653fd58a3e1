package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/legacyhost"
)

// newLegacy makes `landfall local legacy`.
func newLegacy(c *command.Context) *cobra.Command {
	var dir string
	manager := func() (*legacyhost.Manager, error) {
		return legacyhost.NewManager(dir, c.Getenv, c.Progress())
	}
	group := command.Group(&cobra.Command{
		Use:   "legacy",
		Short: "Servers as they were before containers, on this machine",
		Long: `Run a small fleet of Debian servers on this machine: each with an init, sshd,
cron and syslog of its own, in its own Linux namespaces. They are the old side
of a move: something to capture, compare, triage and leave behind.

What is installed on them is the recipe examples/legacy-shop: web servers with
nginx, PHP-FPM and Postfix, a data server with MariaDB and Redis.

Needs root, and Debian's mmdebstrap. Nothing outside the state folder, one
bridge and its subnet is touched.`,
		Example: "  landfall local legacy create --hosts 3\n  landfall local legacy ssh web1\n  landfall local legacy delete",
	}, legacyCreate(c, manager), legacyList(c, manager), legacyDelete(manager), legacyExec(c, manager), legacySSH(c, manager))
	group.PersistentFlags().StringVar(&dir, "state-dir", "", "`folder` for local things; by default $"+legacyhost.EnvDir+", then "+legacyhost.DefaultDir)
	return group
}

type makeManager func() (*legacyhost.Manager, error)

func legacyCreate(c *command.Context, manager makeManager) *cobra.Command {
	var hosts int
	var recipe, subnet string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create the servers and wait until they answer",
		Long: `Create the servers and wait until their services answer. The first time, the
systems are installed, which takes a minute or two; later it takes seconds.
Repeat it to start what is stopped and to finish what was interrupted.

The third web server is not quite like the others: finding out how is what
` + "`landfall spec fleet`" + ` is for.`,
		Example: "  landfall local legacy create --hosts 3\n  landfall local legacy create --recipe ./my-servers --subnet 10.70.1.0/24",
		Args:    command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			request, err := legacyRequest(c, recipe, subnet, hosts)
			if err != nil {
				return err
			}
			m, err := manager()
			if err != nil {
				return err
			}
			fleet, err := m.Create(cmd.Context(), request)
			if err != nil {
				return err
			}
			return c.Print(fleet, func(w io.Writer) error { return printFleet(w, fleet, true) })
		},
	}
	cmd.Flags().IntVar(&hosts, "hosts", 3, "`number` of web servers")
	cmd.Flags().StringVar(&recipe, "recipe", "", "`folder` of another recipe than the legacy shop")
	cmd.Flags().StringVar(&subnet, "subnet", "", "private /24 for the servers; by default the first free one of 10.66.0.0/16")
	return cmd
}

func legacyRequest(c *command.Context, folder, subnet string, hosts int) (r legacyhost.Request, err error) {
	files := c.LegacyShop
	if folder != "" {
		files = os.DirFS(folder)
	}
	if files == nil {
		return r, fault.New(fault.Invalid, "Name a folder with --recipe.", "creating legacy hosts: this program has no recipe built in")
	}
	if r.Recipe, err = legacyhost.ReadRecipe(files); err != nil {
		return r, err
	}
	if subnet != "" {
		if r.Subnet, err = netip.ParsePrefix(subnet); err != nil {
			return r, fault.New(fault.Invalid, "Name one such as 10.66.0.0/24.", "reading --subnet: %w", err)
		}
	}
	r.Hosts = hosts
	return r, nil
}

func legacyList(c *command.Context, manager makeManager) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the servers and where they are reached",
		Example: "  landfall local legacy list\n  landfall local legacy list -o json",
		Args:    command.Args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			m, err := manager()
			if err != nil {
				return err
			}
			fleet, err := m.List()
			if err != nil {
				return err
			}
			return c.Print(fleet, func(w io.Writer) error { return printFleet(w, fleet, false) })
		},
	}
}

func printFleet(w io.Writer, fleet *legacyhost.Fleet, explain bool) error {
	if len(fleet.Hosts) == 0 {
		_, err := fmt.Fprintln(w, "no legacy hosts; create some: landfall local legacy create")
		return err
	}
	var rows [][]string
	for _, h := range fleet.Hosts {
		state := "stopped"
		if h.Running {
			state = "running"
		}
		address := ""
		if h.Address.IsValid() {
			address = h.Address.String()
		}
		rows = append(rows, []string{h.Name, command.OrDash(h.Group), command.OrDash(address), state, command.OrDash(strings.Join(h.Targets, " "))})
	}
	if err := command.Rows(w, []string{"host", "group", "address", "state", "targets"}, rows); err != nil || !explain {
		return err
	}
	shown := fleet.Hosts[slices.IndexFunc(fleet.Hosts, func(h legacyhost.Host) bool {
		return h.Group == fleet.Hosts[len(fleet.Hosts)-1].Group
	})]
	_, err := fmt.Fprintf(w, `
log in        landfall local legacy ssh %[1]s
or            ssh -F %[2]s %[1]s
capture       landfall spec capture --ssh-config %[2]s %[3]s
`, shown.Name, fleet.SSHConfig, shown.Targets[0])
	return err
}

func legacyDelete(manager makeManager) *cobra.Command {
	var base bool
	cmd := &cobra.Command{
		Use:   "delete",
		Short: "Delete the servers with all that they made on this machine",
		Long: `Delete the servers: their processes, mounts, network and files. The installed
systems stay as a cache, so that the next create takes seconds; --base deletes
them as well.`,
		Example: "  landfall local legacy delete\n  landfall local legacy delete --base",
		Args:    command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := manager()
			if err != nil {
				return err
			}
			return m.Delete(cmd.Context(), base)
		},
	}
	cmd.Flags().BoolVar(&base, "base", false, "delete the installed systems, too")
	return cmd
}

func legacyExec(c *command.Context, manager makeManager) *cobra.Command {
	return &cobra.Command{
		Use:   "exec HOST -- COMMAND…",
		Short: "Run a command as root in a server, without SSH",
		Long: `Run a command as root in a server, also while its sshd or its network is
broken. If it fails, the exit code is 3.`,
		Example: "  landfall local legacy exec web1 -- tail /var/log/syslog",
		Args:    command.Args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := manager()
			if err != nil {
				return err
			}
			inside, err := m.Enter(cmd.Context(), args[0], args[1:])
			return runInside(cmd.Context(), c, inside, err)
		},
	}
}

func legacySSH(c *command.Context, manager makeManager) *cobra.Command {
	var login string
	cmd := &cobra.Command{
		Use:     "ssh HOST [-- COMMAND…]",
		Short:   "Log in to a server over SSH, or run a command there",
		Example: "  landfall local legacy ssh web1\n  landfall local legacy ssh web1 --login deploy -- ls /var/www",
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := manager()
			if err != nil {
				return err
			}
			client, err := m.SSH(cmd.Context(), args[0], login, args[1:])
			return runInside(cmd.Context(), c, client, err)
		},
	}
	cmd.Flags().StringVarP(&login, "login", "l", "root", "`user` to log in as")
	return cmd
}

// runInside runs a command on the user's streams; what it says is its own, its
// failure is ours.
func runInside(ctx context.Context, c *command.Context, cmd *exec.Cmd, err error) error {
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.In, c.Out, c.Err
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return &said{fault.New(fault.Failed, "", "running %s: %w", cmd.Args[len(cmd.Args)-1], exit)}
	}
	return err
}
