package access

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

var platform = Source{Name: "https://platform:6443", Via: "platform"}

func token(text string) api.AuthInfo { return api.AuthInfo{Token: text} }

func made(name string, day int, roles ...string) Cluster {
	c := Cluster{Name: name, Ready: true, Created: time.Date(2026, 11, day, 0, 0, 0, 0, time.UTC), Server: api.Cluster{Server: "https://" + name + ":6443", CertificateAuthorityData: []byte("ca of " + name)}}
	for _, role := range roles {
		c.Roles = append(c.Roles, Role{Name: role, Login: token(name + "/" + role)})
	}
	return c
}

// names of the contexts, with what they lead to.
func names(e Edit) []string {
	var all []string
	for _, entry := range e.Want {
		all = append(all, entry.Context+" = "+entry.Mark.Cluster+"/"+entry.Mark.Role)
	}
	return all
}

func TestContexts(t *testing.T) {
	say := func(c Cluster, change func(*Cluster)) Cluster { change(&c); return c }
	latest := func(c *Cluster) { c.Latest = true }
	unready := func(c *Cluster) { c.Ready = false }
	unknown := func(c *Cluster) { c.Unknown = "AWS does not answer" }
	for name, tt := range map[string]struct {
		clusters  []Cluster
		want      []string
		notes     []Note
		keepAlias bool
	}{
		"none": {},
		"roles": {
			clusters: []Cluster{made("blue", 1, "admin", "viewer")},
			want:     []string{"latest = blue/admin", "latest-admin = blue/admin", "latest-viewer = blue/viewer", "blue-admin = blue/admin", "blue-viewer = blue/viewer"},
		},
		"the newest is the latest": {
			clusters: []Cluster{made("blue", 1, "admin"), made("green", 2, "admin"), say(made("red", 3, "admin"), unready)},
			want:     []string{"latest = green/admin", "latest-admin = green/admin", "blue-admin = blue/admin", "green-admin = green/admin"},
			notes:    []Note{{Cluster: "red", Reason: "it is not ready"}},
		},
		"who says so is the latest": {
			clusters: []Cluster{say(made("blue", 1, "admin"), latest), made("green", 2, "admin")},
			want:     []string{"latest = blue/admin", "latest-admin = blue/admin", "blue-admin = blue/admin", "green-admin = green/admin"},
		},
		"the alias does not leave a cluster that does not answer": {
			clusters:  []Cluster{made("blue", 1, "admin"), say(made("green", 2), unknown)},
			want:      []string{"blue-admin = blue/admin"},
			notes:     []Note{{Cluster: "green", Reason: "AWS does not answer", Unknown: true}},
			keepAlias: true,
		},
		"but goes where another says that it is the latest": {
			clusters: []Cluster{say(made("blue", 1, "admin"), latest), say(made("green", 2), unknown)},
			want:     []string{"latest = blue/admin", "latest-admin = blue/admin", "blue-admin = blue/admin"},
			notes:    []Note{{Cluster: "green", Reason: "AWS does not answer", Unknown: true}},
		},
		"no role": {
			clusters: []Cluster{made("blue", 1)},
			notes:    []Note{{Cluster: "blue", Reason: "none of its roles is yours"}},
		},
		"a role that lets nobody in": {
			clusters: []Cluster{say(made("blue", 1, "admin", "viewer"), func(c *Cluster) { c.Roles[0].Unusable = "its kubeconfig may not be read" })},
			want:     []string{"latest = blue/viewer", "latest-viewer = blue/viewer", "blue-viewer = blue/viewer"},
			notes:    []Note{{Cluster: "blue", Role: "admin", Reason: "its kubeconfig may not be read"}},
		},
		"one name for two": {
			clusters: []Cluster{made("blue", 2, "x-admin"), made("blue-x", 1, "admin"), made("latest", 1, "x-admin")},
			want:     []string{"latest = blue/x-admin", "latest-x-admin = blue/x-admin", "blue-x-admin = blue/x-admin"},
			notes: []Note{
				{Cluster: "blue-x", Role: "admin", Reason: "context blue-x-admin is that of role x-admin on cluster blue already"},
				{Cluster: "latest", Role: "x-admin", Reason: "context latest-x-admin is that of role x-admin on cluster blue already"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			edit, notes := Contexts(platform, tt.clusters)
			if diff := cmp.Diff(tt.want, names(edit)); diff != "" {
				t.Errorf("contexts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.notes, notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
			if edit.keepAlias != tt.keepAlias {
				t.Errorf("the alias is kept: %v", edit.keepAlias)
			}
		})
	}
}

// TestStory is a person's kubeconfig over some weeks.
func TestStory(t *testing.T) {
	mine, err := os.ReadFile("testdata/mine.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, mine, 0o640); err != nil {
		t.Fatal(err)
	}
	var story bytes.Buffer
	step := func(title string, dryRun bool, clusters ...Cluster) {
		t.Helper()
		edit, _ := Contexts(platform, clusters)
		result, err := Files{Target: file, All: []string{file}}.Edit(t.Context(), edit, dryRun)
		if err != nil {
			t.Fatalf("%s: %v", title, err)
		}
		story.WriteString("== " + title + "\n")
		encoder := json.NewEncoder(&story)
		for _, c := range result.Changes {
			c.Reason = strings.ReplaceAll(c.Reason, file, "FILE")
			if err := encoder.Encode(c); err != nil {
				t.Fatal(err)
			}
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !result.Written || dryRun {
			story.WriteString("(nothing is written)\n")
			return
		}
		story.Write(content)
		if _, err := clientcmd.Load(content); err != nil {
			t.Errorf("%s: kubectl cannot read the file: %v", title, err)
		}
	}
	blue, green := made("blue", 1, "admin", "viewer"), made("green", 2, "admin")
	unknown := green
	unknown.Roles, unknown.Unknown = nil, "it does not answer"
	moved := blue
	moved.Server.Server = "https://blue.new:6443"
	step("a dry run", true, blue)
	step("blue is there", false, blue)
	step("nothing changes", false, blue)
	step("green is ready, and blue moves", false, moved, green)
	step("green does not answer", false, moved, unknown)
	step("blue is gone", false, green)
	step("all are gone", false)
	golden.Assert(t, story.String(), "story.txt")

	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, was 0640", info.Mode().Perm())
	}
}
