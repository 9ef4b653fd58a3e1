package haproxy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/haproxy"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy/haproxytest"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

// TestRender also has HAProxy read what was rendered.
func TestRender(t *testing.T) {
	whole := Layout{
		Backend: "shop", OldName: "ec2", NewName: "kubernetes", Check: "/health", CheckHost: "shop.example",
		Old:         []Address{{"web1", "10.0.0.11:80"}, {"web2", "10.0.0.12:80"}},
		New:         []Address{{"k8s", "shop.example.svc:80"}},
		Nameservers: []string{"10.96.0.10:53"},
	}
	lines := whole
	lines.Old, lines.New = []Address{{Name: "web1"}}, []Address{{Name: "k8s"}}
	for name, layout := range map[string]Layout{"whole": whole, "lines": lines} {
		t.Run(name, func(t *testing.T) {
			text, err := layout.Render()
			if err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, text, name+".cfg")
			if name == "lines" {
				text = strings.Replace(text, "# Put these lines", "backend shop\n# Put these lines", 1) + "    server web1 127.0.0.1:1\n    server k8s 127.0.0.1:1 weight 0\n"
			}
			file := filepath.Join(t.TempDir(), "haproxy.cfg")
			text = "defaults\n    mode http\n    timeout connect 1s\n    timeout client 1s\n    timeout server 1s\nfrontend http\n    bind 127.0.0.1:1\n    default_backend shop\n" + text
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := haproxy.Check(t.Context(), haproxytest.Program(t), nil, file); err != nil {
				t.Error(err)
			}
		})
	}
}

// installation is one into a HAProxy that serves the old side's web1 alone.
func installation(t *testing.T) (*haproxytest.Proxy, Installation) {
	t.Helper()
	program := haproxytest.Program(t)
	old, new := haproxytest.NewServer(t, traffic.Old), haproxytest.NewServer(t, traffic.New)
	before := Layout{Backend: "shop", Old: []Address{{"web1", old.Address}}, New: []Address{{"none", "127.0.0.1:1"}}}
	text, err := before.Render()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "shop.cfg")
	if err := os.WriteFile(file, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	proxy := haproxytest.Start(t, haproxytest.Options{StateFile: true, Folder: folder})
	return proxy, Installation{
		Layout: Layout{Backend: "shop", Old: before.Old, New: []Address{{"k8s1", new.Address}}},
		File:   file, Configs: []string{proxy.Config(), folder}, Program: program,
		Socket: proxy.Socket, Master: proxy.Master, ServerState: filepath.Join(proxy.Dir, "state"),
	}
}

func TestInstallAddsTheNewSideUnderLoad(t *testing.T) {
	proxy, i := installation(t)
	load := (&haproxytest.Client{URL: proxy.URL}).Load(200)
	if changed, err := i.Apply(t.Context()); err != nil || !changed {
		t.Fatalf("%v, %v", changed, err)
	}
	if changed, err := i.Apply(t.Context()); err != nil || changed {
		t.Errorf("the second time: %v, %v", changed, err)
	}
	process := Process{Socket: proxy.Socket, Pair: i.Layout.Pair()}
	fence := &traffictest.Fence{}
	if _, err := process.Prepare(t.Context(), fence); err != nil {
		t.Error(err)
	}
	if err := process.Write(t.Context(), 50, fence); err != nil {
		t.Error(err)
	}
	// Another backend is added meanwhile: its reload keeps the weights.
	other := i
	other.File = filepath.Join(filepath.Dir(i.File), "other.cfg")
	other.Layout.Backend = "other"
	if changed, err := other.Apply(t.Context()); err != nil || !changed {
		t.Errorf("another: %v, %v", changed, err)
	}
	if report, err := process.Report(t.Context()); err != nil || !report.At(50) {
		t.Errorf("after another reload: %+v, %v", report, err)
	}
	if counts, failures := load(); len(failures) > 0 || counts[traffic.Old] == 0 {
		t.Errorf("%v, lost: %v", counts, failures)
	}
}

// A new side that moves to another port is looked for there, not where the
// states of servers say that it was.
func TestInstallMovesTheNewSide(t *testing.T) {
	proxy, i := installation(t)
	if _, err := i.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh := haproxytest.NewServer(t, traffic.New)
	for n := range i.Layout.New {
		i.Layout.New[n].Address = fresh.Address
	}
	if changed, err := i.Apply(t.Context()); err != nil || !changed {
		t.Fatalf("%v, %v", changed, err)
	}
	_, port, _ := strings.Cut(fresh.Address, ":")
	if states := proxy.Ask("show servers state " + i.Layout.Backend); !strings.Contains(states, " "+port+" ") {
		t.Errorf("port %s is not among\n%s", port, states)
	}
}

func TestInstallIsUndone(t *testing.T) {
	tests := map[string]struct {
		edit func(*Installation)
		says string
	}{
		"HAProxy refuses it": {func(i *Installation) {
			// The backend is in another file, too.
			if err := os.WriteFile(filepath.Join(filepath.Dir(i.File), "another.cfg"), []byte("backend landfall_shop\n    stick-table type ip size 1 store gpc0\nbackend shop\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "HAProxy refuses the configuration"},
		"HAProxy refuses it at the reload": {func(i *Installation) {
			i.Program = "/bin/true"
			i.Layout.Nameservers = []string{"999.1.1.1:53"}
		}, "which was undone"},
		"nobody there":   {func(i *Installation) { i.Socket = haproxy.UnixSocket("/nowhere/admin.sock") }, "no such file"},
		"not part of it": {func(i *Installation) { i.File = filepath.Join(t.TempDir(), "shop.cfg") }, "is not part of"},
		"no addresses":   {func(i *Installation) { i.Layout.Old, i.Layout.New = []Address{{Name: "a"}}, []Address{{Name: "b"}} }, "no addresses"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			proxy, i := installation(t)
			file := i.File
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			i.patience = 3 * time.Second
			tt.edit(&i)
			_, err = i.Apply(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v (hint %q)", err, fault.HintOf(err))
			}
			after, err := os.ReadFile(file)
			if err != nil || string(after) != string(before) {
				t.Errorf("the file was left changed (%v):\n%s", err, after)
			}
			if counts, err := (&haproxytest.Client{URL: proxy.URL}).Serve(10); err != nil || counts[traffic.Old] != 10 {
				t.Errorf("%v, %v", counts, err)
			}
		})
	}
}
