package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/servertest"
)

func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func run(t *testing.T, o Options) *Summary {
	t.Helper()
	s, err := Attack(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryRequestIsCounted(t *testing.T) {
	var served atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := served.Add(1)
		w.Header().Set("X-Side", []string{"old", "new"}[n%2])
		switch {
		case r.URL.Path == "/b" && n%10 == 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/b":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}
		io.WriteString(w, "hello")
	})
	var ends int64
	s := run(t, Options{
		URLs: []string{url + "/a", url + "/b"}, Side: SideHeader("X-Side"),
		Steps: []Step{{Rate: 100, For: time.Second}, {Rate: 300, For: 1500 * time.Millisecond}},
		Each:  func(Outcome) { ends++ },
	})
	const want = 100 + 450
	if s.Total.Requests != want || served.Load() != want || ends != want || s.Total.Answered != want || s.Total.Lost != 0 {
		t.Errorf("%d requests, %d ends, %d served, %d lost, want %d, none lost", s.Total.Requests, ends, served.Load(), s.Total.Lost, want)
	}
	if s.Steps[0].Requests != 100 || s.Steps[1].Requests != 450 {
		t.Errorf("steps of %d and %d requests", s.Steps[0].Requests, s.Steps[1].Requests)
	}
	if s.Sides["old"].Requests != want/2 || s.Sides["new"].Requests != want/2 {
		t.Errorf("sides: %v", s.Sides)
	}
	if s.Total.Errors != s.Total.Statuses[503] || s.Total.Errors == 0 || s.Total.Statuses[302] == 0 || s.Total.Statuses[200] != want/2 {
		t.Errorf("%d errors with statuses %v", s.Total.Errors, s.Total.Statuses)
	}
	inSeconds, errors := int64(0), int64(0)
	for _, second := range s.Seconds {
		for _, m := range second.Sides {
			inSeconds, errors = inSeconds+m.Requests, errors+m.Errors
			if m.P50 <= 0 || m.P95 < m.P50 || m.Max < m.P95 {
				t.Errorf("latencies of a second: %+v", m)
			}
		}
	}
	if inSeconds != want || errors != s.Total.Errors || len(s.Seconds) != 3 {
		t.Errorf("%d seconds hold %d requests with %d errors", len(s.Seconds), inSeconds, errors)
	}
}

// TestAStallIsSeenByAllThatWait is what an open model is for: a closed loop
// would see one slow request.
func TestAStallIsSeenByAllThatWait(t *testing.T) {
	var start sync.Once
	var stalled time.Time
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		start.Do(func() { stalled = time.Now() })
		time.Sleep(time.Until(stalled.Add(500 * time.Millisecond)))
	})
	s := run(t, Options{URLs: []string{url}, Steps: []Step{{Rate: 200, For: time.Second}}})
	if l := s.Total.Latency; s.Total.Answered != 200 || l.P90 < 350*time.Millisecond || l.Max < 490*time.Millisecond {
		t.Errorf("a stall of 500 ms in a second: %+v", l)
	}
}

// TestTooFewSlotsAreSeenInLatencies: what waits for us waits for the user.
func TestTooFewSlotsAreSeenInLatencies(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(50 * time.Millisecond) })
	s := run(t, Options{URLs: []string{url}, Steps: []Step{{Rate: 100, For: 200 * time.Millisecond}}, MaxInFlight: 1})
	if s.Total.Latency.Max < 700*time.Millisecond || s.Steps[0].KeptUp() {
		t.Errorf("one at a time, 50 ms each, 100 a second: %+v, late by %s", s.Total.Latency, s.Steps[0].Late)
	}
}

// raw serves connections by hand: answer gets each, after a request was read.
func raw(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	return "http://" + servertest.Accept(t, func(conn net.Conn) {
		if _, err := conn.Read(make([]byte, 4096)); err == nil {
			answer(conn)
		}
	})
}

