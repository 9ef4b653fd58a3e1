// Package loki reads gathered logs from a Loki server, by its HTTP query API
// (https://grafana.com/docs/loki/latest/reference/loki-http-api/). Start at
// Source; pages.go goes through answers that are longer than one.
package loki

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/logs"
)

// Options say how to reach Loki and what its labels are called. Zero fields
// take the defaults.
type Options struct {
	// URL of the server, for example https://loki.example.com.
	URL string
	// Tenant is sent as X-Scope-OrgID; "" sends none.
	Tenant string
	// Username and Password are for HTTP basic authentication; Token is a
	// bearer token instead.
	Username, Password, Token string
	// Labels of the server's streams. Defaults: namespace, component, pod and
	// container.
	Labels Labels
	// Limit is how many lines are asked for at once. Default 1000. Servers
	// refuse more than 5000, unless configured otherwise.
	Limit int
	// Client makes the requests. Default: one with sensible time-outs.
	Client *http.Client
	// Clock is for tests.
	Clock func() time.Time
}

// Labels name the labels of Loki's streams.
type Labels struct{ Namespace, Component, Pod, Container string }

// Source is a Loki server. It implements logs.Source; it is safe for
// concurrent use. Queries without Since reach back 24 hours: Loki has no
// beginning of time.
type Source struct {
	opts     Options
	endpoint *url.URL
}

// New makes a source. It does not connect.
func New(opts Options) (*Source, error) {
	u, err := url.Parse(opts.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fault.New(fault.Invalid, "Give an address like https://loki.example.com.", "reading Loki's address %q: no http or https URL", redacted(opts.URL))
	}
	for _, d := range []struct {
		field *string
		value string
	}{
		{&opts.Labels.Namespace, "namespace"}, {&opts.Labels.Component, "component"},
		{&opts.Labels.Pod, "pod"}, {&opts.Labels.Container, "container"},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if opts.Limit == 0 {
		opts.Limit = 1000
	}
	if opts.Client == nil {
		opts.Client = &http.Client{Timeout: time.Minute}
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Username == "" && u.User != nil {
		opts.Username = u.User.Username()
		opts.Password, _ = u.User.Password()
	}
	u.User = nil
	return &Source{opts: opts, endpoint: u.JoinPath("loki/api/v1/query_range")}, nil
}

// redacted takes what may be a password out of an address.
func redacted(address string) string {
	if before, after, found := strings.Cut(address, "@"); found {
		if i := strings.Index(before, "//"); i >= 0 {
			return before[:i+2] + "…@" + after
		}
		return "…@" + after
	}
	return address
}

// Read asks Loki: see logs.Source.
func (s *Source) Read(_ context.Context, q logs.Query) (logs.Reader, error) {
	if q.Until.IsZero() {
		q.Until = s.opts.Clock()
	}
	if q.Since.IsZero() {
		q.Since = q.Until.Add(-24 * time.Hour)
	}
	p := &pages{source: s, query: q, logQL: s.logQL(&q), origins: map[logs.Origin]*logs.Origin{}}
	if q.Tail > 0 {
		return logs.Push(p.newest), nil
	}
	return logs.Push(p.forward), nil
}

// logQL writes the query in Loki's language.
func (s *Source) logQL(q *logs.Query) string {
	l := s.opts.Labels
	matchers := []string{l.Namespace + "=" + strconv.Quote(q.Namespace)}
	if len(q.Components) > 0 {
		names := make([]string, len(q.Components))
		for i, name := range q.Components {
			names[i] = regexp.QuoteMeta(name)
		}
		matchers = append(matchers, l.Component+"=~"+strconv.Quote(strings.Join(names, "|")))
	}
	if q.Pod != "" {
		matchers = append(matchers, l.Pod+"="+strconv.Quote(q.Pod))
	}
	if q.Container != "" {
		matchers = append(matchers, l.Container+"="+strconv.Quote(q.Container))
	}
	text := "{" + strings.Join(matchers, ",") + "}"
	if q.Grep != nil {
		text += " |~ " + strconv.Quote(q.Grep.String())
	}
	return text
}

// stream is one stream of an answer.
type stream struct {
	Labels map[string]string `json:"stream"`
	Values [][2]string       `json:"values"`
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 256 << 20

// Retries of requests that Loki could not answer just then.
const (
	retries    = 4
	firstPause = 250 * time.Millisecond
)

// ask requests one page: lines from since to before until, by their times in
// nanoseconds.
func (s *Source) ask(ctx context.Context, logQL string, since, until int64, limit int, backward bool) ([]stream, error) {
	values := url.Values{
		"query": {logQL}, "start": {strconv.FormatInt(since, 10)}, "end": {strconv.FormatInt(until, 10)},
		"limit": {strconv.Itoa(limit)}, "direction": {"forward"},
	}
	if backward {
		values.Set("direction", "backward")
	}
	for attempt, pause := 1, firstPause; ; attempt, pause = attempt+1, pause*2 {
		streams, again, err := s.request(ctx, values)
		if err == nil || !again || attempt == retries {
			return streams, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// request makes one request; again says that it may succeed later.
func (s *Source) request(ctx context.Context, values url.Values) (streams []stream, again bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.endpoint.String()+"?"+values.Encode(), nil)
	if err != nil {
		return nil, false, err
	}
	s.authenticate(request)
	response, err := s.opts.Client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		return nil, true, fmt.Errorf("asking Loki: %w", errors.Unwrap(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
		return nil, response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= 500, s.refusal(response.StatusCode, string(text))
	}
	var answer struct {
		Data struct {
			ResultType string   `json:"resultType"`
			Result     []stream `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&answer); err != nil {
		return nil, false, fmt.Errorf("reading Loki's answer: %w", err)
	}
	if t := answer.Data.ResultType; t != "streams" {
		return nil, false, fmt.Errorf("reading Loki's answer: %q instead of streams; is %s a Loki server?", t, s.endpoint.Host)
	}
	return answer.Data.Result, false, nil
}

func (s *Source) authenticate(r *http.Request) {
	if s.opts.Tenant != "" {
		r.Header.Set("X-Scope-OrgID", s.opts.Tenant)
	}
	switch {
	case s.opts.Token != "":
		r.Header.Set("Authorization", "Bearer "+s.opts.Token)
	case s.opts.Username != "":
		r.SetBasicAuth(s.opts.Username, s.opts.Password)
	}
}

// refusal explains an answer that is none.
func (s *Source) refusal(code int, text string) error {
	text = strings.TrimSpace(text)
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault.New(fault.Refused, "Check Loki's user and password, token and tenant.", "asking Loki: %d %s", code, text)
	case http.StatusBadRequest:
		return fault.New(fault.Invalid, "Narrow the query by time, component or text.", "asking Loki: %d %s", code, text)
	}
	return fmt.Errorf("asking Loki: %d %s", code, text)
}
