package localcluster

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/fault"
)

func TestParseReady(t *testing.T) {
	tests := []struct {
		name, line string
		want       Ready
		wantErr    string
	}{
		{
			name: "complete, with a key of a newer version",
			line: "ready name=blue kubeconfig=/var/lib/x/kubeconfig registry=localhost:5001 version=v1.34.4 nodes=3",
			want: Ready{Name: "blue", Kubeconfig: "/var/lib/x/kubeconfig", Registry: "localhost:5001", Version: "v1.34.4"},
		},
		{name: "something else", line: "waiting for node", wantErr: "not a readiness line"},
		{name: "nothing", line: "", wantErr: "not a readiness line"},
		{name: "no registry", line: "ready name=blue kubeconfig=/k", wantErr: "lacks"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseReady(tt.line)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("error %v, want one with %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// script makes a stand-in localkube out of shell lines.
func script(t *testing.T, body string) *Tool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "localkube")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Tool{Path: path, StateDir: "/state"}
}

func TestCreatePassesFlagsAndProgress(t *testing.T) {
	tool := script(t, `echo "$@" >&2
echo "some output"
echo "ready name=$4 kubeconfig=/k registry=localhost:1 version=v1"`)
	var said []string
	ready, err := tool.Create(context.Background(), "blue",
		CreateOptions{Nodes: 3, Publish: []string{"127.0.0.1:8080:80"}, Wait: time.Minute},
		func(line string) { said = append(said, line) })
	if err != nil {
		t.Fatal(err)
	}
	if ready.Name != "blue" {
		t.Errorf("ready: %+v", ready)
	}
	want := []string{"--state-dir /state create blue --nodes 3 --publish 127.0.0.1:8080:80 --wait 1m0s"}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFailureKeepsClassMessageAndHint(t *testing.T) {
	tool := script(t, `echo "making network" >&2
echo "error: creating cluster blue: not root" >&2
echo "next: Run it with sudo." >&2
exit 4`)
	_, err := tool.Create(context.Background(), "blue", CreateOptions{}, nil)
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 4 {
		t.Fatalf("got %v, want an ExitError of code 4", err)
	}
	if got := fault.ClassOf(err); got != fault.Refused {
		t.Errorf("class %v", got)
	}
	if got, want := err.Error(), "localkube create: creating cluster blue: not root"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	if got, want := fault.HintOf(err), "Run it with sudo."; got != want {
		t.Errorf("hint %q, want %q", got, want)
	}
}

func TestPassGivesStreamsAndExitCode(t *testing.T) {
	tool := script(t, `cat; echo oops >&2; exit 2`)
	var out, errs bytes.Buffer
	err := tool.Pass(context.Background(), Streams{In: strings.NewReader("in"), Out: &out, Err: &errs}, "node", "stop")
	if out.String() != "in" || errs.String() != "oops\n" {
		t.Errorf("streams: %q, %q", out.String(), errs.String())
	}
	if got := fault.ExitCode(err); got != 2 {
		t.Errorf("exit code %d, want 2", got)
	}
}

func TestInterruptLetsLocalkubeTidyUp(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "tidy")
	tool := script(t, `trap 'touch `+marker+`; exit 130' INT
echo up >&2
while :; do sleep 0.05; done`)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := tool.Create(ctx, "blue", CreateOptions{}, func(string) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(marker); err != nil {
		t.Errorf("localkube got no chance to tidy up: %v", err)
	}
}

func TestFind(t *testing.T) {
	here := script(t, "")
	got, err := Find(func(string) string { return here.Path })
	if err != nil || got.Path != here.Path {
		t.Errorf("by environment: %v, %v", got, err)
	}
	_, err = Find(func(string) string { return "/no/such/file" })
	if fault.ClassOf(err) != fault.Invalid {
		t.Errorf("a wrong path gives %v", err)
	}
}
