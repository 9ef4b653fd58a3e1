package containerize

import (
	"regexp"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec/capture/secret"
)

// poolEnv is env[NAME] = VALUE of a pool.
var poolEnv = regexp.MustCompile(`^(\s*env\[([A-Za-z_]\w*)\]\s*=\s*)(.*?)\s*$`)

// adaptFPM changes what holds on a server and not in a container, in a file of
// PHP-FPM: it is not root, it logs to the container's output, and a secret in
// a pool's environment comes from the container's instead. The secrets are
// given by name. With sessions, where these are is said elsewhere.
func adaptFPM(file, text string, sessions bool) (adapted string, changes []change, secrets map[string]string) {
	secrets = map[string]string{}
	var out strings.Builder
	pool := false
	catches := strings.Contains(text, "\ncatch_workers_output")
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if m := poolEnv.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
			value := strings.Trim(m[3], `"'`)
			if !strings.HasPrefix(value, "$") && secret.Looks(m[2], value) {
				secrets[m[2]] = value
				changes = append(changes, change{file, "env[" + m[2] + "]: from the container's environment"})
				out.WriteString(m[1] + "$" + m[2] + "\n")
				continue
			}
		}
		with, why := adaptSetting(trimmed)
		if sessions && sessionSetting.MatchString(trimmed) {
			with, why = "", "sessions are in a store"
		}
		if why == "" {
			out.WriteString(line)
		} else {
			changes = append(changes, change{file, trimmed + ": " + why})
			if with == "" {
				with = "; " + trimmed
			}
			out.WriteString(with + "\n")
		}
		if strings.HasPrefix(trimmed, "[") && trimmed != "[global]" {
			pool = true
			if !catches {
				out.WriteString("; What the workers write goes to the container's output.\ncatch_workers_output = yes\ndecorate_workers_output = no\n")
			}
		}
	}
	if pool && !catches {
		changes = append(changes, change{file, "catch_workers_output = yes: to the container's output"})
	}
	return out.String(), changes, secrets
}

// adaptSetting gives what stands in for a line of an ini file, or nothing to
// comment it out, and why; no reason means that it stays.
func adaptSetting(line string) (with, why string) {
	name, value, ok := strings.Cut(line, "=")
	if !ok || strings.HasPrefix(line, ";") || strings.HasPrefix(line, "#") {
		return "", ""
	}
	name, value = strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"'`)
	switch name {
	case "user", "group":
		return "", "the container's user does it all"
	case "daemonize":
		return "", "given on the command line"
	case "pid":
		return "", "the container's runtime watches the process"
	case "error_log", "slowlog", "access.log":
		if value == "" || value == "syslog" || strings.HasPrefix(value, "/proc/self/fd/") || strings.HasPrefix(value, "/dev/std") {
			return "", ""
		}
		return name + " = /proc/self/fd/2", "to the container's output"
	case "php_admin_value[error_log]", "php_value[error_log]":
		return "", "PHP-FPM passes it on to the container's output"
	}
	return "", ""
}

// adaptINI does the same for a php.ini.
func adaptINI(file, text string) (string, []change) {
	var changes []change
	var out strings.Builder
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		name, value, ok := strings.Cut(trimmed, "=")
		if ok && strings.TrimSpace(name) == "error_log" && strings.TrimSpace(value) != "" {
			changes = append(changes, change{file, trimmed + ": to the container's output"})
			out.WriteString("; " + trimmed + "\n")
			continue
		}
		out.WriteString(line)
	}
	return out.String(), changes
}

// sockets are where the pools of a configuration listen, as PHP's stream
// addresses.
func sockets(text string) []string {
	var found []string
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		if !ok || strings.TrimSpace(name) != "listen" || value == "" {
			continue
		}
		switch {
		case strings.HasPrefix(value, "/"):
			value = "unix://" + value
		case !strings.Contains(value, ":"):
			value = "tcp://127.0.0.1:" + value
		default:
			value = "tcp://" + strings.Replace(value, "0.0.0.0", "127.0.0.1", 1)
		}
		if !slices.Contains(found, value) {
			found = append(found, value)
		}
	}
	return found
}
