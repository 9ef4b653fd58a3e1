package containerize

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec/capture"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/triage"
	"github.com/landfall-dev/landfall/internal/progress"
)

// TestImageOfALegacyServer makes the image of a real server, and lets the
// programs in it, as the user that is not root, judge the configuration that
// the blueprint gives them.
func TestImageOfALegacyServer(t *testing.T) {
	config := os.Getenv("LANDFALL_LEGACY_SSH_CONFIG")
	if os.Getenv("LANDFALL_LEGACY") != "1" || config == "" {
		t.Skip("needs servers of the legacy shop: set LANDFALL_LEGACY=1, as `hack/test.sh legacy` does")
	}
	web1 := target.SSH{User: "root", Host: "web1", Options: target.SSHOptions{Config: config}}
	spec, err := capture.Capture(t.Context(), web1, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Spec: spec, Rules: triage.BuiltIn(), Host: web1, Name: "shop", Image: "registry.example/shop:1", Assemble: true,
		Dir: filepath.Join(t.TempDir(), "out"), SecretValues: true, Progress: progress.Discard,
	}
	result := run(t, o)
	root := t.TempDir()
	unpack(t, result.Archive, root)
	mountFiles(t, o.Dir, root)
	for _, args := range [][]string{
		{"/usr/sbin/nginx", "-e", "/tmp/output", "-t", "-q"},
		{"/usr/sbin/php-fpm8.2", "--test", "--fpm-config", "/etc/php/8.2/fpm/php-fpm.conf"},
		{"/usr/bin/php", "-l", "/var/www/shop/current/public/index.php"},
		{"/usr/bin/dpkg-query", "-W", "nginx-light", "php8.2-fpm"},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 33, Gid: 33}}
		cmd.Dir, cmd.Env = "/", []string{"PATH=" + searchPath}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func unpack(t *testing.T, archive, root string) {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader := tar.NewReader(file)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := place(reader, header, filepath.Join(root, header.Name), root); err != nil {
			t.Fatal(err)
		}
	}
	null := filepath.Join(root, "dev/null")
	if err := errors.Join(os.WriteFile(null, nil, 0o666), os.Chmod(null, 0o666)); err != nil {
		t.Fatal(err)
	}
}

func place(content io.Reader, header *tar.Header, at, root string) error {
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		return errors.Join(os.Chown(at, header.Uid, header.Gid), os.Chmod(at, os.FileMode(header.Mode&0o777)))
	case tar.TypeSymlink:
		return os.Symlink(header.Linkname, at)
	case tar.TypeLink:
		return os.Link(filepath.Join(root, header.Linkname), at)
	}
	data, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(at, data, os.FileMode(header.Mode&0o777)), os.Chown(at, header.Uid, header.Gid))
}

// asInChroot takes away what a container's runtime gives to a user and a chroot
// does not: its output, and low ports.
var asInChroot = strings.NewReplacer("/dev/stdout", "/tmp/output", "/dev/stderr", "/tmp/output", "/proc/self/fd/2", "/tmp/output", "listen 80", "listen 18480")

// mountFiles puts the files of the blueprint's first component in their places,
// as the kubelet would.
func mountFiles(t *testing.T, dir, root string) {
	t.Helper()
	var blueprint struct {
		Spec struct {
			Components []struct {
				Files []struct {
					Path         string
					Content      *string
					SecretKeyRef struct{ Key string } `yaml:"secretKeyRef"`
				}
			}
		}
	}
	var secret struct {
		StringData map[string]string `yaml:"stringData"`
	}
	for name, into := range map[string]any{"blueprint.yaml": &blueprint, "secret.yaml": &secret} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = yaml.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(fmt.Errorf("%s: %w", name, err))
		}
	}
	files := blueprint.Spec.Components[0].Files
	if len(files) < 5 {
		t.Fatalf("%d files", len(files))
	}
	for _, f := range files {
		content := secret.StringData[f.SecretKeyRef.Key]
		if f.Content != nil {
			content = *f.Content
		}
		at := filepath.Join(root, f.Path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(asInChroot.Replace(content)), 0o444)); err != nil {
			t.Fatal(err)
		}
	}
}
