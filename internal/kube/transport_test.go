package kube

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// roundTrip answers requests in place of a server.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func request(t *testing.T, ctx context.Context) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://x/api/v1/nodes", nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestTransportFailsFastAfterAFailedConnection(t *testing.T) {
	sent := 0
	refuse := true
	c := newContact("", nil)
	tr := &transport{roundTrip(func(*http.Request) (*http.Response, error) {
		sent++
		if refuse {
			return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
		}
		return &http.Response{Body: io.NopCloser(strings.NewReader("yes"))}, nil
	}), c}
	for range 3 {
		if _, err := tr.RoundTrip(request(t, context.Background())); !Unreachable(err) {
			t.Fatalf("got %v", err)
		}
	}
	if sent != 1 || !c.failedSince(time.Minute) {
		t.Errorf("%d requests were sent to a server that is gone", sent)
	}
	refuse = false
	c.failedAt = time.Now().Add(-breakFor)
	resp, err := tr.RoundTrip(request(t, context.Background()))
	if err != nil {
		t.Fatalf("after the pause: %v", err)
	}
	resp.Body.Close()
	if c.counts()["list"] != 2 {
		t.Errorf("counted %v", c.counts())
	}
}

func TestTransportKeepsFailuresOfOneRequestApart(t *testing.T) {
	c := newContact("", nil)
	tr := &transport{roundTrip(func(req *http.Request) (*http.Response, error) { return nil, req.Context().Err() }), c}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := tr.RoundTrip(request(t, ctx)); !errors.Is(err, context.Canceled) || c.failedSince(time.Minute) {
		t.Errorf("a cancelled request (%v) counts as an outage", err)
	}
}

func TestTransportLeavesBodiesAlone(t *testing.T) {
	var seen context.Context
	tr := &transport{roundTrip(func(req *http.Request) (*http.Response, error) {
		seen = req.Context()
		return &http.Response{Body: io.NopCloser(strings.NewReader("line"))}, nil
	}), newContact("", nil)}
	resp, err := tr.RoundTrip(request(t, context.Background()))
	if err != nil {
		t.Fatal(err)
	}
	if seen.Err() != nil {
		t.Error("the request's context ended before its body was read")
	}
	resp.Body.Close()
	if seen.Err() == nil {
		t.Error("the request's context outlives its body")
	}
}
