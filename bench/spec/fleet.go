package main

import (
	"context"
	"fmt"
	"github.com/landfall-dev/landfall/bench/bar"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// flat is how much larger a figure of the largest fleet may be than that of the
// smallest, to call it flat.
const flat = 1.25

// fleet verifies fleets of growing size: connections to one host under as many
// names, each a login and a collection of its own. They share that host's sshd
// and this machine's cores. The smallest fleet runs again after each larger one,
// so that what else the machine does weighs on both.
func (b *bench) fleet(ctx context.Context) error {
	sizes, err := fleetSizes(b.opts.fleets)
	if err != nil {
		return err
	}
	smallest := sizes[0]
	perHost, memory := map[int][]float64{}, map[int][]float64{}
	for _, size := range inTurns(sizes) {
		r, err := b.verifyFleet(ctx, size)
		if err != nil {
			return err
		}
		each := r.took.Seconds() / float64(size) * 1000
		log.Printf("%d hosts: %.1f s, %.0f ms a host, %.0f MiB", size, r.took.Seconds(), each, r.memory)
		perHost[size], memory[size] = append(perHost[size], each), append(memory[size], r.memory)
	}
	for _, size := range sizes {
		bar.Figure(fmt.Sprintf("spec-fleet-%d-per-host", size), bar.Median(perHost[size]), "ms")
		bar.Figure(fmt.Sprintf("spec-fleet-%d-memory", size), bar.Median(memory[size]), "MiB")
	}
	largest := sizes[len(sizes)-1]
	slower := bar.Median(perHost[largest]) / bar.Median(perHost[smallest])
	larger := bar.Median(memory[largest]) / bar.Median(memory[smallest])
	bar.AtMost("spec-fleet-time-per-host-growth", slower, "ratio", flat)
	bar.AtMost("spec-fleet-memory-growth", larger, "ratio", flat)
	return nil
}

func fleetSizes(list string) ([]int, error) {
	var sizes []int
	for _, text := range strings.Split(list, ",") {
		size, err := strconv.Atoi(text)
		if err != nil || size < 2 {
			return nil, fmt.Errorf("reading --fleets: %q is no size of a fleet", text)
		}
		sizes = append(sizes, size)
	}
	slices.Sort(sizes)
	return sizes, nil
}

// inTurns puts the smallest size before, between and after the others.
func inTurns(sizes []int) []int {
	turns := sizes[:1:1]
	for _, size := range sizes[1:] {
		turns = append(turns, size, sizes[0])
	}
	return turns
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
