package loki

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/logs"
	"github.com/landfall-dev/landfall/internal/logs/logstest"
)

// fakeLoki answers query_range by the rules of the real one: start included,
// end not, streams by labels, times as strings of nanoseconds, direction, a
// limit over all streams that may not exceed the server's own.
type fakeLoki struct {
	entries []logstest.Entry
	busy    atomic.Int32 // answers 429 so many times
	asked   atomic.Int32
	tenant  string
}

const serverLimit = 5000

func (f *fakeLoki) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	q := r.URL.Query()
	if r.URL.Path != "/loki/api/v1/query_range" {
		http.NotFound(w, r)
		return
	}
	if f.tenant != "" && r.Header.Get("X-Scope-OrgID") != f.tenant {
		http.Error(w, "no org id", http.StatusUnauthorized)
		return
	}
	if f.busy.Add(-1) >= 0 {
		http.Error(w, "too many outstanding requests", http.StatusTooManyRequests)
		return
	}
	limit, _ := strconv.Atoi(q.Get("limit"))
	if limit > serverLimit {
		http.Error(w, fmt.Sprintf("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d)", limit, serverLimit), http.StatusBadRequest)
		return
	}
	matches, err := parseLogQL(q.Get("query"))
	if err != nil {
		http.Error(w, "parse error: "+err.Error(), http.StatusBadRequest)
		return
	}
	start, _ := strconv.ParseInt(q.Get("start"), 10, 64)
	end, _ := strconv.ParseInt(q.Get("end"), 10, 64)
	var chosen []logstest.Entry
	for _, e := range f.entries {
		if at := e.At.UnixNano(); at >= start && at < end && matches(e) {
			chosen = append(chosen, e)
		}
	}
	if q.Get("direction") == "backward" {
		slices.Reverse(chosen)
	}
	writeStreams(w, chosen[:min(limit, len(chosen))])
}

func labelsOf(e logstest.Entry) map[string]string {
	return map[string]string{"namespace": e.Namespace, "component": e.Component, "pod": e.Pod, "container": e.Container, "job": "x"}
}

func writeStreams(w http.ResponseWriter, entries []logstest.Entry) {
	streams := map[string]*stream{}
	for _, e := range entries {
		key := e.Namespace + "/" + e.Pod
		if streams[key] == nil {
			streams[key] = &stream{Labels: labelsOf(e)}
		}
		streams[key].Values = append(streams[key].Values, [2]string{strconv.FormatInt(e.At.UnixNano(), 10), e.Text})
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"status": "success",
		"data":   map[string]any{"resultType": "streams", "result": slices.AppendSeq([]*stream{}, maps.Values(streams)), "stats": map[string]any{}},
	})
}

var (
	queryForm   = regexp.MustCompile(`^\{(.*?)\}(?: \|~ ("(?:[^"\\]|\\.)*"))?$`)
	matcherForm = regexp.MustCompile(`(\w+)(=~|=)("(?:[^"\\]|\\.)*")`)
)

// parseLogQL understands the part of the language that is used here.
func parseLogQL(query string) (func(logstest.Entry) bool, error) {
	parts := queryForm.FindStringSubmatch(query)
	if parts == nil {
		return nil, fmt.Errorf("syntax error in %s", query)
	}
	wanted := map[string]*regexp.Regexp{}
	for _, m := range matcherForm.FindAllStringSubmatch(parts[1], -1) {
		value, err := strconv.Unquote(m[3])
		if err != nil {
			return nil, err
		}
		if m[2] == "=" {
			value = regexp.QuoteMeta(value)
		}
		if wanted[m[1]], err = regexp.Compile("^(?:" + value + ")$"); err != nil {
			return nil, err
		}
	}
	filter := regexp.MustCompile("")
	if parts[2] != "" {
		text, err := strconv.Unquote(parts[2])
		if err != nil {
			return nil, err
		}
		if filter, err = regexp.Compile(text); err != nil {
			return nil, err
		}
	}
	return func(e logstest.Entry) bool {
		labels := labelsOf(e)
		for name, pattern := range wanted {
			if !pattern.MatchString(labels[name]) {
				return false
			}
		}
		return filter.MatchString(e.Text)
	}, nil
}

func source(t *testing.T, f *fakeLoki, opts Options) *Source {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	opts.URL = server.URL
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	for _, limit := range []int{0, 211} {
		t.Run(fmt.Sprint("limit ", limit), func(t *testing.T) {
			logstest.Source(t, func(t *testing.T, entries []logstest.Entry) logs.Source {
				return source(t, &fakeLoki{entries: entries}, Options{Limit: limit})
			})
		})
	}
}

var query = logs.Query{Namespace: "ns", Since: time.Unix(0, 0), Until: time.Unix(100, 0)}

func entries(n int, at func(i int) int64) (entries []logstest.Entry) {
	for i := range n {
		entries = append(entries, logstest.Entry{Namespace: "ns", Pod: "p", At: time.Unix(0, at(i)), Text: fmt.Sprint(i)})
	}
	return entries
}

func readAll(t *testing.T, s *Source, q logs.Query) (int, error) {
	t.Helper()
	r, err := s.Read(t.Context(), q)
	if err != nil {
		return 0, err
	}
	lines, err := logs.ReadAll(t.Context(), r)
	return len(lines), err
}

func TestBusyServerIsAskedAgain(t *testing.T) {
	f := &fakeLoki{entries: entries(5, func(i int) int64 { return int64(i) })}
	f.busy.Store(2)
	if n, err := readAll(t, source(t, f, Options{}), query); n != 5 || err != nil {
		t.Errorf("%d lines, %v", n, err)
	}
	if f.asked.Load() != 3 {
		t.Errorf("asked %d times", f.asked.Load())
	}
}

func TestTooManyLinesOfOneNanosecondAreAnError(t *testing.T) {
	f := &fakeLoki{entries: entries(6000, func(int) int64 { return 7 })}
	_, err := readAll(t, source(t, f, Options{}), query)
	if err == nil || !strings.Contains(err.Error(), "more than 5000 lines at 1970-01-01T00:00:00.000000007Z") {
		t.Errorf("error %v", err)
	}
}

func TestTenantAndRefusal(t *testing.T) {
	f := &fakeLoki{entries: entries(1, func(int) int64 { return 1 }), tenant: "team-a"}
	if n, err := readAll(t, source(t, f, Options{Tenant: "team-a"}), query); n != 1 || err != nil {
		t.Errorf("%d lines, %v", n, err)
	}
	_, err := readAll(t, source(t, f, Options{}), query)
	if fault.ClassOf(err) != fault.Refused {
		t.Errorf("error %v", err)
	}
}

func TestAddressErrorsHoldNoPassword(t *testing.T) {
	for _, address := range []string{"", "loki.example.com", "ftp://bob:secret@loki"} {
		_, err := New(Options{URL: address})
		if fault.ClassOf(err) != fault.Invalid || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: error %v", address, err)
		}
	}
}

func TestNoLokiThere(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) }))
	defer server.Close()
	s, err := New(Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(t, s, query); err == nil || !strings.Contains(err.Error(), "is 127.0.0.1") {
		t.Errorf("error %v", err)
	}
}
