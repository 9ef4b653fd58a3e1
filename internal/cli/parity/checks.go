package parity

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/landfall-dev/landfall/internal/baseline/check"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
	"github.com/landfall-dev/landfall/internal/result"
)

// checkFlags say how both sides are asked over HTTP.
type checkFlags struct {
	file, fromURL, toURL, host string
}

func (f *checkFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "checks", "", "`file` of checks of a baseline that both sides are asked")
	flags.StringVar(&f.fromURL, "from-url", "", "`URL` at which FROM answers them")
	flags.StringVar(&f.toURL, "to-url", "", "`URL` at which TO answers them")
	flags.StringVar(&f.host, "host", "", "`name` to ask for where the URLs are addresses")
}

// checkSides are the checks made ready for each side; nil where none were
// asked for.
type checkSides struct{ from, to *check.Runner }

// sides makes the checks ready before anything is asked.
func (f *checkFlags) sides(c *command.Context) (s checkSides, err error) {
	switch {
	case f.file == "" && f.fromURL == "" && f.toURL == "":
		return s, nil
	case f.file == "" || f.toURL == "":
		return s, fault.New(fault.Invalid, "Give --checks FILE, --to-url URL and, to see both sides, --from-url URL.", "checks need a file and the URL of TO")
	}
	file, err := os.Open(f.file)
	if err != nil {
		return s, fault.Wrap(fault.NotFound, fmt.Errorf("reading checks: %w", err), "`landfall check record URL` drafts such a file.")
	}
	defer file.Close()
	document, err := check.Parse(file)
	if err != nil {
		return s, fault.Wrap(fault.Invalid, fmt.Errorf("%s: %w", f.file, err), fault.HintOf(err))
	}
	if f.fromURL != "" {
		if s.from, err = f.runner(c, document, f.fromURL); err != nil {
			return s, err
		}
	}
	s.to, err = f.runner(c, document, f.toURL)
	return s, err
}

func (f *checkFlags) runner(c *command.Context, document *check.Document, url string) (*check.Runner, error) {
	return check.NewRunner(document, check.Options{
		URL: url, Host: f.host, Getenv: c.Getenv, ReadFile: f.beside, Proxy: http.ProxyFromEnvironment, Now: c.Clock,
	})
}

// beside reads files that the checks name relative to their own folder.
func (f *checkFlags) beside(name string) ([]byte, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(f.file), name)
	}
	return os.ReadFile(name)
}

// run asks both sides.
func (s checkSides) run(ctx context.Context, reporter progress.Reporter) (from, to []result.Result) {
	ask := func(runner *check.Runner) []result.Result {
		if runner == nil {
			return nil
		}
		step := reporter.Step("checking " + result.Clean(runner.Target()))
		report := runner.Run(ctx)
		step.Done("%s", report.Counts())
		return report.Results
	}
	return ask(s.from), ask(s.to)
}

func (s checkSides) close() {
	for _, runner := range []*check.Runner{s.from, s.to} {
		if runner != nil {
			runner.Close()
		}
	}
}
