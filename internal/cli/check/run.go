package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/landfall-dev/landfall/internal/baseline/check"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// sideFlags say which side is asked, and how.
type sideFlags struct {
	url, host, address string
	resolve, vars      []string
	insecure           bool
	caFile             string
}

func (f *sideFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.host, "host", "", "`name` to ask for where the URL is an address: Host header, TLS and certificate go by it")
	flags.StringArrayVar(&f.resolve, "resolve", nil, "`HOST[:PORT]=ADDRESS[:PORT]` of another host; repeat it for more")
	flags.BoolVar(&f.insecure, "insecure", false, "trust any certificate")
	flags.StringVar(&f.caFile, "ca", "", "PEM `file` of authorities to trust besides the system's")
}

// options puts the flags into the engine's form.
func (f *sideFlags) options(c *command.Context) (check.Options, error) {
	addresses, err := command.Pairs("resolve", f.resolve)
	if err != nil {
		return check.Options{}, err
	}
	variables, err := command.Pairs("var", f.vars)
	if err != nil {
		return check.Options{}, err
	}
	return check.Options{
		URL: f.url, Host: f.host, Address: f.address, Addresses: addresses, Variables: variables,
		Insecure: f.insecure, CAFile: f.caFile, Getenv: c.Getenv, ReadFile: os.ReadFile, Proxy: http.ProxyFromEnvironment, Now: c.Clock,
	}, nil
}

// printFlags say how results are written.
type printFlags struct {
	format result.Format
	all    bool
}

func (f *printFlags) add(cmd *cobra.Command) {
	cmd.Flags().Var(&f.format, "format", "output `format`: table, json, junit or tap")
	cmd.RegisterFlagCompletionFunc("format", ask.CompleteWords(result.Formats...))
	cmd.Flags().BoolVar(&f.all, "all", false, "show in the table what holds, too")
}

// print writes the report in the format that --format or else -o asks for.
func (f *printFlags) print(c *command.Context, report result.Report, options result.Options) error {
	options.Color, options.All = c.Color(c.Out), f.all
	format := f.format
	switch {
	case format == "" && c.Output == command.YAML:
		return c.Print(report.Document(), nil)
	case format == "" && c.Output == command.JSON:
		format = result.JSON
	}
	return report.Write(c.Out, format, options)
}

type runFlags struct {
	sideFlags
	printFlags
	addresses []string
	only      []string
	parallel  int
}

func newRun(c *command.Context) *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run FILE...",
		Short: "Run checks against a site",
		Long: `Run the checks of one or more files against a site. Each step holds, fails, or is
unknown; a step that does not hold ends its check. "-" reads standard input.

The side that is checked can be told apart from its name, to test a new side
before DNS leads there: --address connects elsewhere, --host asks a URL that is
an address for a name. Several addresses are checked one after the other, so that
the old side and the new can be seen side by side. Secrets come from the environment variables and files
that the checks name, and are never shown.

Exit code 0: all hold. 1: something fails. 3: something is unknown.`,
		Example: `  landfall check run checks.yaml
  landfall check run checks.yaml --address 10.0.0.7
  landfall check run checks.yaml --address 10.0.0.7 --address 10.1.0.7:8080
  landfall check run checks.yaml --url http://10.0.0.7:8080 --host shop.example
  landfall check run checks.yaml --var user=demo --only 'login*' --all
  landfall check run checks/*.yaml --format junit > report.xml`,
		Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return flags.run(cmd.Context(), c, args) },
	}
	cmd.Flags().StringVar(&flags.url, "url", "", "`URL` to add paths to, instead of the document's")
	flags.sideFlags.add(cmd.Flags())
	cmd.Flags().StringArrayVar(&flags.addresses, "address", nil, "`address[:port]` to connect to, instead of what DNS says of the URL's host; repeat it for more sides")
	cmd.Flags().StringArrayVar(&flags.vars, "var", nil, "`NAME=VALUE` of a variable, instead of the document's; repeat it for more")
	cmd.Flags().StringSliceVar(&flags.only, "only", nil, "run only checks with these `names`; * stands for any characters")
	cmd.Flags().IntVar(&flags.parallel, "parallel", 4, "`checks` to run at once")
	flags.printFlags.add(cmd)
	return cmd
}

