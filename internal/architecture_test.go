// Package internal_test holds the rules of who may import whom, as
// docs/architecture.md explains them; .golangci.yml has the same for editors.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/landfall-dev/landfall/"

// rule says what packages below a folder may not import.
type rule struct {
	// in is the folder, relative to the module's root; except are folders in it
	// that have rules of their own.
	in     string
	except []string
	// not are import path prefixes; those of the module are written from its
	// root.
	not []string
	why string
}

var rules = []rule{
	{in: "api", not: []string{"internal", "cmd"}, why: "the objects know nothing of what is done with them"},
	{in: "internal/fault", not: []string{"internal", "api"}, why: "errors are classified below everything"},
	{in: "internal/evidence", not: []string{"internal/baseline", "internal/traffic", "internal/datacopy", "internal/environment", "internal/kube", "internal/cli", "internal/controller", "api"}, why: "evidence knows how it looks, not what it is about"},
	{in: "internal/cluster", not: []string{"internal/cli", "internal/controller", "internal/environment", "internal/baseline", "internal/traffic", "internal/datacopy", "internal/logs", "github.com/spf13/cobra"}, why: "a domain knows no commands, controllers or other domains"},
	{in: "internal/result", not: []string{"internal/baseline", "internal/environment", "internal/kube", "internal/cli", "internal/controller", "api"}, why: "an answer knows nothing of what was compared"},
	{in: "internal/progress", not: []string{"internal/environment", "internal/kube", "internal/cli", "internal/controller", "api"}, why: "progress knows nothing of what is under way"},
	{
		in: "internal/environment", not: []string{"internal/cli", "internal/controller", "internal/logs", "internal/frontdoor", "internal/platform", "internal/image", "github.com/spf13/cobra"},
		except: []string{"internal/environment/store/storetest"}, // starts real servers from Debian packages,
		why:    "a domain knows no commands, controllers or other domains",
	},
	{in: "internal/kube", not: []string{"internal/cli", "internal/controller", "internal/environment", "internal/logs", "github.com/spf13/cobra"}, why: "talking to a cluster is below the domains"},
	{in: "internal/logs", not: []string{"internal/cli", "internal/controller", "internal/environment", "internal/frontdoor", "internal/platform", "github.com/spf13/cobra"}, why: "a domain knows no commands, controllers or other domains"},
	{in: "internal/frontdoor", not: []string{"internal/cli", "internal/controller", "internal/environment", "internal/logs", "internal/platform", "github.com/spf13/cobra"}, why: "a domain knows no commands, controllers or other domains"},
	{in: "internal/haproxy", not: []string{"internal/cli", "internal/controller", "internal/environment", "internal/frontdoor", "internal/traffic", "internal/kube", "k8s.io", "github.com/spf13/cobra"}, why: "speaking to HAProxy is below what is said to it"},
	{in: "internal/image", not: []string{"internal/cli", "internal/controller", "internal/environment", "internal/logs", "internal/platform", "internal/kube", "k8s.io/client-go", "github.com/spf13/cobra"}, why: "images are made without a cluster"},
	{in: "internal/localcluster", not: []string{"internal/cli", "internal/controller", "internal/environment", "internal/kube", "k8s.io", "github.com/spf13/cobra"}, why: "localkube is a process behind flags and a readiness line"},
	{in: "internal/baseline", not: []string{"internal/cli", "internal/controller", "internal/environment", "internal/logs", "internal/frontdoor", "internal/platform", "internal/kube", "k8s.io", "sigs.k8s.io/controller-runtime", "github.com/spf13/cobra"}, why: "hosts are captured and verified without a cluster, and without commands"},
	{
		in: "internal/datacopy", not: []string{"internal/cli", "internal/controller", "internal/environment", "internal/logs", "internal/frontdoor", "internal/platform", "internal/kube", "internal/baseline", "internal/traffic", "internal/image", "api", "k8s.io", "sigs.k8s.io/controller-runtime", "github.com/spf13/cobra"},
		except: []string{"internal/datacopy/storetest"}, // starts real servers from Debian packages,
		why:    "data is copied without a cluster, and without commands",
	},
	{in: "internal/datacopy/mysql", not: []string{"internal/datacopy/redis", "internal/datacopy/s3", "internal/datacopy/mask"}, why: "engines do not know each other, nor the rules of masking"},
	{in: "internal/datacopy/redis", not: []string{"internal/datacopy/mysql", "internal/datacopy/s3", "internal/datacopy/mask"}, why: "engines do not know each other, nor the rules of masking"},
	{in: "internal/datacopy/s3", not: []string{"internal/datacopy/mysql", "internal/datacopy/redis", "internal/datacopy/mask"}, why: "engines do not know each other, nor the rules of masking"},
	{in: "internal/datacopy/mask", not: []string{"internal/datacopy/mysql", "internal/datacopy/redis", "internal/datacopy/s3"}, why: "masking is pure"},
	{in: "internal/traffic", not: []string{"internal/cli", "internal/controller", "internal/environment", "internal/logs", "internal/frontdoor", "internal/platform", "internal/kube", "internal/baseline", "internal/datacopy", "internal/image", "internal/legacyhost", "internal/migration", "api", "sigs.k8s.io/controller-runtime", "github.com/spf13/cobra"}, why: "traffic moves without a cluster of its own, and without commands"},
	{in: "internal/traffic", except: []string{"internal/traffic/gatewayapi"}, not: []string{"k8s.io", "sigs.k8s.io"}, why: "only the router whose weights are Kubernetes objects knows Kubernetes"},
	{in: "internal/traffic", except: []string{"internal/traffic/alb", "internal/traffic/route53", "internal/traffic/awsaccount", "internal/traffic/awstest"}, not: []string{"github.com/aws"}, why: "only the routers of AWS know AWS"},
	{in: "internal/migration", not: []string{"internal/cli", "internal/controller", "internal/environment", "internal/logs", "internal/frontdoor", "internal/platform", "internal/datacopy", "internal/image", "internal/legacyhost", "github.com/spf13/cobra"}, why: "objects of migrations are bound to traffic and baselines for whoever runs them"},
	{in: "internal/load", not: []string{"internal/baseline", "internal/cli", "internal/cluster", "internal/controller", "internal/datacopy", "internal/environment", "internal/kube", "internal/logs", "internal/migration", "internal/traffic", "api", "k8s.io", "github.com/spf13/cobra"}, why: "a load knows neither environments nor migrations"},
	{in: "internal/baseline/metric/prometheus", not: []string{"internal/baseline/metric/datadog", "internal/baseline/metric/cloudwatch"}, why: "metric sources do not know each other"},
	{in: "internal/baseline/metric/datadog", not: []string{"internal/baseline/metric/prometheus", "internal/baseline/metric/cloudwatch"}, why: "metric sources do not know each other"},
	{in: "internal/baseline/metric/cloudwatch", not: []string{"internal/baseline/metric/prometheus", "internal/baseline/metric/datadog"}, why: "metric sources do not know each other"},
	{in: "internal/legacyhost", not: []string{"internal/cli", "internal/controller", "internal/environment", "internal/baseline", "internal/kube", "k8s.io", "github.com/spf13/cobra"}, why: "servers are made without knowing what will be done with them"},
	{in: "internal/controller", not: []string{"internal/cli", "internal/web", "github.com/spf13/cobra"}, why: "controllers and commands do not know each other"},
	{in: "internal/cli", except: []string{"internal/cli/serve", "internal/cli/frontdoor"}, not: []string{"internal/controller", "internal/web"}, why: "commands change objects; the controllers follow"},
	{in: "internal", except: []string{"internal/moto", "internal/environment/store/storetest", "internal/datacopy/storetest", "internal/traffic/haproxy/haproxytest"}, not: []string{"internal/servertest"}, why: "programs of tests are run by tests"},
	{in: "internal", not: []string{"localkube", "cmd", "examples"}, why: "localkube is a separate program, and main is on top"},
	{in: "examples", not: []string{"internal", "api", "cmd"}, why: "the shop is a customer"},
}

