package access

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/landfall-dev/landfall/internal/fault"
)

// writerEnv makes the test program a process that merges the cluster it names,
// again and again, into the file of writerFile.
const (
	writerEnv  = "LANDFALL_TEST_WRITER"
	writerFile = "LANDFALL_TEST_FILE"
)

func TestMain(m *testing.M) {
	cluster := os.Getenv(writerEnv)
	if cluster == "" {
		os.Exit(m.Run())
	}
	file := os.Getenv(writerFile)
	// One that is to be killed never ends by itself.
	for i := 0; i < 5 || strings.HasPrefix(cluster, "killed"); i++ {
		c := made(cluster, 1, "admin", fmt.Sprintf("r%d", i))
		edit, _ := Contexts(Source{Name: cluster}, []Cluster{c})
		edit.Want = edit.Want[3:] // without aliases, which all would fight for
		if _, err := (Files{Target: file, All: []string{file}}).Edit(context.Background(), edit, false); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// TestManyProcesses: twenty write at once, and five of them are killed while
// they do.
func TestManyProcesses(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := copyOf(t, "testdata/mine.yaml")
	var all sync.WaitGroup
	for i := range 20 {
		name := fmt.Sprintf("cluster-%d", i)
		if i%4 == 0 {
			name = fmt.Sprintf("killed-%d", i)
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), writerEnv+"="+name, writerFile+"="+file)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			if strings.HasPrefix(name, "killed") {
				time.Sleep(time.Duration(150+37*i) * time.Millisecond)
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			} else if err := cmd.Wait(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	reads := 0
	for reading := true; reading; reads++ {
		select {
		case <-done:
			reading = false
		default:
		}
		config, err := clientcmd.LoadFromFile(file)
		if err != nil || config.Contexts["work"] == nil {
			t.Fatalf("a reader saw no whole file: %v", err)
		}
	}
	config, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if i%4 == 0 {
			continue
		}
		for _, role := range []string{"admin", "r4"} {
			if config.Contexts[fmt.Sprintf("cluster-%d-%s", i, role)] == nil {
				t.Errorf("the edit of cluster-%d is lost", i)
			}
		}
	}
	if config.CurrentContext != "work" || reads < 2 {
		t.Errorf("current context %q after %d reads", config.CurrentContext, reads)
	}
}

func copyOf(t *testing.T, from string) string {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func one(file string) Files { return Files{Target: file, All: []string{file}} }

func blue() Edit {
	edit, _ := Contexts(platform, []Cluster{made("blue", 1, "admin")})
	return edit
}

func edited(t *testing.T, f Files, edit Edit) Result {
	t.Helper()
	result, err := f.Edit(t.Context(), edit, false)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestSymbolicLinksStay(t *testing.T) {
	dir := t.TempDir()
	link, file := filepath.Join(dir, "link"), filepath.Join(dir, "deep", "config")
	if err := os.Symlink("deep/config", link); err != nil {
		t.Fatal(err)
	}
	if result := edited(t, one(link), blue()); result.File != file {
		t.Errorf("written to %s", result.File)
	}
	if to, err := os.Readlink(link); err != nil || to != "deep/config" {
		t.Errorf("the link is %q (%v)", to, err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new file has mode %v (%v), want 0600", info.Mode().Perm(), err)
	}
}

func TestRefusedFiles(t *testing.T) {
	readOnly := copyOf(t, "testdata/mine.yaml")
	if err := os.Chmod(readOnly, 0o400); err != nil {
		t.Fatal(err)
	}
	text := func(s string) string {
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	huge := text("")
	if err := os.Truncate(huge, largest+1); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(t.TempDir(), "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		file  string
		class fault.Class
		want  string
	}{
		"read-only":     {readOnly, fault.Refused, "it is read-only"},
		"a folder":      {t.TempDir(), fault.Invalid, "it is not a file"},
		"huge":          {huge, fault.Invalid, "more than 64 MiB"},
		"no YAML":       {text("{"), fault.Invalid, "did not find expected"},
		"a list":        {text("[]"), fault.Invalid, "not a mapping"},
		"no list":       {text("contexts: {}"), fault.Invalid, "contexts is not a list"},
		"two documents": {text("a: 1\n---\nb: 1\n"), fault.Invalid, "more than one document"},
		"a key twice":   {text("a: 1\na: 2\n"), fault.Invalid, "already defined"},
		"a loop":        {loop, fault.Invalid, "too many symbolic links"},
	} {
		t.Run(name, func(t *testing.T) {
			before, _ := os.ReadFile(tt.file)
			_, err := one(tt.file).Edit(t.Context(), blue(), false)
			if err == nil || fault.ClassOf(err) != tt.class || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("class %s: %v", fault.ClassOf(err), err)
			}
			if after, _ := os.ReadFile(tt.file); string(before) != string(after) {
				t.Error("the file was changed")
			}
		})
	}
}

// TestSeveralFiles: a name that is somebody's in any file is not taken, and what
// is ours moves to where new entries go.
func TestSeveralFiles(t *testing.T) {
	first, second := filepath.Join(t.TempDir(), "first"), copyOf(t, "testdata/mine.yaml")
	edited(t, one(second), blue())
	f := Files{Target: first, All: []string{first, filepath.Join(t.TempDir(), "missing"), second}}
	edit, _ := Contexts(platform, []Cluster{made("blue", 1, "admin", "viewer")})
	result := edited(t, f, edit)
	var skipped []string
	for _, c := range result.Changes {
		if c.Change == Skipped {
			skipped = append(skipped, c.Context+": "+c.Reason)
		}
	}
	if len(skipped) != 1 || skipped[0] != "blue-viewer: context blue-viewer in "+second+" is not Landfall's" {
		t.Errorf("skipped %q", skipped)
	}
	for file, want := range map[string]bool{first: true, second: false} {
		config, err := clientcmd.LoadFromFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if has := config.Contexts["blue-admin"] != nil && config.Clusters["landfall:blue"] != nil; has != want {
			t.Errorf("%s has blue-admin: %v", file, has)
		}
	}
	if result.Current != "work" {
		t.Errorf("current context %q", result.Current)
	}
}

func TestBackupsOfEachContent(t *testing.T) {
	file := copyOf(t, "testdata/mine.yaml")
	original, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var first string
	for i := range 2 * backups {
		result := edited(t, one(file), blue())
		if len(result.Backups) != 1 {
			t.Fatalf("backups %v", result.Backups)
		}
		if i == 0 {
			first = result.Backups[0]
		} else if result.Backups[0] != first {
			t.Errorf("the same content is kept twice: %s and %s", first, result.Backups[0])
		}
		if kept, err := os.ReadFile(first); err != nil || string(kept) != string(original) {
			t.Fatalf("the backup is another (%v)", err)
		}
		if err := os.WriteFile(file, original, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 * backups {
		edit, _ := Contexts(platform, []Cluster{made("blue", 1, fmt.Sprintf("r%d", i))})
		edited(t, one(file), edit)
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2+backups { // the file and its lock
		t.Errorf("%d files beside each other", len(entries))
	}
}

// TestOwnContextsKeepWhatTheyNeed: a context that somebody made for a cluster of
// ours goes on working.
func TestOwnContextsKeepWhatTheyNeed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	edited(t, one(file), blue())
	options := &clientcmd.PathOptions{LoadingRules: &clientcmd.ClientConfigLoadingRules{ExplicitPath: file}, GlobalFile: file}
	config, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	config.Contexts["blue-admin"].Namespace = "shop"
	config.Contexts["mine"] = &api.Context{Cluster: "landfall:blue", AuthInfo: "landfall:blue/admin"}
	config.CurrentContext = "blue-admin"
	if err := clientcmd.ModifyConfig(options, *config, false); err != nil {
		t.Fatal(err)
	}
	edited(t, one(file), blue())
	if config, err = clientcmd.LoadFromFile(file); err != nil || config.Contexts["blue-admin"].Namespace != "shop" {
		t.Errorf("the namespace is gone (%v)", err)
	}
	nothing, _ := Contexts(platform, nil)
	edited(t, one(file), nothing)
	if config, err = clientcmd.LoadFromFile(file); err != nil {
		t.Fatal(err)
	}
	if config.Contexts["blue-admin"] != nil || config.CurrentContext != "" {
		t.Errorf("blue-admin is still there: current context %q", config.CurrentContext)
	}
	if err := clientcmd.ConfirmUsable(*config, "mine"); err != nil {
		t.Errorf("what somebody made no longer works: %v", err)
	}
}

func TestAnotherSourcesContextsAreLeftAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	edited(t, one(file), blue())
	edit, _ := Contexts(Source{Name: "https://elsewhere"}, []Cluster{made("blue", 1, "admin"), made("red", 2, "admin")})
	for _, c := range edited(t, one(file), edit).Changes {
		if skipped := strings.Contains(c.Reason, "is kept by "+platform.Name); skipped != (c.Context != "red-admin") || skipped != (c.Change == Skipped) {
			t.Errorf("%+v", c)
		}
	}
}

func TestLocalClusters(t *testing.T) {
	local := func(server string) string {
		file := filepath.Join(t.TempDir(), "config")
		config := api.Config{
			CurrentContext: "default",
			Contexts:       map[string]*api.Context{"default": {Cluster: "default", AuthInfo: "default"}},
			Clusters:       map[string]*api.Cluster{"default": {Server: server}},
			AuthInfos:      map[string]*api.AuthInfo{"default": {Token: "secret"}},
		}
		if err := clientcmd.WriteToFile(config, file); err != nil {
			t.Fatal(err)
		}
		return file
	}
	file := copyOf(t, "testdata/mine.yaml")
	// As an earlier version has left it, without a mark.
	old, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	old.Contexts["landfall-blue"] = &api.Context{Cluster: "work", AuthInfo: "me"}
	if err := clientcmd.WriteToFile(*old, file); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"blue", "green", "blue"} {
		merged, err := one(file).MergeLocal(t.Context(), local("https://"+name+":6443"), name)
		if err != nil || merged != "landfall-"+name {
			t.Fatalf("merging: %q, %v", merged, err)
		}
	}
	config, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if config.CurrentContext != "landfall-blue" || config.Clusters["landfall-blue"].Server != "https://blue:6443" || config.Contexts["landfall-green"] == nil || config.Contexts["work"] == nil {
		t.Errorf("after merging: %+v", config)
	}
	for range 2 {
		if err := one(file).RemoveLocal(t.Context(), "blue"); err != nil {
			t.Fatal(err)
		}
	}
	if config, err = clientcmd.LoadFromFile(file); err != nil {
		t.Fatal(err)
	}
	if config.CurrentContext != "" || config.Contexts["landfall-blue"] != nil || config.Clusters["landfall-blue"] != nil || config.Contexts["landfall-green"] == nil {
		t.Errorf("after removing: %+v", config)
	}
}

// FuzzEdit: whatever the file is, what others wrote stays, and doing it again
// changes nothing.
func FuzzEdit(f *testing.F) {
	mine, err := os.ReadFile("testdata/mine.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(mine), "", "null", "{}", "[]", `{"contexts":[],"users":null}`, "contexts: [null, 1, {}, {name: blue-admin}, {name: [x]}]\n",
		"a: &x [1]\nusers: *x\n", "clusters:\n- &c {name: a, cluster: {server: b}}\n- *c\n", "users: [{name: 'landfall:blue/admin', user: {extensions: [{name: landfall.dev/access, extension: {source: 'https://platform:6443', cluster: blue}}]}}]",
		"contexts:\n- name: blue-admin\n  context: {extensions: [{name: landfall.dev/access, extension: 3}]}\n", "? [a]\n: b\n", "current-context: 3\n", "\ufeffa: 1\r\n", "a: !!binary aGk=\nb: |\n  x\n   y\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		before, err := parse("config", []byte(text))
		if err != nil {
			return
		}
		d, _ := parse("config", []byte(text))
		if _, err := blue().apply(d, []*document{d}); err != nil {
			return
		}
		content, _, err := d.changed([]byte(text), blue())
		if err != nil {
			return
		}
		again, err := parse("config", content)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, content)
		}
		before.strip(blue())
		var was, is map[string]any
		after, _ := parse("config", content)
		after.strip(blue())
		if before.root.Decode(&was) != nil || after.root.Decode(&is) != nil || !reflect.DeepEqual(was, is) {
			t.Fatalf("what others wrote is another:\n%s\n%s", text, content)
		}
		if _, err := blue().apply(again, []*document{again}); err != nil {
			t.Fatal(err)
		}
		if second, changed, err := again.changed(content, blue()); err != nil || changed {
			t.Fatalf("doing it again changes it (%v):\n%s\n%s", err, content, second)
		}
	})
}

func TestHugeFiles(t *testing.T) {
	config := api.NewConfig()
	for i := range 3000 {
		name := fmt.Sprintf("c%d", i)
		config.Clusters[name] = &api.Cluster{Server: "https://" + name, CertificateAuthorityData: make([]byte, 1000)}
		config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
		config.AuthInfos[name] = &api.AuthInfo{Token: name}
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	edited(t, one(file), blue())
	got, err := clientcmd.LoadFromFile(file)
	if err != nil || len(got.Contexts) != 3003 {
		t.Errorf("%d contexts (%v)", len(got.Contexts), err)
	}
	var tree yaml.Node
	if content, err := os.ReadFile(file); err != nil || yaml.Unmarshal(content, &tree) != nil {
		t.Error("no YAML")
	}
}