func (f *runFlags) run(ctx context.Context, c *command.Context, files []string) error {
	runners, err := f.runners(c, files)
	if err != nil {
		return err
	}
	started := c.Clock()
	report, err := runAll(ctx, c, runners)
	if err != nil {
		return err
	}
	err = f.print(c, report, result.Options{
		Name: "landfall check", Took: func() time.Duration { return c.Clock().Sub(started) },
	})
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("checking: %w", ctx.Err())
	}
	return report.Err()
}

// runners makes all files ready, for each side, before the first request is
// made.
func (f *runFlags) runners(c *command.Context, files []string) ([]*check.Runner, error) {
	options, err := f.options(c)
	if err != nil {
		return nil, err
	}
	options.Parallel = max(f.parallel, 1)
	if options.Only, err = matcher(f.only); err != nil {
		return nil, err
	}
	documents := make([]*check.Document, len(files))
	for i, file := range files {
		if documents[i], err = read(c, file); err != nil {
			return nil, err
		}
	}
	var runners []*check.Runner
	for _, address := range sides(f.addresses) {
		for i, file := range files {
			options.Address, options.ReadFile = address, besides(file, f.caFile)
			runner, err := check.NewRunner(documents[i], options)
			if errors.Is(err, check.ErrNoneSelected) && len(files) > 1 {
				continue
			}
			if err != nil {
				return nil, fault.Wrap(fault.Invalid, fmt.Errorf("%s: %w", result.Clean(file), err), fault.HintOf(err))
			}
			runners = append(runners, runner)
		}
	}
	if len(runners) == 0 {
		return nil, fault.New(fault.Invalid, "", "no check of these files is called %v", f.only)
	}
	return runners, nil
}

// sides are the addresses, or the one that DNS knows.
func sides(addresses []string) []string {
	if len(addresses) == 0 {
		return []string{""}
	}
	return addresses
}

// runAll runs each in turn.
func runAll(ctx context.Context, c *command.Context, runners []*check.Runner) (result.Report, error) {
	var report result.Report
	for _, runner := range runners {
		step := c.Progress().Step("checking " + result.Clean(runner.Target()))
		var counts result.Counts
		err := runner.Stream(ctx, func(one result.Result) error {
			report.Add(one)
			counts.Add(one.Answer)
			step.Count(int64(counts.Total()), int64(runner.Steps()), "steps")
			return nil
		})
		runner.Close()
		switch {
		case err != nil:
			step.Fail(err)
			return report, err
		case counts.Answer() != result.Holds:
			step.Fail(counts.Err())
		default:
			step.Done("%s", counts)
		}
	}
	return report, nil
}

// read reads a file of checks, or standard input.
func read(c *command.Context, file string) (*check.Document, error) {
	in := c.In
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, fault.Wrap(fault.NotFound, fmt.Errorf("reading checks: %w", err), "`landfall check record URL` drafts such a file.")
		}
		defer opened.Close()
		in = opened
	}
	doc, err := check.Parse(in)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("%s: %w", result.Clean(file), err), fault.HintOf(err))
	}
	return doc, nil
}

// besides reads files that a document names relative to its own folder, and
// the one that a flag names as it is.
func besides(document, flag string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) && document != "-" && name != flag {
			name = filepath.Join(filepath.Dir(document), name)
		}
		return os.ReadFile(name)
	}
}

// matcher selects names by patterns; none of them selects all.
func matcher(patterns []string) (func(string) bool, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	for _, pattern := range patterns {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fault.New(fault.Invalid, "", "reading --only %q: %w", pattern, err)
		}
	}
	return func(name string) bool {
		for _, pattern := range patterns {
			if ok, _ := path.Match(pattern, name); ok || pattern == name {
				return true
			}
		}
		return false
	}, nil
}
