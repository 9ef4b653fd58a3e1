package cover

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/check"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/nginx"
	"github.com/landfall-dev/landfall/internal/result"
)

// Coverage is what the requests touch of a site.
type Coverage struct {
	// Report has a result for each location that visitors can get to, and for
	// each server without locations: it holds where a request touches it.
	Report result.Report
	// Inner are locations that only nginx itself leads to, and that no request
	// is known to reach: named ones and internal ones.
	Inner []string
	// Strangers are requests that no server is there for.
	Strangers []string
}

// Measure follows each request to its location.
func Measure(servers []nginx.Server, requests []check.Requested) *Coverage {
	site := newSite(servers)
	m := &measure{touched: map[*location][]string{}, bare: map[*server][]string{}}
	coverage := &Coverage{}
	for _, request := range requests {
		chosen := site.server(request.URL)
		if chosen == nil {
			coverage.Strangers = append(coverage.Strangers, request.URL.Redacted())
			continue
		}
		m.follow(chosen, normalize(request.URL.EscapedPath()), describe(request))
	}
	for _, s := range site.servers {
		m.judge(coverage, s)
	}
	return coverage
}

type measure struct {
	touched map[*location][]string
	bare    map[*server][]string // requests that end at the server block itself
}

// describe names the step that makes a request.
func describe(a check.Requested) string {
	text := a.Check
	if a.Step != "" {
		text += " › " + a.Step
	}
	if a.Assumed {
		text += " (by " + a.URL.EscapedPath() + ")"
	}
	return text
}

// maxInner is how often nginx itself goes on to another location (its own
// limit is 10).
const maxInner = 10

// follow notes the location of a path, and those to which try_files goes on.
func (m *measure) follow(s *server, path, by string) {
	for range maxInner {
		found := s.find(path)
		if found == nil {
			m.bare[s] = append(m.bare[s], by)
			return
		}
		m.touch(found, by)
		fallback := found.fallback()
		switch {
		case strings.HasPrefix(fallback, "@"):
			for _, one := range s.all {
				if one.named && one.Path == fallback {
					m.touch(one, by+", through try_files")
				}
			}
			return
		case !strings.HasPrefix(fallback, "/"):
			return
		}
		path, by = normalize((&url.URL{Path: fallback}).EscapedPath()), strings.TrimSuffix(by, ", through try_files")+", through try_files"
	}
}

func (m *measure) touch(l *location, by string) {
	if !slices.Contains(m.touched[l], by) {
		m.touched[l] = append(m.touched[l], by)
	}
}

// fallback is where try_files leads to when no file is there: a path, or a
// named location; empty where it leads nowhere that the text alone says.
func (l *location) fallback() string {
	for _, action := range l.Actions {
		words := strings.Fields(action)
		if len(words) < 3 || words[0] != "try_files" {
			continue
		}
		last, _, _ := strings.Cut(words[len(words)-1], "?")
		last, _, _ = strings.Cut(last, "$is_args")
		if !strings.Contains(last, "$") {
			return last
		}
	}
	return ""
}

// judge adds the server's results.
func (m *measure) judge(coverage *Coverage, s *server) {
	if len(s.all) == 0 {
		coverage.Report.Add(outcome(result.Result{Group: s.Name, Name: "server"}, m.bare[s]))
	}
	for _, l := range s.all {
		one := outcome(result.Result{Group: s.Name, Name: l.name()}, m.touched[l])
		switch {
		case one.Answer == result.Fails && (l.named || l.internal):
			coverage.Inner = append(coverage.Inner, fmt.Sprintf("%s %s", s.Name, one.Name))
			continue
		case one.Answer == result.Fails && l.problem != nil:
			one.Answer, one.Reason = result.Unknown, l.problem.Error()
		}
		coverage.Report.Add(one)
	}
}

// name is the location with those around it.
func (l *location) name() string {
	return "location " + strings.Join(append(slices.Clone(l.Parents), title(l.Location)), " > ")
}

func outcome(one result.Result, by []string) result.Result {
	const most = 3
	if len(by) == 0 {
		one.Answer, one.Reason = result.Fails, "no check touches it"
		return one
	}
	one.Answer, one.Reason = result.Holds, "touched by "+strings.Join(by[:min(len(by), most)], "; ")
	if more := len(by) - most; more > 0 {
		one.Reason += fmt.Sprintf("; and %d more", more)
	}
	return one
}
