package capture

import (
	"archive/tar"
	"bytes"
	"testing"
)

// tar follows symbolic links and then sends a file that has two paths once; by
// the second path it is a link.
func TestFilesWithTwoPathsAreReadByBoth(t *testing.T) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, header := range []tar.Header{
		{Name: "etc/php/mods/redis.ini", Typeflag: tar.TypeReg, Size: 2, Mode: 0o644},
		{Name: "etc/php/conf.d/redis.ini", Typeflag: tar.TypeLink, Linkname: "etc/php/mods/redis.ini"},
		{Name: "etc/elsewhere", Typeflag: tar.TypeLink, Linkname: "etc/never-sent"},
	} {
		if err := w.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if header.Size > 0 {
			if _, err := w.Write([]byte("a\n")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := &reading{files: map[string]file{}}
	if err := r.archive(archive.Bytes()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/etc/php/mods/redis.ini", "/etc/php/conf.d/redis.ini"} {
		if content := string(r.files[name].content); content != "a\n" {
			t.Errorf("%s is %q", name, content)
		}
	}
	if _, there := r.files["/etc/elsewhere"]; there {
		t.Error("a link to nothing became a file")
	}
}
