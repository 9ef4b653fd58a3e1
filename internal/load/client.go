package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/localhost"
)

// client makes requests. It is safe for concurrent use.
type client struct {
	options   Options
	urls      []*url.URL
	transport *http.Transport
}

func newClient(o Options) (*client, error) {
	c := &client{options: o}
	for _, raw := range o.URLs {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, invalid("", "reading the URL: %w", err)
		}
		c.urls = append(c.urls, u)
	}
	roots, err := authorities(o.CA)
	if err != nil {
		return nil, err
	}
	c.transport = &http.Transport{
		DialContext:         dialer(o.Address),
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: o.Insecure, RootCAs: roots},
		ForceAttemptHTTP2:   true,
		DisableCompression:  true, // bodies are counted, not read
		DisableKeepAlives:   o.FreshConnections,
		MaxIdleConns:        0,
		MaxIdleConnsPerHost: o.MaxInFlight,
		IdleConnTimeout:     90 * time.Second,
	}
	return c, nil
}

// authorities are the system's and those of the PEM text; nil for the system's
// alone.
func authorities(pem []byte) (*x509.CertPool, error) {
	if len(pem) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, invalid("Give certificates in PEM form.", "there is no certificate among the authorities to trust")
	}
	return pool, nil
}

// dialer connects to address, where there is one, instead of to what it is
// asked for.
func dialer(address string) func(ctx context.Context, network, hostPort string) (net.Conn, error) {
	var dial net.Dialer
	return func(ctx context.Context, network, hostPort string) (net.Conn, error) {
		if address == "" {
			return dial.DialContext(ctx, network, localhost.Resolve(hostPort))
		}
		if _, _, err := net.SplitHostPort(address); err == nil {
			return dial.DialContext(ctx, network, address)
		}
		_, port, err := net.SplitHostPort(hostPort)
		if err != nil {
			return nil, err
		}
		return dial.DialContext(ctx, network, net.JoinHostPort(strings.Trim(address, "[]"), port))
	}
}

func (c *client) close() { c.transport.CloseIdleConnections() }

// ask makes one request and reads its answer to the end. Redirects are answers,
// cookies are not kept: each request is a visitor of its own.
func (c *client) ask(ctx context.Context, o Outcome) Outcome {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	connections := 0
	request := c.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connections++ },
	}), o)

	o.Sent = time.Now()
	response, err := c.transport.RoundTrip(request)
	if err == nil {
		o.Status, o.Side = response.StatusCode, c.options.Side(response.Header)
		o.Bytes, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close() // it was read to its end, or the error says why not
	}
	o.Done = time.Now()
	o.Resent = max(connections-1, 0)
	if err != nil {
		o.Loss, o.Cause = lossOf(ctx, err, o.Status != 0), causeOf(err)
	}
	return o
}

func (c *client) request(ctx context.Context, o Outcome) *http.Request {
	u := *c.urls[o.Target]
	if o.Mark != "" {
		query := u.Query()
		query.Set(markKey, o.Mark)
		u.RawQuery = query.Encode()
	}
	request := (&http.Request{
		Method: c.options.Method, URL: &u, Host: u.Host, Header: c.options.Header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if request.Header == nil {
		request.Header = http.Header{}
	}
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "landfall-load")
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
	}
	if body := c.options.Body; len(body) > 0 {
		request.ContentLength = int64(len(body))
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		request.Body, _ = request.GetBody()
	}
	return request
}

// causeOf is the error without the parts that differ from request to request.
func causeOf(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return fmt.Sprintf("%s: %v", op.Op, op.Err)
	}
	return err.Error()
}
