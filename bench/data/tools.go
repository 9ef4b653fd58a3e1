package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
)

// tool is a program that is built from its module when it is not at hand.
type tool struct{ name, module, path, version string }

var (
	s5cmd = tool{"s5cmd", "github.com/peak/s5cmd/v2", "github.com/peak/s5cmd/v2", "v2.3.0"}
	minio = tool{"minio", "github.com/minio/minio", "github.com/minio/minio", "v0.0.0-20250422221226-0d7408fc9969"}
)

// find gives the program: on PATH, or built earlier, or built now into the
// user's cache. A module of its own keeps what it needs out of ours.
func (t tool) find(ctx context.Context) (string, error) {
	if found, err := exec.LookPath(t.name); err == nil {
		return found, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "landfall-bench", t.name+"-"+t.version)
	program := filepath.Join(dir, t.name)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	log.Printf("building %s %s: once, it takes minutes", t.name, t.version)
	module := fmt.Sprintf("module bench\n\ngo 1.24\n\nrequire %s %s\n", t.module, t.version)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(module), 0o644); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=mod", "-o", program, t.path)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w: %s", t.name, err, out)
	}
	return program, nil
}
