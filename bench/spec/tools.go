package main

import (
	"context"
	"encoding/json"
	"fmt"
	"github.com/landfall-dev/landfall/bench/bar"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// verify runs Landfall's side: the checks, over SSH, all holding.
func (b *bench) verify(ctx context.Context) (float64, error) {
	r, err := b.landfall(ctx, "spec", "verify", b.checks, "--ssh-config", b.ssh, "--target", b.target(), "--format", "json")
	if err != nil {
		return 0, err
	}
	var report struct {
		Counts struct{ Holds, Fails, Unknown int } `json:"counts"`
	}
	if err := json.Unmarshal(r.out, &report); err != nil {
		return 0, fmt.Errorf("reading the results of spec verify: %w", err)
	}
	if report.Counts.Holds != b.opts.checks || report.Counts.Fails+report.Counts.Unknown > 0 {
		return 0, fmt.Errorf("spec verify: %+v, want %d that hold", report.Counts, b.opts.checks)
	}
	return r.took.Seconds(), nil
}

// againstGoss compares with goss where it is fastest: on the host itself. The
// two take turns; the medians count.
func (b *bench) againstGoss(ctx context.Context) error {
	tests, stop, err := b.prepareGoss(ctx)
	if err != nil {
		return err
	}
	defer stop()
	var ours, theirs []float64
	for range b.opts.times {
		took, err := b.verify(ctx)
		if err != nil {
			return err
		}
		r, err := b.onHost(ctx, "/run/bench-goss", "--gossfile", "/run/bench-goss.yaml", "validate", "--format", "silent")
		if err != nil {
			return err
		}
		ours, theirs = append(ours, took), append(theirs, r.took.Seconds())
		log.Printf("%d checks: landfall over SSH %.2f s, goss on the host %.2f s (%d tests)", b.opts.checks, took, r.took.Seconds(), tests)
	}
	bar.Figure("spec-verify-1000", bar.Median(ours), "s")
	bar.Figure("spec-verify-1000-goss-local", bar.Median(theirs), "s")
	ratio := bar.Median(ours) / bar.Median(theirs)
	bar.AtMost("spec-verify-against-goss-local", ratio, "ratio", 2)
	return nil
}

// prepareGoss puts goss and the exported checks into the host's /run, which is
// memory, and makes sure that goss runs as many tests as there are checks.
func (b *bench) prepareGoss(ctx context.Context) (tests int, stop func(), err error) {
	program, err := b.buildGoss(ctx)
	if err != nil {
		return 0, nil, err
	}
	folder := filepath.Join(b.dir, "goss")
	if _, err := b.landfall(ctx, "spec", "export", b.checks, "--format", "goss", "-o", folder); err != nil {
		return 0, nil, err
	}
	stop = func() { _, _ = b.onHost(context.Background(), "rm", "-f", "/run/bench-goss", "/run/bench-goss.yaml") }
	for from, to := range map[string]string{program: "/run/bench-goss", filepath.Join(folder, "goss.yaml"): "/run/bench-goss.yaml"} {
		if err := b.send(ctx, from, to); err != nil {
			return 0, stop, err
		}
	}
	r, err := b.onHost(ctx, "/run/bench-goss", "--gossfile", "/run/bench-goss.yaml", "validate", "--format", "json")
	if err != nil {
		return 0, stop, err
	}
	var report struct {
		Summary struct {
			Tests  int `json:"test-count"`
			Failed int `json:"failed-count"`
		} `json:"summary"`
	}
	if err := json.Unmarshal(r.out, &report); err != nil {
		return 0, stop, fmt.Errorf("reading what goss says: %w", err)
	}
	if report.Summary.Tests < b.opts.checks || report.Summary.Failed > 0 {
		return 0, stop, fmt.Errorf("goss: %+v, want at least %d tests that hold", report.Summary, b.opts.checks)
	}
	return report.Summary.Tests, stop, nil
}

// gossModule names the version of goss that the tests of the export use.
const gossModule = "internal/baseline/hostspec/goss/testdata/realgoss"

// buildGoss gives the goss program.
func (b *bench) buildGoss(ctx context.Context) (string, error) {
	if b.opts.goss != "" {
		return b.opts.goss, nil
	}
	program := filepath.Join(b.dir, "goss-program")
	build := exec.CommandContext(ctx, "go", "build", "-C", gossModule, "-ldflags=-s -w", "-o", program, "github.com/goss-org/goss/cmd/goss")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	_, err := succeed(build)
	return program, err
}

// onHost runs a program on the host itself, without SSH.
func (b *bench) onHost(ctx context.Context, args ...string) (ran, error) {
	return b.landfall(ctx, append([]string{"local", "legacy", "exec", b.hosts[0].Name, "--"}, args...)...)
}

// send copies a program or file to the host.
func (b *bench) send(ctx context.Context, from, to string) error {
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer file.Close()
	cmd := exec.CommandContext(ctx, "ssh", "-F", b.ssh, b.hosts[0].Name, "cat > "+to+" && chmod 755 "+to)
	cmd.Stdin = file
	_, err = succeed(cmd)
	return err
}

// againstServerspec compares with Debian's Serverspec over SSH. It takes
// minutes, so it runs once.
func (b *bench) againstServerspec(ctx context.Context) error {
	if _, err := exec.LookPath("rspec"); err != nil {
		return fmt.Errorf("%w: apt-get install -y ruby-serverspec", err)
	}
	folder, home := filepath.Join(b.dir, "serverspec"), filepath.Join(b.dir, "home")
	if _, err := b.landfall(ctx, "spec", "export", b.checks, "--format", "serverspec", "-o", folder); err != nil {
		return err
	}
	if err := b.sshHome(home); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "rspec", "--format", "json")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "HOME="+home, "TARGET_HOST="+b.hosts[0].Name)
	theirs, err := succeed(cmd)
	if err != nil {
		return err
	}
	examples, err := rspecExamples(theirs.out)
	if err != nil {
		return err
	}
	if examples < b.opts.checks {
		return fmt.Errorf("serverspec ran %d examples, want %d", examples, b.opts.checks)
	}
	var ours []float64
	for range b.opts.times {
		took, err := b.verify(ctx)
		if err != nil {
			return err
		}
		ours = append(ours, took)
	}
	log.Printf("%d checks over SSH: landfall %.2f s, serverspec %.1f s (%d examples)", b.opts.checks, bar.Median(ours), theirs.took.Seconds(), examples)
	bar.Figure("spec-verify-1000-serverspec", theirs.took.Seconds(), "s")
	faster := theirs.took.Seconds() / bar.Median(ours)
	bar.AtLeast("spec-verify-faster-than-serverspec", faster, "times", 100)
	return nil
}

// sshHome makes a home whose ~/.ssh/config reaches the hosts: the SSH library
// of Ruby takes no file by name.
func (b *bench) sshHome(home string) error {
	text, err := os.ReadFile(b.ssh)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(home, ".ssh", "config"), text, 0o600)
}

func rspecExamples(out []byte) (int, error) {
	var report struct {
		Summary struct {
			Examples int `json:"example_count"`
			Failures int `json:"failure_count"`
		} `json:"summary"`
	}
	// Serverspec may print before the document.
	start := strings.IndexByte(string(out), '{')
	if start < 0 {
		return 0, fmt.Errorf("reading what rspec says: no document")
	}
	if err := json.Unmarshal(out[start:], &report); err != nil {
		return 0, fmt.Errorf("reading what rspec says: %w", err)
	}
	if report.Summary.Failures > 0 {
		return 0, fmt.Errorf("serverspec: %d of %d examples fail", report.Summary.Failures, report.Summary.Examples)
	}
	return report.Summary.Examples, nil
}
