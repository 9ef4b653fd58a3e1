package cli

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/landfall-dev/landfall/localkube/internal/cluster"
	"github.com/landfall-dev/landfall/localkube/internal/state"
	"github.com/landfall-dev/landfall/localkube/internal/supervisor"
)

func TestParsePublish(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   []state.Publish
		says   string
	}{
		{values: nil},
		{values: []string{"8080:80"}, want: []state.Publish{{Host: netip.MustParseAddrPort("127.0.0.1:8080"), NodePort: 80}}},
		{values: []string{"127.0.0.2:8080:30080", "9090:1"}, want: []state.Publish{
			{Host: netip.MustParseAddrPort("127.0.0.2:8080"), NodePort: 30080},
			{Host: netip.MustParseAddrPort("127.0.0.1:9090"), NodePort: 1},
		}},
		{values: []string{"8080"}, says: "HOSTPORT:NODEPORT"},
		{values: []string{"10.0.0.1:8080:80"}, says: "not a loopback address"},
		{values: []string{"0.0.0.0:8080:80"}, says: "not a loopback address"},
		{values: []string{"name:8080:80"}, says: "name"},
		{values: []string{"0:80"}, says: "from 1 to 65535"},
		{values: []string{"8080:65536"}, says: "from 1 to 65535"},
		{values: []string{"8080:80", "8080:81"}, says: "twice"},
	} {
		got, err := parsePublish(c.values)
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q: error %v, want one with %q", c.values, err, c.says)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" || err != nil {
			t.Errorf("%q: %v %s", c.values, err, diff)
		}
	}
}

// Other programs parse this line: docs/localkube.md promises it.
func TestReadinessLine(t *testing.T) {
	info := &cluster.Info{Name: "blue", Kubeconfig: "/k/kubeconfig", Registry: "localhost:15000", Version: "v1.34.4"}
	var out bytes.Buffer
	o := &options{streams: Streams{Out: &out}, output: "table"}
	if err := o.printReady(info); err != nil {
		t.Fatal(err)
	}
	if want := "ready name=blue kubeconfig=/k/kubeconfig registry=localhost:15000 version=v1.34.4\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestErrorsAreJSONWhenAsked(t *testing.T) {
	var out, errs bytes.Buffer
	code := Run(t.Context(), []string{"--state-dir", t.TempDir(), "-o", "json", "start", "absent"}, Streams{Out: &out, Err: &errs})
	var got struct {
		Error, Hint string
		ExitCode    int
	}
	if err := json.Unmarshal(errs.Bytes(), &got); err != nil {
		t.Fatalf("%v in %q", err, errs.String())
	}
	if code == 0 || got.ExitCode != code || got.Error == "" || got.Hint == "" || out.Len() != 0 {
		t.Errorf("exit code %d, %+v, output %q", code, got, out.String())
	}
}

func TestProgressPrintsEachStepOnce(t *testing.T) {
	var errs bytes.Buffer
	p := newProgress(Streams{Err: &errs})
	report := supervisor.Report{Steps: []supervisor.Step{{Name: "network", Done: true, Took: 1200 * time.Millisecond}, {Name: "nodes"}}}
	p.report(report)
	p.report(report)
	report.Steps[1] = supervisor.Step{Name: "nodes", Done: true, Error: "no room"}
	p.report(report)
	p.report(report)
	want := "done    network                  1.2s\nfailed  nodes                  no room\n"
	if diff := cmp.Diff(want, errs.String()); diff != "" {
		t.Error(diff)
	}
}

// Every verb has an example in its help.
func TestEveryVerbHasAnExample(t *testing.T) {
	for _, c := range newRoot(&options{}).Commands() {
		verbs := c.Commands()
		if len(verbs) == 0 {
			verbs = append(verbs, c)
		}
		for _, verb := range verbs {
			if !verb.Hidden && verb.Example == "" && verb.Runnable() {
				t.Errorf("%s has no example", verb.CommandPath())
			}
		}
	}
}

func FuzzParsePublish(f *testing.F) {
	for _, seed := range []string{"8080:80", "127.0.0.1:8080:80", "[::1]:1:1", "::", ":::", "a:b:c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		p, err := parseOnePublish(value)
		if err == nil && (!p.Host.Addr().IsLoopback() || p.Host.Port() == 0 || p.NodePort == 0) {
			t.Errorf("%q is taken for %s", value, p)
		}
	})
}
