package main

import (
	"bytes"
	"context"
	"fmt"
	"github.com/landfall-dev/landfall/bench/bar"
	"log"
	"os"
	"path/filepath"
)

// captureGoal is how long a full capture of a server may take, in seconds.
const captureGoal = 1.5

// capture captures the whole first web server several times into one file: how
// long it takes, in how many SSH sessions, and whether the bytes stay the same.
func (b *bench) capture(ctx context.Context) error {
	file := filepath.Join(b.dir, "twice.yaml")
	var took []float64
	var first []byte
	same, sessions := 1.0, 0
	for i := range b.opts.times {
		before, err := b.sessions(ctx)
		if err != nil {
			return err
		}
		r, err := b.landfall(ctx, "spec", "capture", "--ssh-config", b.ssh, b.target(), "-o", file)
		if err != nil {
			return err
		}
		after, err := b.sessions(ctx)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if i == 0 {
			first = text
		} else if !bytes.Equal(first, text) {
			same = 0
		}
		took, sessions = append(took, r.took.Seconds()), max(sessions, after-before)
		log.Printf("capture: %.2f s, %d bytes, %d SSH session", r.took.Seconds(), len(text), after-before)
	}
	bar.AtMost("spec-capture", bar.Median(took), "s", captureGoal)
	bar.Exactly("spec-capture-sessions", float64(sessions), "sessions", 1)
	bar.Exactly("spec-capture-byte-identical", same, "of-1", 1)
	return nil
}

// sessions counts the logins over SSH that the host's log has.
func (b *bench) sessions(ctx context.Context) (int, error) {
	r, err := b.onHost(ctx, "sh", "-c", "sleep 0.2; grep -c 'sshd.*Accepted' /var/log/auth.log || true")
	if err != nil {
		return 0, err
	}
	var n int
	if _, err := fmt.Sscan(string(r.out), &n); err != nil {
		return 0, fmt.Errorf("counting SSH sessions: %w", err)
	}
	return n, nil
}
