package legacyhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// process is a process of this machine, known by its number and start time, so
// that a number used again is never taken for it.
type process struct {
	PID int `json:"pid"`
	// Started is in clock ticks since boot.
	Started uint64 `json:"started"`
	// Boot is the machine's boot in which it started.
	Boot string `json:"boot"`
}

var errEnded = errors.New("the process has ended")

// identify gives the identity of a running process; errEnded where there is
// none, or just its remains.
func identify(pid int) (process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, errEnded
	}
	// The name in parentheses may hold anything; the state comes first after
	// it, the start time nineteen fields later (proc_pid_stat(5)).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return process{}, errEnded
	}
	started, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return process{}, fmt.Errorf("reading the start time of process %d: %w", pid, err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return process{}, fmt.Errorf("reading which boot this is: %w", err)
	}
	return process{PID: pid, Started: started, Boot: strings.TrimSpace(string(boot))}, nil
}

// alive says whether the process still runs.
func (p process) alive() bool {
	if p.PID == 0 {
		return false
	}
	now, err := identify(p.PID)
	return err == nil && now == p
}

// kill ends the process and waits until it is gone.
func (p process) kill() error {
	if p.PID == 0 {
		return nil
	}
	found, err := os.FindProcess(p.PID) // a pidfd: it stays this process
	if err != nil || !p.alive() {
		return nil
	}
	defer func() { _ = found.Release() }()
	if err := found.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending process %d: %w", p.PID, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for p.alive() {
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("ending process %d: it did not end", p.PID)
		}
	}
	return nil
}
