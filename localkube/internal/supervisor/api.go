package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// listen serves commands on a socket that only the owner can open.
func (s *supervisor) listen(socket string, stop func()) (io.Closer, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("opening socket: %w", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("opening socket: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("opening socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /report", func(w http.ResponseWriter, _ *http.Request) {
		report := s.board.snapshot()
		report.Processes = s.group.Status()
		_ = json.NewEncoder(w).Encode(report)
	})
	mux.HandleFunc("POST /changed", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(s.change())
	})
	mux.HandleFunc("POST /stop", func(http.ResponseWriter, *http.Request) { stop() })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	return server, nil
}

// Client commands the supervisor that listens on a socket.
type Client struct{ http *http.Client }

// NewClient does not connect yet.
func NewClient(socket string) *Client {
	return &Client{http: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}}
}

// Report asks what the supervisor is doing.
func (c *Client) Report(ctx context.Context) (Report, error) {
	var r Report
	err := c.call(ctx, http.MethodGet, "report", &r)
	return r, err
}

// Changed tells that the desired state has changed; the cluster has reached
// it when the report's Converged is at least the returned generation.
func (c *Client) Changed(ctx context.Context) (generation int, err error) {
	err = c.call(ctx, http.MethodPost, "changed", &generation)
	return generation, err
}

// Stop asks the supervisor to stop the cluster and end; it returns at once.
func (c *Client) Stop(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "stop", nil)
}

func (c *Client) call(ctx context.Context, method, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://supervisor/"+path, bytes.NewReader(nil))
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("asking the supervisor: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the supervisor: %s", response.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}
