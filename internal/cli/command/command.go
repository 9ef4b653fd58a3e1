// Package command is what every command of the CLI shares: streams, clock and
// environment from main, the flags that say which cluster and which output,
// a client made when first asked for, and printing. It knows no command.
// Start at Context.
package command

import (
	"context"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/progress/terminal"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// Context carries what a command may touch of the outside. Commands get
// everything from it and nothing from globals. It belongs to one run of the
// program; Client, RESTConfig and Progress may be called concurrently.
type Context struct {
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	Clock  func() time.Time
	Getenv func(string) string

	// LegacyShop is the recipe of `landfall local legacy create`, built in.
	LegacyShop fs.FS

	// Kube says which cluster and namespace, from the flags.
	Kube KubeFlags
	// Output is the format of -o.
	Output Output
	// Author is --author; see WhoAmI.
	Author string

	kube     kubeAccess
	progress progressOnce
}

// System is the Context of the real process.
func System() *Context {
	return &Context{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Clock: time.Now, Getenv: os.Getenv,
	}
}

// AddFlags adds the flags that every command takes.
func (c *Context) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.Kube.Kubeconfig, "kubeconfig", "", "kubeconfig `file`; by default $KUBECONFIG, then ~/.kube/config")
	flags.StringVar(&c.Kube.Context, "context", "", "`name` of the kubeconfig context; by default the current one")
	flags.StringVarP(&c.Kube.Namespace, "namespace", "n", "", "project `namespace`; by default that of the context, then \"default\"")
	flags.VarP(&c.Output, "output", "o", "output `format`: table, json or yaml")
	flags.StringVar(&c.Author, "author", "", "`name` put into releases; by default $LANDFALL_AUTHOR, then your user name")
}

// Progress is where long operations report to: live lines on a terminal,
// plain lines elsewhere, always on the error stream.
func (c *Context) Progress() progress.Reporter {
	c.progress.Do(func() {
		c.progress.reporter = terminal.New(c.Err, terminal.Options{
			Live:  isTerminal(c.Err) && c.Getenv("TERM") != "dumb",
			Color: c.Color(c.Err),
			Clock: c.Clock,
		})
	})
	return c.progress.reporter
}

type progressOnce struct {
	sync.Once
	reporter progress.Reporter
}

// Color says whether w should get colours: a terminal, unless NO_COLOR says
// no (https://no-color.org) or CLICOLOR_FORCE says always.
func (c *Context) Color(w io.Writer) bool {
	if c.Getenv("NO_COLOR") != "" {
		return false
	}
	if force := c.Getenv("CLICOLOR_FORCE"); force != "" && force != "0" {
		return true
	}
	return isTerminal(w) && c.Getenv("TERM") != "dumb"
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Args turns a cobra argument check into one that shows the command's use
// and is a usage error.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return fault.Wrap(fault.Invalid, err, "Usage: "+cmd.UseLine())
		}
		return nil
	}
}

// Group makes a command that only holds others: alone it shows its help.
func Group(cmd *cobra.Command, children ...*cobra.Command) *cobra.Command {
	cmd.Args = Args(cobra.NoArgs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(children...)
	return cmd
}

// Pairs parses "name=value" flags into a map; flag is named in errors.
func Pairs(flag string, values []string) (map[string]string, error) {
	pairs := make(map[string]string, len(values))
	for _, v := range values {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" || value == "" {
			return nil, fault.New(fault.Invalid, "Write --"+flag+" NAME=VALUE.", "reading --%s %q: not NAME=VALUE", flag, v)
		}
		if _, twice := pairs[name]; twice {
			return nil, fault.New(fault.Invalid, "Give each name once.", "reading --%s: %s is given twice", flag, name)
		}
		pairs[name] = value
	}
	return pairs, nil
}

// Confirmed reads one line of yes or no from a person. Without a terminal on
// the input the answer is no.
func (c *Context) Confirmed(ctx context.Context, question string) bool {
	in, ok := c.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return false
	}
	io.WriteString(c.Err, question+" [y/N] ")
	answers := make(chan string, 1)
	go func() {
		var answer string
		buffer := make([]byte, 1)
		for n, err := in.Read(buffer); err == nil && n == 1 && buffer[0] != '\n'; n, err = in.Read(buffer) {
			answer += string(buffer)
		}
		answers <- answer
	}()
	select {
	case answer := <-answers:
		answer = strings.ToLower(strings.TrimSpace(answer))
		return answer == "y" || answer == "yes"
	case <-ctx.Done():
		return false
	}
}
