package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// startHAProxy runs one with the configuration, whose server-state-file is
// "state" in the folder.
func startHAProxy(dir, config string) (*os.Process, error) {
	file := filepath.Join(dir, "haproxy.cfg")
	if err := errors.Join(os.WriteFile(file, []byte(config), 0o600), os.WriteFile(filepath.Join(dir, "state"), nil, 0o600)); err != nil {
		return nil, err
	}
	proxy := exec.Command("haproxy", "-q", "-db", "-f", file) //nolint:noctx // endHAProxy ends it
	proxy.Stderr = os.Stderr
	if err := proxy.Start(); err != nil {
		return nil, fmt.Errorf("starting HAProxy (apt-get install haproxy): %w", err)
	}
	return proxy.Process, nil
}

// endHAProxy ends what startHAProxy has started, if anything.
func endHAProxy(proxy *os.Process) {
	if proxy != nil {
		_ = proxy.Signal(syscall.SIGTERM)
		_, _ = proxy.Wait()
	}
}
