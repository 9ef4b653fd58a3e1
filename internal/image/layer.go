package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
)

// cacheLife is how long an unused layer stays in the cache.
const cacheLife = 14 * 24 * time.Hour

// Cache keeps compressed layers by their content, so that what did not change
// is neither compressed nor sent again. Several processes may share one.
type Cache struct {
	// Dir is made when first needed.
	Dir string
}

// DefaultCache is the one in the user's cache folder.
func DefaultCache() (*Cache, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("finding the cache folder: %w", err)
	}
	return &Cache{Dir: filepath.Join(dir, "landfall", "layers")}, nil
}

// layer is a compressed layer in a file. It implements v1.Layer.
type layer struct {
	diffID v1.Hash
	file   string
	layerFile
}

// layerFile is what is remembered of a compressed layer.
type layerFile struct {
	Digest v1.Hash `json:"digest"`
	Size   int64   `json:"size"`
}

func (l *layer) DiffID() (v1.Hash, error)            { return l.diffID, nil }
func (l *layer) Digest() (v1.Hash, error)            { return l.layerFile.Digest, nil }
func (l *layer) Size() (int64, error)                { return l.layerFile.Size, nil }
func (l *layer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }
func (l *layer) Compressed() (io.ReadCloser, error)  { return os.Open(l.file) }
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	file, err := os.Open(l.file)
	if err != nil {
		return nil, err
	}
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{unzipped, file}, nil
}

// Layer makes a layer of what write writes, a tar stream that must be the same
// at each call. The stream is read once where the cache has the layer, twice
// where not.
func (c *Cache) Layer(write func(io.Writer) error) (v1.Layer, error) {
	sum := sha256.New()
	if err := write(sum); err != nil {
		return nil, err
	}
	l := &layer{diffID: hashOf(sum.Sum(nil))}
	l.file = filepath.Join(c.Dir, l.diffID.Hex+".tgz")
	if c.recall(l) {
		return l, nil
	}
	if err := c.compress(l, write); err != nil {
		return nil, fmt.Errorf("compressing layer: %w", err)
	}
	c.expire()
	return l, nil
}

// recall says whether the cache holds a whole layer of l's content.
func (c *Cache) recall(l *layer) bool {
	text, err := os.ReadFile(l.file + ".json")
	if err != nil || json.Unmarshal(text, &l.layerFile) != nil {
		return false
	}
	info, err := os.Stat(l.file)
	if err != nil || info.Size() != l.layerFile.Size {
		return false
	}
	now := time.Now()
	_ = os.Chtimes(l.file, now, now) // used: see expire
	return true
}

func (c *Cache) compress(l *layer, write func(io.Writer) error) error {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(c.Dir, ".layer-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	defer temp.Close()

	sum := sha256.New()
	counted := &countingWriter{w: io.MultiWriter(temp, sum)}
	zipped, err := gzip.NewWriterLevel(counted, gzip.BestSpeed)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return write(zipped) },
		zipped.Close,
		temp.Close,
		func() error { return os.Rename(temp.Name(), l.file) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	l.layerFile = layerFile{Digest: hashOf(sum.Sum(nil)), Size: counted.n}
	text, err := json.Marshal(l.layerFile)
	if err != nil {
		return err
	}
	return os.WriteFile(l.file+".json", text, 0o644)
}

// expire removes layers that nothing has used for long. Failing to is no
// matter.
func (c *Cache) expire() {
	files, _ := filepath.Glob(filepath.Join(c.Dir, "*.tgz"))
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && time.Since(info.ModTime()) > cacheLife {
			_ = os.Remove(file + ".json")
			_ = os.Remove(file)
		}
	}
}

func hashOf(sum []byte) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum)}
}
