package check

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/baseline/check"
	"github.com/landfall-dev/landfall/internal/baseline/check/cover"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/nginx"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

type coverFlags struct {
	sideFlags
	printFlags
	nginx string
}

func newCover(c *command.Context) *cobra.Command {
	var flags coverFlags
	cmd := &cobra.Command{
		Use:   "cover FILE... --nginx CONFIGURATION",
		Short: "Say which nginx locations no check touches",
		Long: `Say which locations of an nginx configuration the requests of checks touch, and
which no check touches. Nothing is asked: the requests are followed through the
configuration by nginx's own rules for servers, locations, nested locations,
regular expressions, and try_files.

CONFIGURATION is a host spec, the output of ` + "`nginx -T`" + `, or a configuration file
with what it includes from its folder; "-" reads standard input. Rewrites and
error pages are not followed. Where a part of an address is only known when a
check runs, 1 stands for it.

Exit code 0: all that visitors can get to is touched. 1: something is not.`,
		Example: `  landfall check cover checks.yaml --nginx web1.yaml
  ssh web1 sudo nginx -T | landfall check cover checks.yaml --nginx -
  landfall check cover checks.yaml --nginx /etc/nginx/nginx.conf --all`,
		Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error { return flags.run(c, args) },
	}
	cmd.Flags().StringVar(&flags.nginx, "nginx", "", "`configuration` of nginx: a host spec, output of nginx -T, or a file")
	cmd.Flags().StringVar(&flags.url, "url", "", "`URL` to add paths to, instead of the document's")
	cmd.Flags().StringVar(&flags.host, "host", "", "`name` that the checks ask for where the URL is an address")
	cmd.Flags().StringArrayVar(&flags.vars, "var", nil, "`NAME=VALUE` of a variable, instead of the document's; repeat it for more")
	flags.printFlags.add(cmd)
	return cmd
}

func (f *coverFlags) run(c *command.Context, files []string) error {
	if f.nginx == "" {
		return fault.New(fault.Invalid, "Capture the host with `landfall spec capture`, or give the output of nginx -T.", "which configuration is meant: --nginx is missing")
	}
	servers, err := readServers(c, f.nginx)
	if err != nil {
		return err
	}
	requests, err := f.requests(c, files)
	if err != nil {
		return err
	}
	coverage := cover.Measure(servers, requests)
	if err := f.print(c, coverage.Report, result.Options{Name: "landfall check cover"}); err != nil {
		return err
	}
	for _, inner := range coverage.Inner {
		c.Progress().Note("not counted, since only nginx itself leads there: %s", result.Clean(inner))
	}
	return coverage.Report.Err()
}

func (f *coverFlags) requests(c *command.Context, files []string) ([]check.Requested, error) {
	options, err := f.options(c)
	if err != nil {
		return nil, err
	}
	var requests []check.Requested
	for _, file := range files {
		doc, err := read(c, file)
		if err != nil {
			return nil, err
		}
		asked, err := doc.Requests(options)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, fmt.Errorf("%s: %w", result.Clean(file), err), fault.HintOf(err))
		}
		requests = append(requests, asked...)
	}
	return requests, nil
}

// readServers reads what the configuration, in whichever form, says of servers.
func readServers(c *command.Context, name string) ([]nginx.Server, error) {
	text, err := readInput(c, name)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, fmt.Errorf("reading the nginx configuration: %w", err), "")
	}
	var servers []nginx.Server
	switch {
	case isHostSpec(text):
		spec, err := hostspec.Decode(text, result.Clean(name))
		if err != nil {
			return nil, err
		}
		servers = nginx.Servers(spec)
		if reason, unknown := spec.Unknown[hostspec.NginxServer]; unknown && len(servers) == 0 {
			return nil, fault.New(fault.Failed, "Capture it again with rights to read it.", "%s: the nginx configuration is unknown: %s", result.Clean(name), result.Clean(reason))
		}
	default:
		tree, err := parseNginx(name, text)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "Is it the output of nginx -T, or nginx.conf?")
		}
		for _, problem := range tree.Problems {
			c.Progress().Note("%s", result.Clean(problem.Error()))
		}
		servers = nginx.Read(tree).Servers
	}
	servers = slices.DeleteFunc(servers, func(s nginx.Server) bool { return s.Protocol != "http" })
	if len(servers) == 0 {
		return nil, fault.New(fault.Invalid, "Give a host spec of a host with nginx, the output of nginx -T, or nginx.conf.", "%s names no server of HTTP", result.Clean(name))
	}
	return servers, nil
}

func isHostSpec(text []byte) bool {
	return bytes.Contains(text[:min(len(text), 4096)], []byte("version: "+hostspec.Version))
}

// maxConfiguration bounds a file that is read, and maxFiles the files of a
// folder.
const (
	maxConfiguration = hostspec.MaxDocument
	maxFiles         = 5000
)

func readInput(c *command.Context, name string) ([]byte, error) {
	in := c.In
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxConfiguration+1))
	if err == nil && len(text) > maxConfiguration {
		err = fmt.Errorf("%s is larger than %d MiB", name, maxConfiguration>>20)
	}
	return text, err
}

// parseNginx reads the output of nginx -T, or a configuration file with those
// of its folder.
func parseNginx(name string, text []byte) (*nginx.Tree, error) {
	if strings.Contains(string(text), "# configuration file ") {
		return nginx.ParseDump(string(text))
	}
	main, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	files := nginx.Files{}
	if name != "-" {
		files = filesBelow(filepath.Dir(main))
	}
	files[main] = string(text)
	return nginx.Parse(main, files, func(pattern string) bool {
		return strings.HasPrefix(pattern, filepath.Dir(main)+string(filepath.Separator))
	})
}

// filesBelow reads a configuration's folder. What cannot be read shows as a
// missing include.
func filesBelow(folder string) nginx.Files {
	files := nginx.Files{}
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if len(files) >= maxFiles {
			return fs.SkipAll
		}
		if err != nil {
			return nil
		}
		info, err := os.Stat(path) // sites-enabled holds links
		if err != nil || !info.Mode().IsRegular() || info.Size() > 1<<20 {
			return nil
		}
		if text, err := os.ReadFile(path); err == nil {
			files[path] = string(text)
		}
		return nil
	})
	return files
}
