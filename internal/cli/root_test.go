package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cluster/terraform"
	"github.com/landfall-dev/landfall/internal/fault"
)

// terminal is a Context whose streams are kept, far from any cluster.
func terminal(t *testing.T) (c *command.Context, out, errs *bytes.Buffer) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	return &command.Context{
		In: strings.NewReader(""), Out: out, Err: errs,
		Clock: time.Now, Getenv: func(string) string { return "" },
	}, out, errs
}

func everyCommand(root *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{root}
	for _, child := range root.Commands() {
		if child.Name() != "help" && child.Name() != "completion" {
			all = append(all, everyCommand(child)...)
		}
	}
	return all
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	c, _, _ := terminal(t)
	root := NewRoot(c)
	for _, cmd := range everyCommand(root)[1:] {
		path := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: the short help is %q: want a phrase without a full stop", path, cmd.Short)
		}
		if !strings.Contains(cmd.Example, path) {
			t.Errorf("%s: the example does not show the command: %q", path, cmd.Example)
		}
		if cmd.RunE == nil {
			t.Errorf("%s: does nothing", path)
		}
	}
}

// TestSwitchesTakeNoValueInHelp: words in backquotes become the name of a flag's
// value, which a switch does not have.
func TestSwitchesTakeNoValueInHelp(t *testing.T) {
	c, _, _ := terminal(t)
	for _, cmd := range everyCommand(NewRoot(c)) {
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if value, _ := pflag.UnquoteUsage(flag); flag.Value.Type() == "bool" && value != "" {
				t.Errorf("%s --%s: help shows a value %q", cmd.CommandPath(), flag.Name, value)
			}
		})
	}
}

// TestFlagsMeanTheSameEverywhere holds the vocabulary together: a flag of one
// name has one type and one shorthand in all commands.
func TestFlagsMeanTheSameEverywhere(t *testing.T) {
	c, _, _ := terminal(t)
	types := map[string]string{}
	for _, cmd := range everyCommand(NewRoot(c)) {
		for _, name := range []string{"dry-run", "wait", "timeout", "set", "message", "force", "yes", "since", "filename"} {
			flag := cmd.Flags().Lookup(name)
			if flag == nil {
				continue
			}
			kind := flag.Value.Type() + " -" + flag.Shorthand
			if before, known := types[name]; known && before != kind {
				t.Errorf("%s: --%s is %s, elsewhere %s", cmd.CommandPath(), name, kind, before)
			}
			types[name] = kind
		}
	}
}

// TestFlagsOfEveryCommandComplete: by the kubeconfig, and by the words that there
// are, far from any cluster.
func TestFlagsOfEveryCommandComplete(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte("apiVersion: v1\nkind: Config\ncontexts:\n- {name: green, context: {}}\n- {name: blue, context: {}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"env list --kubeconfig " + kubeconfig + " --context":                "blue green :4",
		"cluster get green --output":                                        "table json yaml :4",
		"env create x --stage":                                              "production staging test development :4",
		"data copy --from-stage":                                            "production staging test development :4",
		"baseline verify x --format":                                        "table json junit tap :4",
		"cluster create x --module":                                         strings.Join(terraform.Shipped(), " ") + " :0",
		"cluster add x --from-kubeconfig " + kubeconfig + " --from-context": "blue green :4",
		"spec export x --format":                                            "goss serverspec :4",
		"spec capture --kind":                                               words(hostspec.Kinds, "") + " :4",
	} {
		c, out, _ := terminal(t)
		if code := Main(context.Background(), c, append(append([]string{"__complete"}, strings.Fields(line)...), "")); code != 0 {
			t.Errorf("%s: exit code %d", line, code)
		}
		if got := strings.Join(strings.Fields(out.String()), " "); got != want {
			t.Errorf("%s completes %q, want %q", line, got, want)
		}
	}
}

// words joins words, each with something before it.
func words[T ~string](all []T, before string) string {
	found := make([]string, len(all))
	for i, word := range all {
		found[i] = before + string(word)
	}
	return strings.Join(found, " ")
}

