package containerize

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/triage"
)

// redirect is output that a job sent to a file; a container's goes to its log.
var redirect = regexp.MustCompile(`\s*(?:[0-9&]?>{1,2}\s*(?:&[0-9]|[^\s;&|]+)|\|\s*logger\b[^;&|]*)`)

// jobs are what cron runs and the triage leaves to the cluster.
func (p *plan) jobs(report *triage.Report) {
	names := map[string]bool{}
	for _, f := range report.Of(triage.Platform) {
		schedule := f.Text("schedule")
		if f.Kind != hostspec.Cron || f.Quiet || schedule == "" || schedule == "@reboot" {
			continue
		}
		_, command, ok := strings.Cut(f.Name, " ")
		if !ok {
			continue
		}
		name := jobName(command)
		for n := 2; names[name]; n++ {
			name = fmt.Sprintf("%s-%d", strings.TrimRight(jobName(command)[:min(len(jobName(command)), 36)], "-"), n)
		}
		names[name] = true
		j := job{Name: name, Schedule: schedule, Command: strings.TrimSpace(redirect.ReplaceAllString(command, ""))}
		if zone := p.timezone(); zone != "" && strings.ContainsAny(strings.Join(strings.Fields(schedule)[min(1, len(strings.Fields(schedule))):], ""), "0123456789") {
			j.Note = "the host runs it in " + zone + "; a schedule is in UTC"
		}
		p.Jobs = append(p.Jobs, j)
	}
}

func (p *plan) timezone() string {
	for _, v := range p.Env {
		if v.Name == "TZ" {
			return v.Value
		}
	}
	return ""
}

// script is the file that a command runs, most often.
var script = regexp.MustCompile(`([\w.-]+)\.(?:php|sh|py|rb|pl)\b`)

func jobName(command string) string {
	if m := script.FindStringSubmatch(command); m != nil {
		return label("job-"+m[1], 40)
	}
	fields := strings.Fields(command)
	if len(fields) == 0 {
		return "job"
	}
	return label("job-"+path.Base(fields[0]), 40)
}

// workers are services that somebody decided to bring along. A service of
// which only its init script is known is the process that runs the
// application's code.
func (p *plan) workers(spec *hostspec.Spec, report *triage.Report) {
	for _, f := range report.Of(triage.Image) {
		if f.Kind != hostspec.Service || !f.Decided || serves(f.Name) {
			continue
		}
		name := label(strings.TrimSuffix(f.Name, ".service"), 40)
		command := f.Text("command")
		if command == "" || strings.HasPrefix(command, "/etc/init.d/") {
			command = processOf(spec, f.Name)
		}
		if command == "" {
			continue
		}
		p.Workers = append(p.Workers, worker{Name: name, Command: command})
	}
}

// processOf finds the process that a service keeps running: one that runs code
// of the application, best with a part of the service's name in its command.
func processOf(spec *hostspec.Spec, service string) string {
	parts := strings.FieldsFunc(service, func(r rune) bool { return r == '-' || r == '_' || r == '.' })
	best, score := "", 0
	for _, item := range spec.Of(hostspec.Process) {
		command := item.Text("command")
		if strings.Contains(command, "php-fpm") || !strings.Contains(command, "/var/www/") && !strings.Contains(command, "/srv/") && !strings.Contains(command, "/opt/") {
			continue
		}
		points := 1
		for _, part := range parts {
			if strings.Contains(command, part) {
				points++
			}
		}
		if strings.HasPrefix(command, "/bin/sh") || strings.HasPrefix(command, "sh ") { // a loop around it: the cluster restarts
			points--
		}
		if points > score {
			best, score = command, points
		}
	}
	return best
}
