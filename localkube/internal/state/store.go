package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNotFound is returned for a cluster that does not exist.
var ErrNotFound = errors.New("no such cluster")

// FileName is the state file in a cluster's folder.
const FileName = "cluster.json"

// Store is the folder that holds one folder per cluster.
type Store struct{ Dir string }

// ClusterDir is the folder of the named cluster.
func (s Store) ClusterDir(name string) string { return filepath.Join(s.Dir, name) }

// NewID derives the machine-wide identity of a cluster from its folder.
func (s Store) NewID(name string) string {
	sum := sha256.Sum256([]byte(s.ClusterDir(name)))
	return hex.EncodeToString(sum[:4])
}

// Load reads the named cluster. ErrNotFound means that it does not exist; any
// other error means that its state is unknown.
func (s Store) Load(name string) (*Cluster, error) {
	data, err := os.ReadFile(filepath.Join(s.ClusterDir(name), FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cluster %q: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("reading cluster %q: %w", name, err)
	}
	c := &Cluster{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("reading cluster %q: %w", name, err)
	}
	if c.Name != name {
		return nil, fmt.Errorf("reading cluster %q: its file names the cluster %q", name, c.Name)
	}
	return c, nil
}

// Save writes the cluster's file atomically, making its folder if need be.
func (s Store) Save(c *Cluster) error {
	dir := s.ClusterDir(c.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("saving cluster %q: %w", c.Name, err)
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("saving cluster %q: %w", c.Name, err)
	}
	if err := WriteFile(filepath.Join(dir, FileName), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("saving cluster %q: %w", c.Name, err)
	}
	return nil
}

// List reads every cluster, sorted by name. Folders without a cluster file
// are not clusters; a file that cannot be read is an error.
func (s Store) List() ([]*Cluster, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	var clusters []*Cluster
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		c, err := s.Load(e.Name())
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		clusters = append(clusters, c)
	}
	sort.Slice(clusters, func(i, j int) bool { return clusters[i].Name < clusters[j].Name })
	return clusters, nil
}

// LockAll serialises what concerns several clusters: the choice of names,
// addresses and ports. It locks the folder itself, so that no lock file stays.
func (s Store) LockAll(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making state folder: %w", err)
	}
	return LockDir(ctx, s.Dir)
}

// Lock serialises the commands that change the named cluster.
func (s Store) Lock(ctx context.Context, name string) (unlock func(), err error) {
	unlock, err = LockDir(ctx, s.ClusterDir(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cluster %q: %w", name, ErrNotFound)
	}
	return unlock, err
}

// LockDir takes the exclusive lock of a folder, waiting until ctx ends.
func LockDir(ctx context.Context, dir string) (unlock func(), err error) {
	for {
		unlock, ok, err := TryLockDir(dir)
		if err != nil || ok {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another command that works on %s: %w", dir, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// TryLockDir takes the exclusive lock of a folder if nobody holds it.
func TryLockDir(dir string) (unlock func(), ok bool, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, false, fmt.Errorf("locking %s: %w", dir, err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		f.Close()
		return nil, false, nil
	}
	if err != nil {
		f.Close()
		return nil, false, fmt.Errorf("locking %s: %w", dir, err)
	}
	return func() { f.Close() }, true, nil
}

// WriteFile replaces a file atomically and durably.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
