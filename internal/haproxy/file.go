package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// KeepServerStates writes a server-state-file, with which weights outlive a
// reload if the configuration has `load-server-state-from-file`. Servers that
// are named (backend/server) are left out and begin anew: a state holds a
// server's port, too, which would win over that of a new configuration.
func (s Socket) KeepServerStates(ctx context.Context, file string, without ...string) error {
	states, err := s.Ask(ctx, "show servers state")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(states, "1\n# ") || !strings.HasSuffix(states, "\n\n") {
		return errors.New("reading HAProxy's server states: the reply was cut short")
	}
	var kept strings.Builder
	for line := range strings.Lines(states) {
		if fields := strings.Fields(line); len(fields) > 3 && slices.Contains(without, fields[1]+"/"+fields[3]) {
			continue
		}
		kept.WriteString(line)
	}
	if err := ReplaceFile(file, []byte(kept.String())); err != nil {
		return fmt.Errorf("writing HAProxy's server-state-file: %w", err)
	}
	return nil
}

// ReplaceFile puts whole content in a file's place, also when the machine stops
// in between. The file keeps its mode; a new one can be read by all.
func ReplaceFile(file string, content []byte) error {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Chmod(mode), temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}