func TestLostRequestsAreToldApart(t *testing.T) {
	say := func(text string) func(net.Conn) {
		return func(conn net.Conn) { io.WriteString(conn, text) }
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(secure.Close)
	tests := map[Loss]string{
		Refused:   "http://" + servertest.FreeAddress(t),
		Closed:    raw(t, say("")),
		Cut:       raw(t, say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")),
		Timeout:   raw(t, func(net.Conn) { time.Sleep(2 * time.Second) }),
		Malformed: raw(t, say("220 mail.example ESMTP\r\n")),
		TLS:       secure.URL,
		Name:      "http://nobody.invalid/",
	}
	for loss, url := range tests {
		t.Run(string(loss), func(t *testing.T) {
			t.Parallel()
			patience := 5 * time.Second
			if loss == Timeout {
				patience = 300 * time.Millisecond
			}
			s := run(t, Options{URLs: []string{url}, Steps: []Step{{Rate: 10, For: 300 * time.Millisecond}}, Timeout: patience})
			want := Figures{Requests: 3, Lost: 3, Losses: map[Loss]int64{loss: 3}, Statuses: map[int]int64{}, Latency: s.Total.Latency, Bytes: s.Total.Bytes}
			if diff := cmp.Diff(want, s.Total); diff != "" {
				t.Errorf("(-want +got):\n%s%+v", diff, s.Lost)
			}
			if len(s.Lost) != 3 || s.Lost[0].Cause == "" {
				t.Errorf("lost requests: %+v", s.Lost)
			}
			if s.Total.Latency.P50 < patience*99/100 {
				t.Errorf("lost requests look fast: %+v", s.Total.Latency)
			}
		})
	}
}

// TestWhatIsSentAgainIsCounted: a server that closes kept connections makes the
// client send again; nobody should take that for one try.
func TestWhatIsSentAgainIsCounted(t *testing.T) {
	url := raw(t, func(conn net.Conn) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		conn.Read(make([]byte, 4096)) // the next request, which gets no answer
	})
	s := run(t, Options{URLs: []string{url}, Steps: []Step{{Rate: 20, For: 500 * time.Millisecond}}})
	if s.Total.Lost != 0 || s.Total.Resent == 0 || s.Total.Answered != 10 {
		t.Errorf("%d answered, %d sent again, %d lost", s.Total.Answered, s.Total.Resent, s.Total.Lost)
	}
	s = run(t, Options{URLs: []string{url}, Method: http.MethodPost, Body: []byte("order"), Steps: []Step{{Rate: 20, For: 500 * time.Millisecond}}})
	if s.Total.Resent != 0 || s.Total.Losses[Closed] == 0 {
		t.Errorf("orders: %d sent again, lost %v", s.Total.Resent, s.Total.Losses)
	}
}

func TestInterruption(t *testing.T) {
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	s, err := Attack(ctx, Options{URLs: []string{url, url + "/slow"}, Steps: []Step{{Rate: 20, For: time.Hour}}, Grace: 100 * time.Millisecond})
	if err != nil || !s.Interrupted || s.Total.Lost != 0 || s.Abandoned != 5 || s.Total.Answered != 5 {
		t.Errorf("%v, interrupted %v, %d answered, %d lost, %d abandoned", err, s.Interrupted, s.Total.Answered, s.Total.Lost, s.Abandoned)
	}
	if len(s.Steps) != 1 || s.Steps[0].Length > 2*time.Second {
		t.Errorf("steps %+v", s.Steps)
	}
}

func TestWithoutEndUntilToldSo(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
	defer cancel()
	var live []Live
	s, err := Attack(ctx, Options{URLs: []string{url}, Steps: []Step{{Rate: 50}}, Live: func(l Live) { live = append(live, l) }})
	if err != nil || s.Interrupted || s.Total.Answered < 55 || s.Total.Answered > 61 {
		t.Errorf("%v, interrupted %v, %d answered", err, s.Interrupted, s.Total.Answered)
	}
	if len(live) != 1 || live[0].Rate != 50 || live[0].Length != 0 || live[0].Requests == 0 {
		t.Errorf("live: %+v", live)
	}
}

func TestInterruptedBeforeTheStepWithoutEnd(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	s, err := Attack(ctx, Options{URLs: []string{url}, Steps: []Step{{Rate: 50, For: time.Hour}, {Rate: 100}}})
	if err != nil || !s.Interrupted || len(s.Steps) != 1 {
		t.Errorf("%v, interrupted %v, %d steps", err, s.Interrupted, len(s.Steps))
	}
}

func TestAnotherAddressAndHeaders(t *testing.T) {
	var seen sync.Map
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen.Store(r.Method+" "+r.Host+r.URL.String()+" "+r.Header.Get("X-Landfall-Backend")+" "+string(body), true)
		http.SetCookie(w, &http.Cookie{Name: "side", Value: "kubernetes"})
	})
	s := run(t, Options{
		URLs: []string{"http://shop.example/cart?x=1"}, Address: strings.TrimPrefix(url, "http://"), Method: http.MethodPost, Body: []byte("lamp"),
		Header: http.Header{"X-Landfall-Backend": {"kubernetes"}}, Side: SideCookie("side"), Mark: "m1",
		Steps: []Step{{Rate: 10, For: 200 * time.Millisecond}, {Rate: 10, For: 100 * time.Millisecond}},
	})
	if s.Sides["kubernetes"].Answered != 3 {
		t.Errorf("sides %+v", s.Sides)
	}
	for _, want := range []string{
		"POST shop.example/cart?landfall-load=m1-1&x=1 kubernetes lamp",
		"POST shop.example/cart?x=1 kubernetes lamp",
		"POST shop.example/cart?landfall-load=m1-2&x=1 kubernetes lamp",
	} {
		if _, ok := seen.Load(want); !ok {
			t.Errorf("no request %q", want)
		}
	}
}

// TestASiteThatNamesManySides must not fill our memory.
func TestASiteThatNamesManySides(t *testing.T) {
	var n atomic.Int64
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Side", fmt.Sprintf("%03d%s", n.Add(1), strings.Repeat("x", 1000)))
	})
	s := run(t, Options{URLs: []string{url}, Side: SideHeader("X-Side"), Steps: []Step{{Rate: 400, For: 250 * time.Millisecond}}})
	if len(s.Sides) != maxSides+1 || s.Sides[OtherSides].Requests != 50 {
		t.Errorf("%d sides, %d requests by others", len(s.Sides), s.Sides[OtherSides].Requests)
	}
	for side := range s.Sides {
		if len(side) > maxSideName {
			t.Errorf("a side's name of %d bytes", len(side))
		}
	}
}

func TestSummaryAsJSON(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	s := run(t, Options{URLs: []string{strings.Replace(url, "http://", "http://me:secret@", 1)}, Steps: []Step{{Rate: 20, For: 500 * time.Millisecond}}})
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "secret") {
		t.Errorf("the password is shown: %s", text)
	}
	var again Summary
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	near := cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() <= time.Microsecond })
	if diff := cmp.Diff(s, &again, near, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }), cmp.Transformer("empty", func(m map[Loss]int64) int { return len(m) })); diff != "" {
		t.Errorf("written and read (-written +read):\n%s", diff)
	}
}
