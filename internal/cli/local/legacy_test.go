package local

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

// legacy runs `landfall local legacy …` on a folder of the test.
func legacy(t *testing.T, c *command.Context, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c.Out, c.Err, c.In, c.Clock = &out, &bytes.Buffer{}, strings.NewReader(""), time.Now
	c.Getenv = func(string) string { return "" }
	cmd := New(c)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append([]string{"legacy", "--state-dir", t.TempDir()}, args...))
	err := cmd.ExecuteContext(context.Background())
	return out.String(), err
}

func TestWhatLegacyCommandsRefuse(t *testing.T) {
	recipe := fstest.MapFS{"recipe.yaml": {Data: []byte("name: n\nsuite: bookworm\ngroups: [{name: web, firstAddress: 11}]\n")}}
	tests := map[string]struct {
		args  []string
		want  string
		class fault.Class
	}{
		"no such recipe":      {[]string{"create", "--recipe", "/does/not/exist"}, "reading the recipe", fault.Invalid},
		"subnet is no prefix": {[]string{"create", "--subnet", "10.66.0"}, "reading --subnet", fault.Invalid},
		"arguments":           {[]string{"create", "web1"}, "unknown command", fault.Invalid},
		"exec without host":   {[]string{"exec"}, "requires at least 2 arg", fault.Invalid},
		"exec elsewhere":      {[]string{"exec", "web1", "--", "true"}, "host web1 does not exist", fault.NotFound},
		"ssh elsewhere":       {[]string{"ssh", "web1"}, "host web1 does not exist", fault.NotFound},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := legacy(t, &command.Context{LegacyShop: recipe}, test.args...)
			if err == nil || !strings.Contains(err.Error(), test.want) || fault.ClassOf(err) != test.class {
				t.Errorf("got %v (%s), want %q (%s)", err, fault.ClassOf(err), test.want, test.class)
			}
		})
	}
	if _, err := legacy(t, &command.Context{}, "create"); err == nil || !strings.Contains(err.Error(), "no recipe built in") {
		t.Errorf("without a recipe: %v", err)
	}
}

func TestNoClusterTakesTheFolderOfTheServers(t *testing.T) {
	c := &command.Context{Getenv: func(string) string { return "" }}
	cmd := New(c)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"create", "legacy", "--nodes", "1"})
	if err := cmd.Execute(); fault.ClassOf(err) != fault.Invalid || !strings.Contains(err.Error(), "creating cluster legacy") {
		t.Errorf("got %v", err)
	}
}

func TestListWithoutServers(t *testing.T) {
	var out bytes.Buffer
	c := &command.Context{Output: command.JSON}
	cmd := newLegacy(c)
	c.Out, c.Getenv = &out, func(string) string { return "" }
	c.Err = &bytes.Buffer{}
	cmd.SetArgs([]string{"list", "--state-dir", t.TempDir()})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	var listed struct {
		Hosts []any `json:"hosts"`
	}
	if err := json.Unmarshal(out.Bytes(), &listed); err != nil || listed.Hosts == nil || len(listed.Hosts) != 0 {
		t.Errorf("for programs: %s, %v; want an empty list of hosts", out.String(), err)
	}
	out.Reset()
	c.Output = command.Table
	if err := cmd.Execute(); err != nil || !strings.Contains(out.String(), "no legacy hosts") {
		t.Errorf("for people: %q, %v", out.String(), err)
	}
}
