package logs

import (
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

// parseTime reads a time that is written as a distance from now, with days,
// or in full. "" is the zero time.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, ok := parseDistance(text); ok {
		return now.Add(-d), nil
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, "Write 10m, 3h or 2d ago, or a time like 2026-11-21T10:00:00Z.",
		"reading --%s %q: neither a duration nor a time", flag, text)
}

// parseDistance is time.ParseDuration with days in front.
func parseDistance(text string) (time.Duration, bool) {
	days := 0
	if before, after, found := strings.Cut(text, "d"); found {
		n, err := strconv.Atoi(before)
		if err != nil || n < 0 || n > 36500 {
			return 0, false
		}
		days, text = n, after
	}
	rest := time.Duration(0)
	if text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return 0, false
		}
		rest = d
	}
	return time.Duration(days)*24*time.Hour + rest, true
}
