package up

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/platform"
)

func execute(t *testing.T, env map[string]string, args ...string) (string, error) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	var out bytes.Buffer
	c := &command.Context{In: strings.NewReader(""), Out: &out, Err: &bytes.Buffer{}, Clock: time.Now, Getenv: func(name string) string { return env[name] }}
	cmd := New(c)
	c.AddFlags(cmd.PersistentFlags())
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestDryRunTouchesNothing(t *testing.T) {
	out, err := execute(t, map[string]string{"LANDFALL_LOCALKUBE": "/no/such"}, "--dry-run", "--stores", "mysql", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var plan platform.Planned
	if err := json.Unmarshal([]byte(out), &plan); err != nil {
		t.Fatal(err)
	}
	if strings.Join(plan.Images, " ") != "controller front-door mariadb" {
		t.Errorf("images %v", plan.Images)
	}
	for _, want := range []string{"Cluster local", "Secret default/landfall-mysql", "StatefulSet landfall-system/landfall-mysql"} {
		if !slices.Contains(plan.Objects, want) {
			t.Errorf("%s is missing in %v", want, plan.Objects)
		}
	}
}

func TestRefusals(t *testing.T) {
	taken := filepath.Join(t.TempDir(), "localkube")
	script := "#!/bin/sh\necho '[{\"name\":\"local\",\"status\":\"ready\",\"publish\":[\"127.0.0.1:9999:80\"]}]'\n"
	if err := os.WriteFile(taken, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, want string
		args       []string
		env        map[string]string
		code       int
	}{
		{"an existing cluster without a registry", "no registry", []string{"--context", "kind"}, nil, fault.ExitUsage},
		{"an unknown store server", `"oracle"`, []string{"--stores", "oracle"}, nil, fault.ExitUsage},
		{"no localkube", "finding localkube", nil, map[string]string{"LANDFALL_LOCALKUBE": "/no/such"}, fault.ExitUsage},
		{"a cluster on another port", "does not publish port 8080", nil, map[string]string{"LANDFALL_LOCALKUBE": taken}, fault.ExitRefused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := execute(t, tt.env, tt.args...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || fault.ExitCode(err) != tt.code || fault.HintOf(err) == "" {
				t.Errorf("%v (exit code %d, hint %q)", err, fault.ExitCode(err), fault.HintOf(err))
			}
		})
	}
}
