package logs

import (
	"bytes"
	"time"
)

// stampLen is the length of a time as kubelets write it: RFC 3339 with nine
// digits of fraction, in UTC.
const stampLen = len("2006-01-02T15:04:05.000000000Z")

// Clock parses times that mostly differ in the fraction only, as neighbouring
// lines do. The zero value is ready. Not for concurrent use.
type Clock struct {
	prefix  [19]byte // "2006-01-02T15:04:05"
	seconds int64
	known   bool
}

// Split takes the leading time off a line as the Kubernetes log API gives it
// with timestamps=true. Without a readable time ok is false and text the whole
// line.
func (c *Clock) Split(line []byte) (at int64, text []byte, ok bool) {
	i := bytes.IndexByte(line[:min(len(line), 40)], ' ')
	if i < 0 {
		// A line without text may lack the space.
		i = len(line)
	}
	at, ok = c.Parse(line[:i])
	if !ok {
		return 0, line, false
	}
	if i == len(line) {
		return at, nil, true
	}
	return at, line[i+1:], true
}

// Parse reads an RFC 3339 time into nanoseconds since 1970.
func (c *Clock) Parse(stamp []byte) (at int64, ok bool) {
	if len(stamp) != stampLen || stamp[19] != '.' || stamp[stampLen-1] != 'Z' {
		return parseSlowly(stamp)
	}
	nanos, ok := nineDigits(stamp[20:29])
	if !ok {
		return 0, false
	}
	if !c.known || [19]byte(stamp[:19]) != c.prefix {
		t, err := time.Parse("2006-01-02T15:04:05", string(stamp[:19]))
		if err != nil || !inRange(t) {
			return 0, false
		}
		c.prefix, c.seconds, c.known = [19]byte(stamp[:19]), t.Unix(), true
	}
	return c.seconds*int64(time.Second) + nanos, true
}

// parseSlowly takes any other form of RFC 3339, such as a node's local time.
func parseSlowly(stamp []byte) (int64, bool) {
	if len(stamp) < len("2006-01-02T15:04:05Z") || len(stamp) > 40 {
		return 0, false
	}
	t, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil || !inRange(t) {
		return 0, false
	}
	return t.UnixNano(), true
}

// inRange says whether the time has a place in 64 bits of nanoseconds.
func inRange(t time.Time) bool { return t.Year() >= 1970 && t.Year() < 2262 }

func nineDigits(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
