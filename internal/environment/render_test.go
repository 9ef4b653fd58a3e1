package environment_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/golden"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/chart"
	"github.com/landfall-dev/landfall/internal/environment/pack"
)

// TestRenderStories renders each folder of testdata that has a want.yaml: what a
// team writes (the other YAML files) and what becomes of it.
func TestRenderStories(t *testing.T) {
	stories, err := filepath.Glob("testdata/*/blueprint.yaml")
	if err != nil || len(stories) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, story := range stories {
		dir := filepath.Dir(story)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			d, err := environment.Render(context.Background(), readInput(t, dir))
			if err != nil {
				t.Fatal(err)
			}
			d.Pin(pins(d.Images()))
			golden.Assert(t, string(tell(t, d)), filepath.Join(strings.TrimPrefix(dir, "testdata/"), "want.yaml"))
		})
	}
}

// readInput reads what a team writes, packs it, and makes up what registries
// and store servers would answer.
func readInput(t testing.TB, dir string) environment.Input {
	t.Helper()
	in := environment.Input{Secrets: map[string]map[string][]byte{}, Images: map[string]environment.Image{},
		Charts: map[string]environment.Chart{}, Stores: map[string]map[string]string{}}
	for _, name := range []string{"blueprint.yaml", "environment.yaml"} {
		file, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		objects, err := environment.ParseObjects(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, o := range objects {
			switch o := o.(type) {
			case *v1alpha1.Blueprint:
				in.Blueprint = o
			case *v1alpha1.Environment:
				in.Environment = o
			case *v1alpha1.Cluster:
				in.Cluster = o
			case *corev1.Secret:
				in.Secrets[o.Name] = map[string][]byte{}
				for key, value := range o.StringData {
					in.Secrets[o.Name][key] = []byte(value)
				}
			}
		}
	}
	if err := pack.Blueprint(in.Blueprint, dir); err != nil {
		t.Fatal(err)
	}
	fetch(t, &in)
	return in
}

// fetch makes up what is needed from outside.
func fetch(t testing.TB, in *environment.Input) {
	t.Helper()
	needs := environment.Needed(in.Blueprint, in.Environment)
	for component, reference := range needs.Images {
		in.Images[component] = resolve(reference)
	}
	for component, c := range needs.Charts {
		name, version, err := chart.Describe(c.Archive)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(c.Archive)
		in.Charts[component] = environment.Chart{Name: name, Version: version, Digest: "sha256:" + hex.EncodeToString(sum[:]), Archive: c.Archive}
	}
	for _, s := range needs.Stores {
		in.Stores[s.Name] = map[string]string{"url": string(s.Type) + "://" + s.Name + "@store.example:1234/x", "host": "store.example", "password": "s3cret"}
	}
}

func resolve(reference string) environment.Image {
	repository, version, digest := environment.SplitImage(reference)
	if digest == "" {
		sum := sha256.Sum256([]byte(reference))
		digest = "sha256:" + hex.EncodeToString(sum[:])
	}
	return environment.Image{Repository: repository, Version: version, Digest: digest}
}

func pins(references []string) map[string]environment.Image {
	images := map[string]environment.Image{}
	for _, reference := range references {
		images[reference] = resolve(reference)
	}
	return images
}

// tell writes a Desired as a story: stage by stage, object by object.
func tell(t testing.TB, d *environment.Desired) []byte {
	t.Helper()
	var out bytes.Buffer
	fmt.Fprintln(&out, "# Components:")
	for _, c := range d.Components {
		fmt.Fprintf(&out, "#   %s %s = %s\n", c.Name, c.Version, c.Image)
	}
	for _, u := range d.URLs {
		fmt.Fprintf(&out, "# %s answers on %s\n", u.Component, u.URL)
	}
	for i, stage := range d.Stages {
		then := ""
		if stage.Wait {
			then = ", then wait"
		}
		fmt.Fprintf(&out, "\n# Stage %d: %s%s\n", i+1, stage.Name, then)
		for _, o := range stage.Objects {
			text, err := yaml.Marshal(o.Object.Object)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "---\n%s", text)
		}
	}
	return out.Bytes()
}

func TestRenderIsDeterministic(t *testing.T) {
	for _, story := range []string{"shop", "jobs", "scaling"} {
		in := readInput(t, filepath.Join("testdata", story))
		first, inputs := "", ""
		for range 100 {
			d, err := environment.Render(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first, inputs = d.Hash(), in.Hash()
			}
			if d.Hash() != first || in.Hash() != inputs {
				t.Fatalf("%s: the same input gave other objects", story)
			}
		}
	}
}

func TestHashesTellWhatMatters(t *testing.T) {
	base := readInput(t, "testdata/shop")
	tests := map[string]struct {
		change                func(*environment.Input)
		newInputs, newObjects bool
	}{
		"nothing": {func(*environment.Input) {}, false, false},
		"a moved tag": {func(in *environment.Input) {
			in.Images["web"] = environment.Image{Repository: "registry.example/web", Version: "1.4.1", Digest: "sha256:" + strings.Repeat("1", 64)}
		}, false, true},
		"another version": {func(in *environment.Input) {
			in.Environment.Spec.Versions = map[string]string{"web": "9"}
			in.Images["web"] = resolve("registry.example/web:9")
		}, true, true},
		"a longer life": {func(in *environment.Input) { in.Environment.Spec.HistoryLimit = 20 }, false, false},
		"another password": {func(in *environment.Input) {
			in.Secrets["payment"] = map[string][]byte{"api-key": []byte("other"), "tls.pem": []byte("pem")}
		}, true, true},
		"a key that nobody uses": {func(in *environment.Input) { in.Secrets["payment"]["unused"] = []byte("other") }, false, false},
		"a store moved":          {func(in *environment.Input) { in.Stores["db"] = map[string]string{"url": "mysql://elsewhere/x"} }, true, true},
	}
	d, err := environment.Render(context.Background(), base)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			in := readInput(t, "testdata/shop")
			test.change(&in)
			changed, err := environment.Render(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			if got := in.Hash() != base.Hash(); got != test.newInputs {
				t.Errorf("inputs hash changed: %v, want %v", got, test.newInputs)
			}
			if got := changed.Hash() != d.Hash(); got != test.newObjects {
				t.Errorf("objects hash changed: %v, want %v", got, test.newObjects)
			}
		})
	}
}
