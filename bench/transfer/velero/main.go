// Command velero-plugin-folder lets Velero keep backups in a folder of this
// machine, which two Velero servers on it share. It is for measuring and tests:
// whoever can read the folder can read all.
package main

import (
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/vmware-tanzu/velero/pkg/plugin/framework"
)

func main() {
	framework.NewServer().
		RegisterObjectStore("landfall.dev/folder", func(logrus.FieldLogger) (any, error) { return &folder{}, nil }).
		Serve()
}

// folder is an object store whose buckets are folders below the path that the
// backup storage location names in its config.
type folder struct {
	root string
	// url is where a web server serves root; "" for nowhere.
	url string
}

// Init is part of velero.ObjectStore.
func (f *folder) Init(config map[string]string) error {
	f.root, f.url = config["path"], config["url"]
	if f.root == "" {
		return errors.New("reading the config of the backup storage location: path is not set")
	}
	return os.MkdirAll(f.root, 0o755)
}

func (f *folder) path(bucket, key string) string {
	return filepath.Join(f.root, bucket, filepath.FromSlash(key))
}

// PutObject is part of velero.ObjectStore: who reads never sees half a file.
func (f *folder) PutObject(bucket, key string, body io.Reader) error {
	path := f.path(bucket, key)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	if _, err := io.Copy(part, body); err != nil {
		return errors.Join(err, part.Close())
	}
	if err := part.Close(); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}

// ObjectExists is part of velero.ObjectStore.
func (f *folder) ObjectExists(bucket, key string) (bool, error) {
	_, err := os.Stat(f.path(bucket, key))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// GetObject is part of velero.ObjectStore.
func (f *folder) GetObject(bucket, key string) (io.ReadCloser, error) {
	return os.Open(f.path(bucket, key))
}

// ListCommonPrefixes is part of velero.ObjectStore.
func (f *folder) ListCommonPrefixes(bucket, prefix, delimiter string) ([]string, error) {
	keys, err := f.ListObjects(bucket, prefix)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, key := range keys {
		if first, _, ok := strings.Cut(strings.TrimPrefix(key, prefix), delimiter); ok {
			found = append(found, prefix+first+delimiter)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// ListObjects is part of velero.ObjectStore.
func (f *folder) ListObjects(bucket, prefix string) ([]string, error) {
	var keys []string
	root := filepath.Join(f.root, bucket)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".part-") {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if key := filepath.ToSlash(relative); err == nil && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
		return err
	})
	return keys, err
}

// DeleteObject is part of velero.ObjectStore.
func (f *folder) DeleteObject(bucket, key string) error {
	err := os.Remove(f.path(bucket, key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// CreateSignedURL is part of velero.ObjectStore. Nothing is signed: whoever
// reaches the web server reads all.
func (f *folder) CreateSignedURL(bucket, key string, _ time.Duration) (string, error) {
	if f.url == "" {
		return "", errors.New("signing a URL: the config of the backup storage location has no url")
	}
	return url.JoinPath(f.url, bucket, key)
}
