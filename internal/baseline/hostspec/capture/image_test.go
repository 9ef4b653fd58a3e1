package capture

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/hex"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
)

// files of a layer: a name that ends in / is a folder, a content that begins
// with -> a link.
func layerOf(t *testing.T, files ...string) []byte {
	t.Helper()
	var data bytes.Buffer
	archive := tar.NewWriter(&data)
	for i := 0; i < len(files); i += 2 {
		header := &tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])), Typeflag: tar.TypeReg}
		if strings.HasSuffix(files[i], "/") {
			header.Typeflag, header.Mode = tar.TypeDir, 0o755
		}
		if link, isLink := strings.CutPrefix(files[i+1], "->"); isLink {
			header.Typeflag, header.Linkname, header.Size = tar.TypeSymlink, link, 0
		}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if header.Size > 0 {
			if _, err := io.WriteString(archive, files[i+1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

func md5Of(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// testImage has what distroless images have, and what two layers did to it.
func testImage(t *testing.T) v1.Image {
	t.Helper()
	layers := [][]byte{
		layerOf(t, "etc/", "", "etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\n", "etc/group", "root:x:0:\n",
			"etc/os-release", "->../usr/lib/os-release", "usr/lib/os-release", "ID=debian\nVERSION_ID=\"12\"\n",
			"etc/kept.conf", "shipped\n", "etc/gone.conf", "shipped\n", "etc/localtime", "->/usr/share/zoneinfo/Asia/Tokyo",
			"var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12.4\nArchitecture: amd64\n",
			"var/lib/dpkg/status.d/base.md5sums", md5Of("shipped\n")+"  etc/kept.conf\n"+md5Of("shipped\n")+"  etc/gone.conf\n",
			"var/lib/dpkg/status.d/tz", "Package: tzdata\nVersion: 2025b\nArchitecture: all\n"),
		layerOf(t, "etc/.wh.gone.conf", "", "etc/kept.conf", "edited\n", "opt/", "", "opt/app/", "", "opt/app/server", "binary",
			"etc/new\nline\x1b", "x", "home/app/.ssh/authorized_keys", ""),
	}
	img := empty.Image
	for _, data := range layers {
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
		if err != nil {
			t.Fatal(err)
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			t.Fatal(err)
		}
	}
	img, err := mutate.Config(img, v1.Config{
		User: "65532", Entrypoint: []string{"/opt/app/server", "--token=hunter2secret"}, Env: []string{"PATH=/bin", "API_KEY=hunter2"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

var wantOfImage = []string{
	"os/id: value=debian",
	"os/kernel: value=unknown not observable in an image",
	"os/version: value=12",
	"system/image.entrypoint: value=[/opt/app/server, --token=<secret 81be54938e6dbb3a>]",
	"system/image.ports: value=[8080/tcp]",
	"system/image.user: value=65532",
	"system/timezone: value=Asia/Tokyo",
	"package/base-files: version=12.4 arch=amd64 manager=dpkg",
	"package/tzdata: version=2025b arch=all manager=dpkg",
	"environment/image API_KEY: value=secret d61bd5043d19a6dc",
	"environment/image PATH: value=/bin",
	"file//etc/gone.conf: state=missing package=base",
	"file//etc/kept.conf: state=changed type=file mode=0644 owner=root group=root size=7 package=base",
	`file//etc/new\nline\x1b: state=unmanaged type=file mode=0644 owner=root group=root size=1`,
	"file//opt/app: state=unmanaged type=directory mode=0755 owner=root group=root",
	"file//opt/app/server: state=unmanaged type=file mode=0644 owner=root group=root size=6",
}

func TestImagesWithoutAShell(t *testing.T) {
	img := testImage(t)
	server := httptest.NewServer(registry.New())
	defer server.Close()
	reference, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/shop:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(reference, img); err != nil {
		t.Fatal(err)
	}
	saved := filepath.Join(t.TempDir(), "saved.tar")
	if err := tarball.WriteToFile(saved, reference, img); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"image://" + reference.String(), "tar://" + saved} {
		t.Run(text[:5], func(t *testing.T) {
			place, err := target.Parse(text, target.Options{})
			if err != nil {
				t.Fatal(err)
			}
			spec, err := Capture(t.Context(), place, Options{Salt: "00"})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, item := range items(spec) {
				kind, _, _ := strings.Cut(item, "/")
				if strings.Contains(" os system package environment file ", " "+kind+" ") {
					before, _, hashed := strings.Cut(item, " sha256=")
					if _, owner, owned := strings.Cut(item, " package="); hashed && owned {
						before += " package=" + owner
					}
					got = append(got, before)
				}
			}
			if diff := cmp.Diff(wantOfImage, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, kind := range []hostspec.Kind{hostspec.Process, hostspec.Socket, hostspec.Service, hostspec.Sysctl, hostspec.Mount, hostspec.Firewall} {
				if spec.Unknown[kind] != ErrNotObservable.Error() {
					t.Errorf("%s: %q", kind, spec.Unknown[kind])
				}
			}
		})
	}
}

// A root file system, packed as people pack them, with a link
// that leads in a circle.
func TestRootFileSystem(t *testing.T) {
	data := layerOf(t, "./etc/", "", "./etc/os-release", "->loop", "./etc/loop", "->os-release",
		"./lib/apk/db/installed", "P:busybox\nV:1.36\nA:x86_64\nF:etc\nR:a.conf\nZ:Q1"+"qUqP5cyxm6YcTAhz05Hph5gvu9M="+"\n\n",
		"./etc/a.conf", "test", "./etc/hostname", "web1\n", "./usr/bin/tool", "#!/bin/sh\n")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(data)
	z.Close()
	path := filepath.Join(t.TempDir(), "root.tgz")
	if err := os.WriteFile(path, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	spec, err := Capture(t.Context(), target.Archive{Path: path}, Options{Salt: "00", Paths: []string{"/etc/a.conf", "/none"}})
	if err != nil {
		t.Fatal(err)
	}
	if item, _ := spec.Find(hostspec.Key{Kind: hostspec.File, Name: "/etc/a.conf"}); item.Text("state") != "managed" || item.Text("package") != "busybox" {
		t.Errorf("%v", item)
	}
	if item, _ := spec.Find(hostspec.Key{Kind: hostspec.File, Name: "/none"}); item.Text("state") != "absent" {
		t.Errorf("%v", item)
	}
	if item, _ := spec.Find(hostspec.Key{Kind: hostspec.Package, Name: "busybox"}); item.Text("manager") != "apk" {
		t.Errorf("%v", item)
	}
	// Cut off in the middle it is an error, not an empty host.
	if err := os.WriteFile(path, packed.Bytes()[:packed.Len()/2], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Capture(t.Context(), target.Archive{Path: path}, Options{}); err == nil {
		t.Error("half an archive was captured")
	}
}
