package job

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// lines is a progress.Reporter that writes down what it is told.
type lines struct{ all []string }

func (l *lines) add(format string, args ...any)  { l.all = append(l.all, fmt.Sprintf(format, args...)) }
func (l *lines) Note(format string, args ...any) { l.add("note: "+format, args...) }
func (l *lines) Step(name string) progress.Step  { l.add("%s …", name); return &line{l, name, false} }

type line struct {
	l     *lines
	name  string
	ended bool
}

func (s *line) Update(format string, args ...any) { s.l.add(s.name+": "+format, args...) }
func (s *line) Count(done, total int64, unit string) {
	s.l.add("%s: %d of %d %s", s.name, done, total, unit)
}
func (s *line) Done(format string, args ...any) { s.end("done: " + fmt.Sprintf(format, args...)) }
func (s *line) Fail(err error)                  { s.end("failed: " + err.Error()) }
func (s *line) end(text string) {
	if !s.ended {
		s.l.add("%s %s", s.name, text)
	}
	s.ended = true
}

// work reports as a provisioner does.
func work(r progress.Reporter) {
	first := r.Step("planning")
	first.Update("%d %%", 50)
	second := r.Step("downloading")
	second.Count(1, 2, "modules")
	first.Done("2 to add")
	r.Note("all is %q", "well")
	second.Fail(errors.New("no network"))
	r.Step("applying")
}

func TestWhatAPodReportsIsShownElsewhereOnce(t *testing.T) {
	var log bytes.Buffer
	w := &writer{out: &log}
	work(w)
	said := fault.New(fault.Refused, "Wait for them.", "locking cluster green: ann holds it")
	w.write(failure(said))
	direct := &lines{}
	work(direct)

	shown := &lines{}
	p := player{reporter: shown}
	p.next(errKilled)
	// The first connection is cut within a line; the log is read again.
	half := log.Bytes()[:log.Len()/2]
	if last, err := p.play(bytes.NewReader(half), func(event) (bool, error) { return false, nil }); last || err != nil {
		t.Errorf("half a log: %v, %v", last, err)
	}
	var ended error
	last, err := p.play(strings.NewReader("panic: not an event\n"+log.String()), func(e event) (bool, error) {
		if e.Kind == kindError {
			ended = e.error()
		}
		return e.Kind == kindError, nil
	})
	if !last || err != nil {
		t.Errorf("the whole log: %v, %v", last, err)
	}
	if diff := cmp.Diff(direct.all, shown.all); diff != "" {
		t.Errorf("shown is something else (-direct +shown):\n%s", diff)
	}
	if ended == nil || ended.Error() != said.Error() || fault.ClassOf(ended) != fault.Refused || fault.HintOf(ended) != "Wait for them." {
		t.Errorf("the error came as %v", ended)
	}
	p.next(errKilled)
	if got := shown.all[len(shown.all)-1]; got != "applying failed: its pod was killed" {
		t.Errorf("what was under way ended with: %s", got)
	}
}

func TestAModuleComesOutAsItWentIn(t *testing.T) {
	folder, out := t.TempDir(), filepath.Join(t.TempDir(), "module")
	files := map[string]string{"main.tf": "resource", "nodes/main.tf": "node", "nodes/start.sh": "#!/bin/sh", ".terraform/lock": "no", ".git/HEAD": "no"}
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	packed, err := pack(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := unpack(bytes.NewReader(packed), out); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	err = fs.WalkDir(os.DirFS(out), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			text, err := os.ReadFile(filepath.Join(out, path))
			got[path] = string(text)
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(files, ".terraform/lock")
	delete(files, ".git/HEAD")
	if diff := cmp.Diff(files, got); diff != "" {
		t.Errorf("the module (-in +out):\n%s", diff)
	}
	if info, err := os.Stat(filepath.Join(out, "nodes/start.sh")); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("a script is no longer one: %v, %v", info, err)
	}
	if again, err := pack(folder); err != nil || !bytes.Equal(packed, again) {
		t.Errorf("an unchanged module is another archive: %v", err)
	}
}

func TestModulesThatCannotBeTakenAlong(t *testing.T) {
	large, link := t.TempDir(), t.TempDir()
	noise := make([]byte, largestModule+100)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	err := errors.Join(os.WriteFile(filepath.Join(large, "image.bin"), noise, 0o600), os.Symlink("/etc/passwd", filepath.Join(link, "main.tf")))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ folder, says string }{
		"too large": {large, "a Secret holds 900 KiB"},
		"a link":    {link, "is no plain file"},
		"not there": {filepath.Join(link, "none"), "no such file"},
	} {
		if _, err := pack(test.folder); err == nil || !strings.Contains(err.Error(), test.says) || fault.HintOf(err) == "" {
			t.Errorf("%s: the error is %v (hint %q)", name, err, fault.HintOf(err))
		}
	}
}

