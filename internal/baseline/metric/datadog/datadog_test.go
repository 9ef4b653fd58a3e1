package datadog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// account is one whose API gives one answer to everything.
func account(t *testing.T, handler http.HandlerFunc) *Account {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	a, err := New(Config{URL: server.URL, APIKey: "key-of-the-account", AppKey: "key-of-the-app"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func saying(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// points are those of one series, 20 s apart up to noon.
func points(scope string, values ...string) string {
	var list []string
	for i, v := range values {
		list = append(list, fmt.Sprintf("[%d.0, %s]", noon.Add(time.Duration(i-len(values))*20*time.Second).UnixMilli(), v))
	}
	return fmt.Sprintf(`{"scope":%q,"interval":20,"pointlist":[%s]}`, scope, strings.Join(list, ","))
}

func answered(series ...string) string {
	return `{"status":"ok","series":[` + strings.Join(series, ",") + `]}`
}

func TestQuery(t *testing.T) {
	late := fmt.Sprintf(`{"scope":"*","interval":20,"pointlist":[[%d.0,1],[%d.0,0.1]]}`, noon.Add(-30*time.Second).UnixMilli(), noon.Add(-10*time.Second).UnixMilli())
	tests := map[string]struct {
		status int
		body   string
		want   float64
		says   string
		class  fault.Class
	}{
		"the newest":              {200, answered(points("*", "1", "2.5")), 2.5, "", 0},
		"the newest that is one":  {200, answered(points("*", "1", "2", "null", "null")), 2, "", 0},
		"one that is not over":    {200, answered(late), 1, "", 0},
		"only nulls":              {200, answered(points("*", "null")), 0, "no data", fault.Failed},
		"no points":               {200, answered(points("*")), 0, "no data", fault.Failed},
		"no series":               {200, answered(), 0, "no data", fault.Failed},
		"two series":              {200, answered(points("host:a", "1"), points("host:b", "2")), 0, "2 numbers instead of one (host:a, host:b)", fault.Invalid},
		"a bad query, at once":    {200, `{"status":"error","error":"Rule 'x' didn't match"}`, 0, "it does not take the query: Rule", fault.Invalid},
		"a bad query":             {400, `{"errors":["bad"]}`, 0, "400", fault.Failed},
		"not allowed":             {403, `{"errors":["Forbidden"]}`, 0, "refuses", fault.Refused},
		"too many":                {429, `{"errors":["Rate limit"]}`, 0, "too many queries", fault.Failed},
		"garbage":                 {200, `<html>`, 0, "cannot be read", fault.Failed},
		"half an answer":          {200, answered(points("*", "1", "2.5"))[:60], 0, "cannot be read", fault.Failed},
		"points that are no pair": {200, answered(`{"scope":"*","interval":20,"pointlist":[[1],[],[1,2,3]]}`), 0, "no data", fault.Failed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			source, err := account(t, saying(tt.status, tt.body)).Query("avg:x{*}", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			got, err := source.Read(t.Context(), noon)
			if tt.says == "" && (err != nil || got.Value != tt.want) {
				t.Errorf("got %+v, %v; want %g", got, err, tt.want)
			}
			if tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || fault.ClassOf(err) != tt.class) {
				t.Errorf("got %+v, %v; want an error that says %q", got, err, tt.says)
			}
			if strings.Contains(fmt.Sprint(err), "key-of") {
				t.Errorf("a key is shown: %v", err)
			}
		})
	}
}

func TestWhatDatadogSees(t *testing.T) {
	var seen string
	a := account(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.URL.String() + " " + r.Header.Get("DD-API-KEY") + " " + r.Header.Get("DD-APPLICATION-KEY")
		saying(200, answered(points("*", "1")))(w, r)
	})
	source, err := a.Query("avg:x{*}", 2*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Read(t.Context(), noon); err != nil {
		t.Error(err)
	}
	if want := "/api/v1/query?from=1795262280&query=avg%3Ax%7B%2A%7D&to=1795262400 key-of-the-account key-of-the-app"; seen != want {
		t.Errorf("Datadog saw %q, want %q", seen, want)
	}
}

// TestLimitsAreKept: Datadog allows three requests, and then none for a second.
func TestLimitsAreKept(t *testing.T) {
	left, asked := 3, 0
	a := account(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		if left == 0 {
			t.Error("asked although nothing was left")
		}
		left--
		w.Header().Set("X-RateLimit-Limit", "3")
		w.Header().Set("X-RateLimit-Remaining", fmt.Sprint(left))
		w.Header().Set("X-RateLimit-Reset", "1")
		saying(200, answered(points("*", "1")))(w, r)
	})
	source, err := a.Query("avg:x{*}", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for range 10 {
		if _, err := source.Read(t.Context(), noon); err != nil {
			refused++
			if !strings.Contains(err.Error(), "limit of queries is used up for another 1s") {
				t.Error(err)
			}
		}
	}
	if asked != 3 || refused != 7 {
		t.Errorf("asked %d times, refused %d times", asked, refused)
	}
	time.Sleep(1100 * time.Millisecond)
	left = 3
	if _, err := source.Read(t.Context(), noon); err != nil {
		t.Errorf("after the reset: %v", err)
	}
}

func TestARefusalForTooManyIsRespected(t *testing.T) {
	asked := 0
	a := account(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("X-RateLimit-Reset", "60")
		saying(429, `{"errors":["Rate limit"]}`)(w, r)
	})
	for range 3 {
		if r := a.Monitor(t.Context(), 7); r.Answer != result.Unknown {
			t.Errorf("%+v", r)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestMonitor(t *testing.T) {
	tests := map[string]struct {
		body string
		want result.Answer
	}{
		"OK":       {`{"name":"p95","query":"q","type":"metric alert","overall_state":"OK"}`, result.Holds},
		"Alert":    {`{"name":"p95","query":"q","type":"metric alert","overall_state":"Alert"}`, result.Fails},
		"Warn":     {`{"name":"p95","query":"q","type":"metric alert","overall_state":"Warn"}`, result.Fails},
		"No Data":  {`{"name":"p95","query":"q","type":"metric alert","overall_state":"No Data"}`, result.Unknown},
		"new one":  {`{"name":"p95","query":"q","type":"metric alert","overall_state":"Sleeping"}`, result.Unknown},
		"no state": {`{"name":"p95","query":"q","type":"metric alert"}`, result.Unknown},
		"garbage":  {`{"name`, result.Unknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := account(t, saying(200, tt.body)).Monitor(t.Context(), 7)
			if got.Answer != tt.want || (got.Answer != result.Holds) != (got.Reason != "") || got.Name != "monitor 7" {
				t.Errorf("%+v, want %s", got, tt.want)
			}
		})
	}
}

func TestASilentDatadog(t *testing.T) {
	a := account(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // without that nobody sees that the client has gone
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	source, err := a.Query("avg:x{*}", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Read(ctx, noon); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestBadConfigs(t *testing.T) {
	for name, c := range map[string]Config{"no keys": {}, "one key": {APIKey: "a"}, "no URL": {APIKey: "a", AppKey: "b", URL: "x"}} {
		if _, err := New(c); fault.ClassOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, err := New(Config{APIKey: "a", AppKey: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Query(" ", 0); fault.ClassOf(err) != fault.Invalid {
		t.Error(err)
	}
	if _, err := a.Query("x", time.Millisecond); fault.ClassOf(err) != fault.Invalid {
		t.Error(err)
	}
}

func TestAnAccountIsOpenedOnce(t *testing.T) {
	var accounts Accounts
	config := Config{APIKey: "a", AppKey: "b"}
	first, err := accounts.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := accounts.Open(config); second != first {
		t.Error("the same account has two limits")
	}
	if other, _ := accounts.Open(Config{APIKey: "a", AppKey: "c"}); other == first {
		t.Error("two accounts share one limit")
	}
	if _, err := accounts.Open(Config{}); fault.ClassOf(err) != fault.Invalid {
		t.Error(err)
	}
}
