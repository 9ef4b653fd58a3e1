package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/landfall-dev/landfall/internal/logs"
	"github.com/landfall-dev/landfall/internal/logs/archive"
	"github.com/landfall-dev/landfall/internal/logs/logstest"
)

// tokens knows every project but "closed".
func tokens(_ context.Context, project string) (string, error) {
	if project == "closed" {
		return "", nil
	}
	return "token of " + project, nil
}

// over serves the source and gives a client of it.
func over(t *testing.T, source logs.Source) *Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(Path, Handler(source, tokens))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &Client{Get: func(ctx context.Context, values url.Values) (io.ReadCloser, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+Path+"?"+values.Encode(), nil)
		if err != nil {
			return nil, err
		}
		request.Header.Set(HeaderToken, "token of "+values.Get("project"))
		response, err := server.Client().Do(request)
		if err != nil {
			return nil, err
		}
		if response.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(response.Body)
			response.Body.Close()
			return nil, fmt.Errorf("%s: %s", response.Status, text)
		}
		return response.Body, nil
	}}
}

func TestConformance(t *testing.T) {
	logstest.Source(t, func(t *testing.T, entries []logstest.Entry) logs.Source {
		a, err := archive.Open(t.TempDir(), archive.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Close() })
		for _, e := range entries {
			s := archive.Stream{Project: e.Project, Environment: e.Environment, Component: e.Component, Pod: e.Pod, Container: e.Container}
			if err := a.Append(s, []logs.Line{{At: e.At.UnixNano(), Text: []byte(e.Text)}}, archive.Checkpoint{}); err != nil {
				t.Fatal(err)
			}
		}
		return over(t, a)
	})
}

// failing gives one line, then an error.
type failing struct{ err error }

func (f failing) Read(context.Context, logs.Query) (logs.Reader, error) {
	return logs.Push(func(_ context.Context, emit func(*logs.Batch) error) error {
		if err := emit(logs.MarkBatch(&logs.Origin{Pod: "web-1"}, time.Unix(5, 0), logs.MarkGap, "a gap")); err != nil {
			return err
		}
		return f.err
	}), nil
}

func TestErrorInTheMiddleReachesTheOtherSide(t *testing.T) {
	r, err := over(t, failing{errors.New("the disk is gone")}).Read(t.Context(), logs.Query{Project: "p", Environment: "e"})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := logs.ReadAll(t.Context(), r)
	if err == nil || err.Error() != "the disk is gone" {
		t.Errorf("error %v", err)
	}
	if len(lines) != 1 || lines[0].Mark != logs.MarkGap || string(lines[0].Text) != "a gap" || lines[0].Time() != time.Unix(5, 0).UTC() {
		t.Errorf("lines %+v", lines)
	}
}

func TestBrokenOffAnswerIsNoAnswer(t *testing.T) {
	c := &Client{Get: func(context.Context, url.Values) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(`{"time":"2026-11-21T10:00:00.000000000Z","text":"a"}` + "\n")), nil
	}}
	r, err := c.Read(t.Context(), logs.Query{})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := logs.ReadAll(t.Context(), r)
	if len(lines) != 1 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d lines, error %v", len(lines), err)
	}
}

func TestBadQuestions(t *testing.T) {
	base := "project=p&environment=e&"
	tests := map[string]string{
		"environment=e":                            "project and environment are required",
		base + "since=yesterday":                   "since: not a time",
		base + "until=1":                           "until: not a time",
		base + "grep=(":                            "grep: error parsing regexp",
		base + "grep=" + strings.Repeat("a", 5000): "grep: longer than",
		base + "tail=0":                            "tail: want a number from 1 to 100000",
		base + "tail=x":                            "tail: want a number",
		base + "tail=99999999":                     "tail: want a number",
	}
	for parameters, want := range tests {
		recorder := httptest.NewRecorder()
		Handler(failing{}, tokens).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, Path+"?"+parameters, nil))
		if recorder.Code != http.StatusBadRequest || !strings.Contains(recorder.Body.String(), want) {
			t.Errorf("%.40s: %d %s", parameters, recorder.Code, recorder.Body)
		}
	}
	recorder := httptest.NewRecorder()
	Handler(failing{}, tokens).ServeHTTP(recorder, httptest.NewRequest(http.MethodDelete, Path, nil))
	if recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", recorder.Code)
	}
}

func TestLogsAreForThoseWithTheProjectsToken(t *testing.T) {
	for _, test := range []struct {
		project, token string
		want           int
	}{
		{"shop", "token of shop", http.StatusOK},
		{"shop", "token of other", http.StatusForbidden},
		{"shop", "", http.StatusForbidden},
		{"closed", "", http.StatusForbidden},
		{"closed", "token of closed", http.StatusForbidden},
	} {
		request := httptest.NewRequest(http.MethodGet, Path+"?environment=e&project="+test.project, nil)
		request.Header.Set(HeaderToken, test.token)
		recorder := httptest.NewRecorder()
		Handler(failing{errors.New("end")}, tokens).ServeHTTP(recorder, request)
		if recorder.Code != test.want {
			t.Errorf("project %s with %q: %d %s", test.project, test.token, recorder.Code, recorder.Body)
		}
	}
	unreadable := func(context.Context, string) (string, error) { return "", errors.New("no answer") }
	recorder := httptest.NewRecorder()
	Handler(failing{}, unreadable).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, Path+"?environment=e&project=p", nil))
	if recorder.Code != http.StatusServiceUnavailable {
		t.Errorf("tokens cannot be read: %d", recorder.Code)
	}
}

func TestValuesRoundTrip(t *testing.T) {
	want := logs.Query{
		Project: "p", Environment: "e", Components: []string{"a", "b"}, Pod: "x", Container: "y",
		Since: time.Unix(1, 2).UTC(), Until: time.Unix(3, 4).UTC(), Grep: regexp.MustCompile(`a&b=\d+`), Tail: 7,
	}
	got, err := ParseValues(Values(want))
	if err != nil {
		t.Fatal(err)
	}
	same := cmp.Comparer(func(a, b *regexp.Regexp) bool { return a.String() == b.String() })
	if diff := cmp.Diff(want, got, same, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}
