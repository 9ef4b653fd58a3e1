package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy"

	"github.com/landfall-dev/landfall/bench/harness"
)

// sideHeader says which side answered.
const sideHeader = "X-Side"

// site is two sides behind a HAProxy.
type site struct {
	url    string
	broken atomic.Bool // the new side answers 500
	router *haproxy.Router

	sides []*httptest.Server
	dir   string
	proxy *os.Process
}

// newSite starts it. It is to be closed even with an error.
func newSite(ctx context.Context) (*site, error) {
	s := &site{}
	s.sides = []*httptest.Server{s.side(traffic.Old), s.side(traffic.New)}
	var err error
	if s.dir, err = os.MkdirTemp("", "lfbm"); err != nil { // short: the path of a socket may have 100 characters
		return s, err
	}
	if err := s.startProxy(ctx); err != nil {
		return s, err
	}
	s.router, err = haproxy.New(haproxy.Config{
		Instances: []string{"unix://" + s.socket()}, Backend: "shop", Old: []string{"old1"}, New: []string{"new1"},
		OldName: "old", NewName: "new", Owner: "bench",
	})
	return s, err
}

func (s *site) side(side traffic.Side) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(sideHeader, string(side))
		if side == traffic.New && s.broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, "a lamp, a rope")
	}))
}

func (s *site) socket() string { return filepath.Join(s.dir, "s") }

// startProxy writes the configuration as Landfall renders it, and starts
// HAProxy.
func (s *site) startProxy(ctx context.Context) error {
	port, err := harness.FreePort()
	if err != nil {
		return err
	}
	s.url = "http://127.0.0.1:" + port
	address := func(i int) string { return strings.TrimPrefix(s.sides[i].URL, "http://") }
	backend, err := haproxy.Layout{
		Backend: "shop", OldName: "old", NewName: "new",
		Old: []haproxy.Address{{Name: "old1", Address: address(0)}}, New: []haproxy.Address{{Name: "new1", Address: address(1)}},
	}.Render()
	if err != nil {
		return err
	}
	config := fmt.Sprintf(`global
	stats socket %s mode 600 level admin
	server-state-file %s
defaults
	mode http
	timeout connect 2s
	timeout client 10s
	timeout server 10s
	load-server-state-from-file global
frontend site
	bind 127.0.0.1:%s
	default_backend shop
%s
`, s.socket(), filepath.Join(s.dir, "state"), port, backend)
	if s.proxy, err = startHAProxy(s.dir, config); err != nil {
		return err
	}
	return s.await(ctx)
}

// await asks until the site answers.
func (s *site) await(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return errors.New("the site does not answer")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *site) close() {
	endHAProxy(s.proxy)
	for _, side := range s.sides {
		side.Close()
	}
	_ = os.RemoveAll(s.dir)
}