func TestWhoMayImportWhom(t *testing.T) {
	for _, r := range rules {
		t.Run(r.in, func(t *testing.T) {
			for file, imports := range importsBelow(t, filepath.Join("..", r.in)) {
				if within(file, r.except) {
					continue
				}
				for _, path := range imports {
					if broken := r.forbids(file, path); broken != "" {
						t.Errorf("%s imports %s: %s", file, path, r.why)
					}
				}
			}
		})
	}
}

// forbids gives the part of the rule that an import breaks. A folder may
// always import from itself.
func (r rule) forbids(file, path string) string {
	local, ours := strings.CutPrefix(path, module)
	if ours && within(local, []string{r.in}) && r.in != "internal" {
		return ""
	}
	for _, prefix := range r.not {
		if (ours && within(local, []string{prefix})) || (!ours && within(path, []string{prefix})) {
			return prefix
		}
	}
	return ""
}

func within(path string, folders []string) bool {
	for _, folder := range folders {
		if path == folder || strings.HasPrefix(path, folder+"/") {
			return true
		}
	}
	return false
}

// importsBelow gives the imports of every Go file below root that is not a
// test, by path from the module's root.
func importsBelow(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "testdata" {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			found[name] = append(found[name], imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestEveryPackageSaysWhatItIsFor looks for package comments.
func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	commented := map[string]bool{}
	for _, root := range []string{"../api", "../internal", "../cmd", "../examples"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				return err
			}
			folder := filepath.Dir(path)
			commented[folder] = commented[folder] || file.Doc != nil
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for folder, has := range commented {
		if !has {
			t.Errorf("%s: no package comment says what the package is for", folder)
		}
	}
}

// TestNoCatchAllPackages refuses names that invite everything.
func TestNoCatchAllPackages(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		switch entry.Name() {
		case ".git", "bin", "out":
			return fs.SkipDir
		case "util", "utils", "common", "pkg", "helpers", "misc":
			t.Errorf("%s: name the package after what it is for", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
