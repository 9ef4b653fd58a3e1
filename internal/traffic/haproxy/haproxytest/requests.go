package haproxytest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/traffic"
)

// sideHeader says who answered.
const sideHeader = "X-Side"

// Server is a server of one side. Its answers say which.
type Server struct {
	Side    traffic.Side
	Address string
	// Status of its answers; 200 if zero. Delay before them, in nanoseconds, but
	// not for /health.
	Status atomic.Int32
	Delay  atomic.Int64
	// Served counts requests but those for /health.
	Served atomic.Int64

	server *httptest.Server
}

// NewServer starts one; it ends with the test.
func NewServer(t testing.TB, side traffic.Side) *Server {
	t.Helper()
	s := &Server{Side: side}
	s.listen(t, "127.0.0.1:0")
	return s
}

func (s *Server) listen(t testing.TB, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s.server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: s}}
	s.server.Start()
	s.Address = listener.Addr().String()
	t.Cleanup(s.server.Close)
}

// ServeHTTP is part of http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/health" {
		s.Served.Add(1)
		time.Sleep(time.Duration(s.Delay.Load()))
	}
	w.Header().Set(sideHeader, string(s.Side))
	w.WriteHeader(cmp.Or(int(s.Status.Load()), http.StatusOK))
	_, _ = io.WriteString(w, string(s.Side))
}

// Stop closes it: connections are refused.
func (s *Server) Stop() {
	s.server.CloseClientConnections()
	s.server.Close()
}

// Client sends requests through a frontend.
type Client struct {
	URL string
	// Header is sent with each.
	Header http.Header
	// Workers send at the same time; 4 if zero.
	Workers int

	http http.Client
	once sync.Once
}

func (c *Client) transport() *http.Client {
	c.once.Do(func() {
		c.http.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
		c.http.Timeout = 10 * time.Second
	})
	return &c.http
}

// Get sends one request and says who answered. Anything but status 200 is an
// error.
func (c *Client) Get(ctx context.Context) (traffic.Side, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return "", err
	}
	for name, values := range c.Header {
		request.Header[name] = values
	}
	response, err := c.transport().Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	side := traffic.Side(response.Header.Get(sideHeader))
	switch {
	case err != nil:
		return "", err
	case response.StatusCode != http.StatusOK:
		return side, fmt.Errorf("status %d: %s", response.StatusCode, strings.TrimSpace(string(body)))
	case side == "":
		return "", errNobody
	}
	return side, nil
}

// Serve sends n requests and counts who answered; the first failure is the
// error.
func (c *Client) Serve(n int) (map[traffic.Side]int, error) {
	var mu sync.Mutex
	counts, failures := map[traffic.Side]int{}, []error{}
	var next atomic.Int64
	var group sync.WaitGroup
	for range cmp.Or(c.Workers, 4) {
		group.Go(func() {
			for next.Add(1) <= int64(n) {
				side, err := c.Get(context.Background())
				mu.Lock()
				counts[side]++
				if err != nil {
					failures = append(failures, err)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if len(failures) > 0 {
		return counts, fmt.Errorf("%d of %d requests failed, the first: %w", len(failures), n, failures[0])
	}
	return counts, nil
}

// outstanding bounds how many requests Load has under way: a machine that is
// busy with other tests shall serve fewer, not drown.
const outstanding = 64

// Load sends requests at a constant rate, if the machine keeps up, until stop,
// which gives the counts by side and every failure.
func (c *Client) Load(perSecond int) (stop func() (counts map[traffic.Side]int, failures []error)) {
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	counts, failures := map[traffic.Side]int{}, []error(nil)
	one := func() {
		side, err := c.Get(context.Background())
		mu.Lock()
		defer mu.Unlock()
		counts[side]++
		if err != nil {
			failures = append(failures, err)
		}
	}
	free := make(chan struct{}, outstanding)
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(perSecond))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			free <- struct{}{}
			group.Go(func() { one(); <-free })
		}
	})
	return func() (map[traffic.Side]int, []error) {
		cancel()
		group.Wait()
		return counts, failures
	}
}
