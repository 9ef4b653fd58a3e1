package metric

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

// Bounds of a request to a metric source.
const (
	// MaxAnswer is how large an answer may be, in bytes.
	MaxAnswer = 4 << 20
	timeout   = 10 * time.Second
)

// HTTPClient asks metric sources: it follows no redirect, so that credentials go
// nowhere else, reads no more than MaxAnswer, and waits no longer than ten
// seconds. Transport may be nil.
func HTTPClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = http.DefaultTransport
	}
	return &http.Client{
		Transport: limited{transport},
		Timeout:   timeout,
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			return fmt.Errorf("it redirects to %s, which is not followed", r.URL.Host)
		},
	}
}

// limited bounds answers.
type limited struct{ transport http.RoundTripper }

// RoundTrip is part of http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = Bounded(response.Body)
	return response, nil
}

// Bounded fails after MaxAnswer bytes, rather than end as if the answer were
// whole.
func Bounded(body io.ReadCloser) io.ReadCloser {
	return &boundedBody{ReadCloser: body, left: MaxAnswer}
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read is part of io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is larger than %d MiB", MaxAnswer>>20)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
