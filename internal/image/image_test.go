package image

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/landfall-dev/landfall/internal/fault"
)

func testCache(t *testing.T) *Cache { return &Cache{Dir: t.TempDir()} }

// extract writes an image's file system below a new folder.
func extract(t *testing.T, img v1.Image) string {
	t.Helper()
	root := t.TempDir()
	stream := mutate.Extract(img)
	defer stream.Close()
	archive := tar.NewReader(stream)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return root
		}
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(root, header.Name)
		switch header.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(at, 0o755)
		case tar.TypeSymlink:
			err = os.Symlink(header.Linkname, at)
		default:
			var content []byte
			if content, err = io.ReadAll(archive); err == nil {
				err = os.WriteFile(at, content, os.FileMode(header.Mode))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestDynamicProgramRunsInItsImageAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("chroot needs root")
	}
	img, err := Build(testCache(t), "/bin/ls", nil, Config{})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/local/bin/ls", "/usr/local/bin", "/tmp", "/etc/passwd")
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: extract(t, img)}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "/usr/local/bin:\nls\n") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestProgramConfig(t *testing.T) {
	img, err := Build(testCache(t), "/bin/true", nil, Config{
		Cmd: []string{"-v"}, Env: map[string]string{"B": "2", "A": "1"}, Expose: []string{"8080", "53/udp"}, Labels: map[string]string{"l": "v"}, StopSignal: "SIGQUIT",
	})
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{
		Entrypoint: []string{"/usr/local/bin/true"}, Cmd: []string{"-v"}, User: NonRoot,
		Env: []string{"A=1", "B=2"}, ExposedPorts: map[string]struct{}{"8080/tcp": {}, "53/udp": {}}, Labels: map[string]string{"l": "v"}, StopSignal: "SIGQUIT",
	}
	if diff := cmp.Diff(want, file.Config); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if file.OS != "linux" || file.Architecture == "" {
		t.Errorf("platform %s/%s", file.OS, file.Architecture)
	}
}

func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"index.html": "<p>hello</p>", "css/site.css": "p{}", "bin/run": "#!/bin/sh"} {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("index.html", filepath.Join(dir, "home.html")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func digest(t *testing.T, img v1.Image, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	hash, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return hash.String()
}

func TestEqualContentGivesEqualDigest(t *testing.T) {
	first, second := folder(t), folder(t)
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(second, "index.html"), old, old); err != nil {
		t.Fatal(err)
	}
	cache := testCache(t)
	a, errA := Build(cache, first, nil, Config{})
	b, errB := Build(testCache(t), second, nil, Config{})
	c, errC := Build(cache, first, nil, Config{}) // now from the cache
	if digest(t, a, errA) != digest(t, b, errB) || digest(t, a, errA) != digest(t, c, errC) {
		t.Error("digests differ")
	}
	if err := os.WriteFile(filepath.Join(first, "index.html"), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	d, errD := Build(cache, first, nil, Config{})
	if digest(t, a, errA) == digest(t, d, errD) {
		t.Error("other content, same digest")
	}
}

func TestDetectAndBuildEveryKind(t *testing.T) {
	dir := folder(t)
	work := t.TempDir()
	archive, zipped := filepath.Join(work, "site.tar"), filepath.Join(work, "site.tgz")
	for _, args := range [][]string{{"-cf", archive}, {"-czf", zipped}} {
		if out, err := exec.Command("tar", append(args, "-C", dir, ".")...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	img, err := Build(testCache(t), dir, nil, Config{})
	if err != nil {
		t.Fatal(err)
	}
	saved, oci := filepath.Join(work, "saved.tar"), filepath.Join(work, "oci")
	if err := tarball.WriteToFile(saved, name.MustParseReference("x/y:1"), img); err != nil {
		t.Fatal(err)
	}
	if _, err := layout.Write(oci, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		source string
		want   Kind
	}{{"/bin/true", Program}, {dir, Folder}, {archive, Archive}, {zipped, Archive}, {saved, Image}, {oci, OCILayout}}
	for _, tt := range tests {
		t.Run(string(tt.want)+filepath.Ext(tt.source), func(t *testing.T) {
			kind, err := Detect(tt.source)
			if err != nil || kind != tt.want {
				t.Fatalf("%v, %v", kind, err)
			}
			img, err := Build(testCache(t), tt.source, nil, Config{})
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == Program {
				return
			}
			content, err := os.ReadFile(filepath.Join(extract(t, img), "home.html"))
			if err != nil || string(content) != "<p>hello</p>" {
				t.Errorf("home.html: %q, %v", content, err)
			}
		})
	}
}

func TestBadSources(t *testing.T) {
	work := t.TempDir()
	text := filepath.Join(work, "text")
	escaping := filepath.Join(work, "escaping.tar")
	pipe := filepath.Join(work, "folder", "pipe")
	if err := os.WriteFile(text, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	writeTar(t, escaping, "../../etc/cron.d/x")
	if err := os.Mkdir(filepath.Dir(pipe), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, source, want string
		class              fault.Class
	}{
		{"absent", filepath.Join(work, "none"), "no such file", fault.NotFound},
		{"plain text", text, "none of the kinds", fault.Invalid},
		{"escaping archive", escaping, "leads out of the archive", fault.Invalid},
		{"pipe in folder", filepath.Dir(pipe), "neither file, folder nor link", fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Build(testCache(t), tt.source, nil, Config{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || fault.ClassOf(err) != tt.class {
				t.Errorf("got %v (%v), want %q", err, fault.ClassOf(err), tt.want)
			}
		})
	}
}

func writeTar(t *testing.T, file, entry string) {
	t.Helper()
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	archive := tar.NewWriter(out)
	if err := archive.WriteHeader(&tar.Header{Name: entry, Typeflag: tar.TypeReg, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New())
	defer server.Close()
	reference := strings.TrimPrefix(server.URL, "http://") + "/shop/web:1"
	img, err := Build(testCache(t), folder(t), nil, Config{})
	if err != nil {
		t.Fatal(err)
	}
	var last, total int64
	pushed, err := Push(context.Background(), img, reference, func(d, n int64) { last, total = d, n })
	if err != nil {
		t.Fatal(err)
	}
	if last == 0 || last != total {
		t.Errorf("progress ended at %d of %d", last, total)
	}
	ref, _ := name.ParseReference(pushed.Image)
	there, err := remote.Image(ref)
	if got := digest(t, there, err); got != pushed.Digest {
		t.Errorf("the registry has %s, told was %s", got, pushed.Digest)
	}
	again, err := Push(context.Background(), img, reference, nil)
	if err != nil || !again.Unchanged || again.Digest != pushed.Digest {
		t.Errorf("second push: %+v, %v", again, err)
	}
}

func TestPushErrorsSayWhatToDo(t *testing.T) {
	img, err := Build(testCache(t), folder(t), nil, Config{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Push(context.Background(), img, "Not A Reference", nil)
	if fault.ClassOf(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("bad reference: %v", err)
	}
	_, err = Push(context.Background(), img, "127.0.0.1:1/x:1", nil)
	if err == nil || !strings.Contains(fault.HintOf(err), "registry") {
		t.Errorf("no registry: %v, hint %q", err, fault.HintOf(err))
	}
}
