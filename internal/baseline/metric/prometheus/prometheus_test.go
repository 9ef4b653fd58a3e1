package prometheus

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

	"github.com/landfall-dev/landfall/internal/baseline/metric"
	"github.com/landfall-dev/landfall/internal/fault"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// answering is a server that gives one answer to everything.
func answering(t *testing.T, status int, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func data(kind, result string) string {
	return fmt.Sprintf(`{"status":"success","data":{"resultType":%q,"result":%s}}`, kind, result)
}

func source(t *testing.T, c Config) *Source {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRead(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		want   float64
		says   string // of the error
		class  fault.Class
	}{
		"scalar":           {200, data("scalar", `[1, "0.25"]`), 0.25, "", 0},
		"one series":       {200, data("vector", `[{"metric":{"job":"web"},"value":[1,"7"]}]`), 7, "", 0},
		"no series":        {200, data("vector", `[]`), 0, "no data", fault.Failed},
		"two series":       {200, data("vector", `[{"metric":{"job":"web"},"value":[1,"7"]},{"metric":{"job":"api"},"value":[1,"8"]}]`), 0, `2 numbers instead of one ({job="web"}, {job="api"})`, fault.Invalid},
		"a range":          {200, data("matrix", `[{"metric":{},"values":[[1,"7"]]}]`), 0, "a matrix instead of a number", fault.Invalid},
		"a string":         {200, data("string", `[1, "hello"]`), 0, `unexpected value type "string"`, fault.Failed},
		"a bad query":      {400, `{"status":"error","errorType":"bad_data","error":"parse error: unexpected end"}`, 0, "it does not take the query: parse error", fault.Invalid},
		"timeout in there": {503, `{"status":"error","errorType":"timeout","error":"query timed out"}`, 0, "503", fault.Failed},
		"not allowed":      {401, `no`, 0, "it refuses to answer", fault.Refused},
		"broken":           {502, `<html>bad gateway</html>`, 0, "502", fault.Failed},
		"garbage":          {200, `<html>hello</html>`, 0, "bad_response", fault.Failed},
		"half an answer":   {200, `{"status":"success","data":{"resultType":"vector","result":[{"metric`, 0, "unexpected end", fault.Failed},
		"nothing":          {200, ``, 0, "bad_response", fault.Failed},
		"no result":        {200, `{"status":"success","data":{}}`, 0, "asking Prometheus at", fault.Failed},
		"no data at all":   {200, `{"status":"success"}`, 0, "asking Prometheus at", fault.Failed},
		"huge":             {200, `{"status":"success","data":"` + strings.Repeat("x", metric.MaxAnswer) + `"}`, 0, "larger than 4 MiB", fault.Failed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := source(t, Config{URL: answering(t, tt.status, tt.body), Query: "x"})
			got, err := s.Read(t.Context(), noon)
			if tt.says == "" {
				if err != nil || got.Value != tt.want || !got.At.Equal(noon) {
					t.Errorf("got %+v, %v; want %g", got, err, tt.want)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) || fault.ClassOf(err) != tt.class {
				t.Errorf("got %+v, %v (%s); want an error that says %q (%s)", got, err, fault.ClassOf(err), tt.says, tt.class)
			}
		})
	}
	if _, err := source(t, Config{URL: answering(t, 200, data("vector", `[]`)), Query: "x"}).Read(t.Context(), noon); !errors.Is(err, metric.ErrNoData) {
		t.Errorf("no data is not told apart: %v", err)
	}
}

func TestWhatTheServerSees(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.FormValue("query")+" "+r.FormValue("time")+" "+r.Header.Get("Authorization")+" "+r.Header.Get("X-Scope-OrgID"))
		io.WriteString(w, data("scalar", `[1, "1"]`))
	}))
	t.Cleanup(server.Close)
	for _, c := range []Config{
		{URL: server.URL, Query: "rate(x[$window])", Window: 90 * time.Second, Token: "open-sesame", Tenant: "shop"},
		{URL: server.URL + "/prometheus/", Query: "y", Username: "me", Password: "secret"},
	} {
		if _, err := source(t, c).Read(t.Context(), noon); err != nil {
			t.Error(err)
		}
	}
	want := []string{"rate(x[90000ms]) 1795262400 Bearer open-sesame shop", "y 1795262400 Basic bWU6c2VjcmV0 "}
	if strings.Join(seen, "\n") != strings.Join(want, "\n") {
		t.Errorf("the server saw %q, want %q", seen, want)
	}
}

func TestASilentServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // without that nobody sees that the client has gone
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := source(t, Config{URL: server.URL, Query: "x"}).Read(ctx, noon); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

func TestBadConfigs(t *testing.T) {
	for name, c := range map[string]Config{
		"no URL":            {Query: "x"},
		"no HTTP":           {URL: "ftp://x", Query: "x"},
		"secrets in it":     {URL: "http://me:secret@x", Query: "x"},
		"no query":          {URL: "http://x", Query: " "},
		"two ways to login": {URL: "http://x", Query: "x", Token: "a", Username: "b"},
		"window":            {URL: "http://x", Query: "x", Window: time.Millisecond},
	} {
		_, err := New(c)
		if err == nil || fault.ClassOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(fmt.Sprint(err), "secret@") {
			t.Errorf("%s: the password is shown: %v", name, err)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add(data("scalar", `[1, "0.25"]`))
	f.Add(data("vector", `[{"metric":{"job":"web"},"value":[1,"7"]}]`))
	f.Add(data("vector", `[{"metric":{},"histogram":[1,{"count":"1","sum":"1","buckets":[]}]}]`))
	f.Fuzz(func(t *testing.T, body string) {
		s := source(t, Config{URL: "http://prometheus.invalid", Query: "x"})
		s.api = apiOf(t, body)
		s.Read(t.Context(), noon)
	})
}
