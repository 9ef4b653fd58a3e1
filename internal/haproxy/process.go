package haproxy

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Worker asks a master for the process id of its current worker; "" if it has
// none.
func Worker(ctx context.Context, master Socket) (string, error) {
	reply, err := master.Ask(ctx, "show proc")
	if err != nil {
		return "", err
	}
	section := ""
	for line := range strings.Lines(reply) {
		if strings.HasPrefix(line, "#") {
			section = strings.TrimSpace(strings.TrimPrefix(line, "#"))
			continue
		}
		fields := strings.Fields(line)
		if section == "workers" && len(fields) > 1 && fields[1] == "worker" {
			return fields[0], nil
		}
	}
	return "", nil
}

// Check has a program say whether it would accept configuration files. The
// error quotes its complaints.
func Check(ctx context.Context, program string, env []string, files ...string) error {
	args := []string{"-c"}
	for _, file := range files {
		args = append(args, "-f", file)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("HAProxy refuses the configuration: %w: %s", err, alerts(out))
	}
	return nil
}

// alerts picks what is wrong out of HAProxy's words.
func alerts(output []byte) string {
	var found []string
	for line := range bytes.Lines(output) {
		if bytes.Contains(line, []byte("[ALERT]")) {
			found = append(found, string(bytes.TrimSpace(line)))
		}
	}
	return strings.Join(found, "; ")
}