// TestFlagsCompleteByWhatThereIs in the cluster: parts of blueprints, and
// namespaces of another cluster.
func TestFlagsCompleteByWhatThereIs(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(corev1.NamespaceList{Items: []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "kube-system"}}, {ObjectMeta: metav1.ObjectMeta{Name: "shop"}}}})
	}))
	defer other.Close()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := "apiVersion: v1\nkind: Config\nclusters:\n- {name: x, cluster: {server: '" + other.URL + "'}}\ncontexts:\n- {name: blue, context: {cluster: x}}\n- {name: green, context: {cluster: x}}\n"
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	shop := v1alpha1.BlueprintSpec{
		Components: []v1alpha1.Component{{Name: "web"}, {Name: "api"}},
		Stores:     []v1alpha1.Store{{Name: "db", Type: "mysql"}, {Name: "cache", Type: "redis"}},
	}
	cl := fake.NewClientBuilder().WithScheme(command.Scheme()).WithObjects(
		&v1alpha1.Blueprint{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "shop"}, Spec: shop},
		&v1alpha1.Blueprint{ObjectMeta: metav1.ObjectMeta{Namespace: "platform", Name: "basics"}},
		&v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "staging"}, Spec: v1alpha1.EnvironmentSpec{Blueprint: "shop"}},
	).Build()
	for line, want := range map[string]string{
		"env create x --blueprint shop --set|":                   "web= api= :6",
		"env create x --from staging --set|":                     "web= api= :6",
		"env clone staging x --set|":                             "web= api= :6",
		"env create x --set|":                                    ":6",
		"env create x --from staging --seed-store|":              "db mysql cache redis :4",
		"env create x --from staging --seed-store|db,":           "db,db mysql db,cache redis :4",
		"data copy --from staging --to pr-1 --store|":            "db mysql cache redis :4",
		"data copy --from secret/old --to staging --store|":      "db mysql cache redis :4",
		"data copy --from mysql://a/b --to mysql://b/c --store|": ":4",
		"data copy --from nosuch --store|":                       ":4",
		"data mask check --from staging --store|":                "db mysql cache redis :4",
		"load staging --component|":                              "web api :4",
		"baseline create x --blueprint shop --component|":        "web api :4",
		"cluster create x --addons|":                             "default/shop platform/basics :4",
		"spec fleet --kind|package,":                             words(hostspec.Kinds, "package,") + " :4",
		"parity context:blue context:green --namespace|":         "kube-system shop :4",
		"parity context:blue context:green --namespace|shop,":    "shop,kube-system shop,shop :4",
		"cluster transfer context:blue context:green -n|":        "kube-system shop :4",
		"cluster preflight context:gone context:green -n|":       ":4",
		"cluster schedules context:blue context:green -n|":       "kube-system shop :4",
	} {
		c, out, _ := terminal(t)
		c.SetClient(cl)
		before, typed, _ := strings.Cut(line, "|")
		args := append([]string{"__complete", "--kubeconfig", kubeconfig}, strings.Fields(before)...)
		if code := Main(context.Background(), c, append(args, typed)); code != 0 {
			t.Errorf("%s: exit code %d", line, code)
		}
		if got := strings.Join(strings.Fields(out.String()), " "); got != want {
			t.Errorf("%s completes %q, want %q", line, got, want)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	tests := map[string]struct {
		args []string
		says string
	}{
		"unknown command":        {[]string{"depoy"}, `unknown command "depoy"`},
		"unknown flag":           {[]string{"env", "list", "--al"}, "unknown flag: --al"},
		"missing argument":       {[]string{"deploy"}, "accepts 1 arg(s), received 0"},
		"unknown output":         {[]string{"env", "list", "-o", "xml"}, `want table, json or yaml, not "xml"`},
		"required flag":          {[]string{"apply"}, `required flag(s) "filename" not set`},
		"not a pair":             {[]string{"deploy", "staging", "--set", "web"}, `--set "web": not NAME=VALUE`},
		"file that is not there": {[]string{"apply", "-f", "/no/such/file"}, "no such file"},
		"blueprint and from":     {[]string{"env", "create", "x", "--blueprint", "a", "--from", "b"}, "both --blueprint and --from"},
		"of what":                {[]string{"env", "create", "x"}, "of what?"},
		"no cluster":             {[]string{"env", "list"}, "there is no kubeconfig"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, _, errs := terminal(t)
			code := Main(context.Background(), c, tt.args)
			if code != fault.ExitUsage || !strings.Contains(errs.String(), tt.says) {
				t.Errorf("exit code %d, want %d; stderr:\n%s", code, fault.ExitUsage, errs)
			}
			if !strings.Contains(errs.String(), "next:") {
				t.Errorf("no next step in:\n%s", errs)
			}
		})
	}
}

func TestErrorsForProgramsAreJSON(t *testing.T) {
	c, _, errs := terminal(t)
	code := Main(context.Background(), c, []string{"env", "list", "-o", "json"})
	var doc errorDocument
	if err := json.Unmarshal(errs.Bytes(), &doc); err != nil {
		t.Fatalf("stderr is not JSON: %v\n%s", err, errs)
	}
	if doc.Error.ExitCode != code || doc.Error.Class != "invalid" || doc.Error.Hint == "" {
		t.Errorf("got %+v with exit code %d", doc.Error, code)
	}
}

func TestInterruptionSaysWhatIsLeft(t *testing.T) {
	c, _, errs := terminal(t)
	report(c, fmt.Errorf("interrupted while waiting for x: it goes on: %w", context.Canceled))
	if got, want := errs.String(), "landfall: interrupted while waiting for x: it goes on\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheCommandsOfTheProjectAreThere(t *testing.T) {
	c, _, _ := terminal(t)
	var paths []string
	for _, cmd := range everyCommand(NewRoot(c)) {
		paths = append(paths, strings.TrimPrefix(cmd.CommandPath(), "landfall "))
	}
	for _, want := range []string{
		"up", "down", "env create", "env list", "env get", "env diff", "env drift", "env clone", "env extend", "env sleep", "env wake",
		"env delete", "deploy", "rollback", "history", "logs", "image push", "version", "serve", "front-door", "apply", "diff",
		"local create", "local list", "local stop", "local start", "local delete", "local load-image",
		"local node stop", "local node start", "local node delete", "cluster add",
	} {
		if !slices.Contains(paths, want) {
			t.Errorf("there is no `landfall %s`", want)
		}
	}
}