// FuzzUnpack holds that no archive reaches beyond its folder.
func FuzzUnpack(f *testing.F) {
	folder := f.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "main.tf"), []byte("resource"), 0o600); err != nil {
		f.Fatal(err)
	}
	packed, err := pack(folder)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add(archiveOf(f, "../beyond"))
	f.Add(archiveOf(f, "/beyond"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		parent := t.TempDir()
		_ = unpack(bytes.NewReader(packed), filepath.Join(parent, "module"))
		entries, err := os.ReadDir(parent)
		if err != nil || len(entries) > 1 {
			t.Errorf("beside the module is %v, %v", entries, err)
		}
	})
}

func TestWhatAPodCannotReach(t *testing.T) {
	for name, test := range map[string]struct {
		spec    v1alpha1.Terraform
		refused bool
	}{
		"the default backend":       {v1alpha1.Terraform{Module: "aws-eks"}, false},
		"a bucket":                  {v1alpha1.Terraform{Module: "aws-eks", Backend: &v1alpha1.TerraformBackend{Type: "s3"}}, false},
		"this machine's clusters":   {v1alpha1.Terraform{Module: "local"}, true},
		"this machine's state":      {v1alpha1.Terraform{Module: "aws-eks", Backend: &v1alpha1.TerraformBackend{Type: "local"}}, true},
		"this machine's kubeconfig": {v1alpha1.Terraform{Module: "aws-eks", Backend: &v1alpha1.TerraformBackend{Type: "kubernetes", Config: map[string]string{"config_path": "~/.kube/config"}}}, true},
	} {
		err := Check("green", &test.spec)
		if refused := fault.ClassOf(err) == fault.Refused && err != nil; refused != test.refused || refused && fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheJob(t *testing.T) {
	job := made{
		request: Request{Operation: opApply, Cluster: "green.example", Apply: provision.ApplyOptions{Wait: time.Minute}}, by: "Ann Lee@laptop", unasked: true,
		landfall: "registry.example/landfall@sha256:1", pod: v1alpha1.TerraformJob{SecretName: "aws"},
	}.job()
	prefix := "terraform-apply-green-example-"
	if !strings.HasPrefix(job.Name, prefix) || len(job.Name) > 57 {
		t.Errorf("the name is %s", job.Name)
	}
	text, err := yaml.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, strings.ReplaceAll(string(text), job.Name, prefix+"xxxxx"), "job.yaml")
}

func TestARequestComesAsItWasMade(t *testing.T) {
	folder := t.TempDir()
	want := Request{Operation: opDestroy, Cluster: "green", Destroy: provision.DestroyOptions{Force: true, Patience: time.Hour}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, FileRequest), text, 0o600); err != nil {
		t.Fatal(err)
	}
	got, module, err := Read(folder, t.TempDir())
	if err != nil || module != "" || cmp.Diff(want, got) != "" {
		t.Errorf("read %+v, %q, %v", got, module, err)
	}
	if want.digest() != got.digest() || want.digest() == (Request{Operation: opDestroy, Cluster: "green"}).digest() {
		t.Error("digests do not tell requests apart")
	}
}

// TestAPodUnlocksAsAMachineDoes: not from under those whose pod runs.
func TestAPodUnlocksAsAMachineDoes(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	ann, now := "ann@terraform-x (pid 1)", metav1.NowMicro()
	lock := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: provision.Namespace, Name: "cluster-green", Annotations: map[string]string{"landfall.dev/operation": "applying", "landfall.dev/pod": "terraform-x"}},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &ann, AcquireTime: &now, RenewTime: &now},
	}
	cl := fake.NewClientBuilder().WithScheme(scheme).WithObjects(lock,
		&v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "green"}, Spec: v1alpha1.ClusterSpec{Terraform: &v1alpha1.Terraform{Module: "aws-eks"}, KubeconfigSecret: provision.SecretRef("green")}},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: provision.Namespace, Name: "terraform-x"}, Status: corev1.PodStatus{Phase: corev1.PodRunning}},
	).Build()
	var log bytes.Buffer
	server := Server{Provisioner: provision.New(provision.Options{Client: cl, Clock: time.Now}), Out: &log}
	if err := server.Serve(t.Context(), Request{Operation: opUnlock, Cluster: "green"}); fault.ClassOf(err) != fault.Refused {
		t.Errorf("the living are unlocked: %v", err)
	}
	p := player{reporter: &lines{}}
	var said error
	if _, err := p.play(&log, func(e event) (bool, error) { said = e.error(); return true, nil }); err != nil {
		t.Fatal(err)
	}
	if fault.ClassOf(said) != fault.Refused || !strings.Contains(said.Error(), ann) || fault.HintOf(said) == "" {
		t.Errorf("elsewhere is shown: %v (hint %q)", said, fault.HintOf(said))
	}
	if err := cl.Get(t.Context(), client.ObjectKeyFromObject(lock), lock); err != nil {
		t.Errorf("the lock is gone: %v", err)
	}
}

// archiveOf packs one file under any name.
func archiveOf(f *testing.F, name string) []byte {
	f.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zip)
	err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: 1, Typeflag: tar.TypeReg})
	if err == nil {
		_, err = archive.Write([]byte("x"))
	}
	if err := errors.Join(err, archive.Close(), zip.Close()); err != nil {
		f.Fatal(err)
	}
	return packed.Bytes()
}
