package check

import (
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
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// maxRedirects is how many redirects are followed.
const maxRedirects = 10

// exchange is one request with its answer, the last one where redirects were
// followed.
type exchange struct {
	method    string
	hops      []string
	url       *url.URL
	status    int
	header    http.Header
	cookies   []*http.Cookie
	body      *body
	tls       *tls.ConnectionState
	remote    string
	firstByte time.Duration
	total     time.Duration
}

// failure is why there is no answer that could be judged.
type failure struct {
	answer result.Answer
	text   string
}

// Error is part of error.
func (f *failure) Error() string { return f.text }

func fails(format string, args ...any) error {
	return &failure{result.Fails, fmt.Sprintf(format, args...)}
}

func unknownIf(format string, args ...any) error {
	return &failure{result.Unknown, fmt.Sprintf(format, args...)}
}

// visit is what one run of a check keeps between its steps.
type visit struct {
	*Runner
	values   values
	jar      http.CookieJar
	redactor *redactor
}

// ask makes one request and reads its answer within the step's limits. Errors
// are failures.
func (v *visit) ask(outer context.Context, s *step) (*exchange, error) {
	ctx, cancel := context.WithTimeout(outer, s.timeout)
	defer cancel()
	x := &exchange{}
	started := time.Now()
	var firstByte atomic.Int64
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotFirstResponseByte: func() { firstByte.Store(int64(time.Since(started))) },
		GotConn:              func(info httptrace.GotConnInfo) { x.remote = info.Conn.RemoteAddr().String() },
	})
	request, err := v.request(ctx, s)
	if err != nil {
		return nil, err
	}
	x.method, x.url = request.Method, request.URL
	client := http.Client{Transport: v.transport, Jar: v.jar, CheckRedirect: v.redirects(s, x)}
	response, err := client.Do(request)
	if err != nil {
		return x, explain(outer, err, s.timeout)
	}
	defer response.Body.Close()
	x.answered(response, s.maxBody)
	data, err := io.ReadAll(io.LimitReader(response.Body, s.maxBody+1))
	x.total, x.firstByte = time.Since(started), time.Duration(firstByte.Load())
	if x.body.cut = int64(len(data)) > s.maxBody; x.body.cut {
		data = data[:s.maxBody]
	}
	x.body.data = data
	if err != nil {
		return x, fails("the body ended after %s: %s", people(int64(len(data))), explain(outer, err, s.timeout))
	}
	return x, nil
}

func (x *exchange) answered(response *http.Response, limit int64) {
	x.url, x.status, x.header = response.Request.URL, response.StatusCode, response.Header
	x.cookies, x.tls = response.Cookies(), response.TLS
	x.body = &body{contentType: response.Header.Get("Content-Type"), limit: limit}
}

// redirects says what happens at a redirect of this step.
func (v *visit) redirects(s *step, x *exchange) func(*http.Request, []*http.Request) error {
	return func(next *http.Request, via []*http.Request) error {
		if !s.request.Follow {
			return http.ErrUseLastResponse
		}
		x.hops = append(x.hops, via[len(via)-1].URL.Redacted())
		if len(via) > maxRedirects {
			return fails("it redirects more than %d times:\n%s", maxRedirects, strings.Join(x.hops, "\n"))
		}
		if !v.route.allows(next.URL) {
			return fails("it redirects to another host, %s, which was not followed: allow it in allowHosts", next.URL.Redacted())
		}
		return nil
	}
}

// explain says in words why a request got no answer, and whether that is the
// server's fault or ours.
func explain(outer context.Context, err error, timeout time.Duration) error {
	var ours *failure
	var network net.Error
	var wrapped *url.Error
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &ours) {
		return ours
	}
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	switch {
	case outer.Err() != nil:
		return unknownIf("interrupted")
	case errors.As(err, &dns) && dns.IsNotFound:
		return fails("DNS knows no host %s", dns.Name)
	case errors.As(err, &dns):
		return unknownIf("finding the address of %s: %s", dns.Name, dns.Err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fails("no complete answer within %s", timeout)
	case errors.As(err, &certificate):
		return fails("the certificate is not trusted: %s", explainCertificate(certificate))
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return unknownIf("%s", connecting(err))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fails("the server closed the connection")
	}
	return fails("%s", connecting(err))
}

// connecting says plainly that a connection was not made.
func connecting(err error) error {
	var operation *net.OpError
	var system *os.SyscallError
	if !errors.As(err, &operation) || operation.Op != "dial" || operation.Addr == nil {
		return err
	}
	if cause := operation.Err; errors.As(cause, &system) {
		return fmt.Errorf("connecting to %s: %w", operation.Addr, system.Err)
	}
	return fmt.Errorf("connecting to %s: %w", operation.Addr, operation.Err)
}

// explainCertificate adds the names that the certificate does have, or how to
// trust it.
func explainCertificate(err *tls.CertificateVerificationError) string {
	var host x509.HostnameError
	if errors.As(err.Err, &host) {
		return fmt.Sprintf("it is not for %s, only for %s", host.Host, strings.Join(host.Certificate.DNSNames, ", "))
	}
	text := strings.TrimPrefix(err.Err.Error(), "x509: ")
	if errors.As(err.Err, new(x509.UnknownAuthorityError)) {
		text += " (tls.caFile or --ca names one to trust, --insecure trusts any)"
	}
	return text
}

// String is the exchange in one line.
func (x *exchange) String() string {
	var b strings.Builder
	b.WriteString(x.method + " ")
	for _, hop := range x.hops {
		b.WriteString(hop + " → ")
	}
	b.WriteString(x.url.Redacted())
	if x.remote != "" {
		b.WriteString(" at " + x.remote)
	}
	if x.status == 0 {
		return b.String()
	}
	fmt.Fprintf(&b, " → %s", statusText(x.status))
	if media := x.body.mediaType(); media != "" {
		b.WriteString(", " + media)
	}
	return b.String() + fmt.Sprintf(", %s, %s", people(int64(len(x.body.data))), result.Round(x.total))
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// people is a number of bytes as people read it.
func people(bytes int64) string {
	switch {
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 10<<10:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d bytes", bytes)
}
