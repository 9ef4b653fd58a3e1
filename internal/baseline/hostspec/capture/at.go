package capture

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

var atJobs = []string{"/var/spool/cron/atjobs/*", "/var/spool/at/*"}

// atSource: jobs that wait for their one time.
func atSource() Source {
	return Source{
		Name:  "at",
		Kinds: []hostspec.Kind{hostspec.Cron},
		Files: atJobs,
		Parse: parseAtJobs,
	}
}

func parseAtJobs(in *Input, out *Builder) {
	for _, glob := range atJobs {
		if err := in.Closed(glob); err != nil {
			out.Unknown(hostspec.Cron, err.Error())
		}
	}
	for _, file := range in.Glob(atJobs...) {
		due, ok := atTime(path.Base(file))
		if !ok {
			continue // .SEQ and the like
		}
		content, err := in.Read(file)
		if err != nil {
			out.Unknown(hostspec.Cron, err.Error())
			continue
		}
		user, command := atJob(string(content))
		out.Add(hostspec.Cron, user+" "+out.Redacted(command), Text("schedule", "once at "+due.Format(time.RFC3339)), Text("file", file))
	}
}

// atName is the name of a job: queue, number in five hex digits, and minutes
// since 1970 in eight.
var atName = regexp.MustCompile(`^[a-zA-Z=][0-9a-f]{5}([0-9a-f]{8})$`)

func atTime(name string) (time.Time, bool) {
	match := atName.FindStringSubmatch(name)
	if match == nil {
		return time.Time{}, false
	}
	minutes, err := strconv.ParseInt(match[1], 16, 64)
	return time.Unix(minutes*60, 0).UTC(), err == nil
}

// atJob gives whose job it is and what it runs. Before that, at writes the
// environment and a change of folder that ends in a brace.
func atJob(script string) (user, command string) {
	user = "unknown"
	for line := range strings.Lines(script) {
		if fields := strings.Fields(line); len(fields) == 4 && fields[0] == "#" && fields[1] == "mail" {
			user = fields[2]
			break
		}
	}
	const preamble = "exit 1\n}\n"
	if i := strings.Index(script, preamble); i >= 0 {
		script = script[i+len(preamble):]
	}
	return user, strings.Join(strings.FieldsFunc(script, func(r rune) bool { return r == '\n' }), "; ")
}
