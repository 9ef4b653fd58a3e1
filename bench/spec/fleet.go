package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// flat is how much larger a figure of the largest fleet may be than that of the
// smallest, to call it flat.
const flat = 1.25

// fleet verifies fleets of growing size: connections to the hosts that there
// are, each of its own and under a name of its own.
func (b *bench) fleet(ctx context.Context) error {
	var perHost, memory []float64
	sizes := strings.Split(b.opts.fleets, ",")
	for _, text := range sizes {
		size, err := strconv.Atoi(text)
		if err != nil || size < 1 {
			return fmt.Errorf("reading --fleets: %q is no size", text)
		}
		r, err := b.verifyFleet(ctx, size)
		if err != nil {
			return err
		}
		perHost = append(perHost, r.took.Seconds()/float64(size)*1000)
		memory = append(memory, r.memory)
		log.Printf("%d hosts: %.1f s, %.0f ms a host, %.0f MiB", size, r.took.Seconds(), perHost[len(perHost)-1], r.memory)
		figure(fmt.Sprintf("spec-fleet-%d-per-host", size), perHost[len(perHost)-1], "ms", "none", true)
		figure(fmt.Sprintf("spec-fleet-%d-memory", size), r.memory, "MiB", "none", true)
	}
	last := len(sizes) - 1
	slower, larger := perHost[last]/perHost[0], memory[last]/memory[0]
	figure("spec-fleet-time-per-host-growth", slower, "ratio", fmt.Sprintf("<=%.2f", flat), slower <= flat)
	figure("spec-fleet-memory-growth", larger, "ratio", fmt.Sprintf("<=%.2f", flat), larger <= flat)
	return nil
}

// verifyFleet verifies the checks on a number of hosts and makes sure that
// every check was answered for every host.
func (b *bench) verifyFleet(ctx context.Context, size int) (ran, error) {
	config, targets, err := b.aliases(size)
	if err != nil {
		return ran{}, err
	}
	r, err := b.landfall(ctx, "spec", "verify", b.checks, "--ssh-config", config, "--targets", targets, "--parallel", strconv.Itoa(b.opts.parallel))
	if err != nil {
		return ran{}, err
	}
	for _, want := range []string{fmt.Sprintf("%d hosts: %[1]d hold", size), fmt.Sprintf("items: %d hold", size*b.opts.checks)} {
		if !strings.Contains(string(r.out), want) {
			return ran{}, fmt.Errorf("verifying %d hosts: want %q in\n%s", size, want, r.out)
		}
	}
	return r, nil
}

// aliases writes an SSH configuration in which a number of names stand for the
// host that the checks are of, and the list of those names.
func (b *bench) aliases(size int) (config, targets string, err error) {
	base, err := os.ReadFile(b.ssh)
	if err != nil {
		return "", "", err
	}
	// The hosts' own entries say how to log in, by patterns of their names.
	var written, list strings.Builder
	for i := range size {
		fmt.Fprintf(&written, "Host host%d\n\tHostName %s\n\tHostKeyAlias %s\n", i+1, b.hosts[0].Address, b.hosts[0].Name)
		fmt.Fprintf(&list, "ssh://host%d\n", i+1)
	}
	entries := string(base)
	shared := entries[strings.LastIndex(entries, "Host "):]
	_, settings, _ := strings.Cut(shared, "\n")
	written.WriteString("Host host*\n" + settings)
	config, targets = filepath.Join(b.dir, "ssh_config"), filepath.Join(b.dir, "targets")
	if err := os.WriteFile(config, []byte(written.String()), 0o600); err != nil {
		return "", "", err
	}
	return config, targets, os.WriteFile(targets, []byte(list.String()), 0o600)
}
