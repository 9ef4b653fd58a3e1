package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// Outcome is what came of one request.
type Outcome struct {
	// N counts requests from 0, Step and Target are indexes of Options.Steps
	// and URLs.
	N      int64
	Step   int
	Target int
	// Due is when the request should have been sent, Sent when it was, Done when
	// the last byte of the answer was there, or it was given up.
	Due, Sent, Done time.Time
	// Status of the answer; 0 if none began.
	Status int
	// Side that answered, as Options.Side sees it.
	Side  string
	Bytes int64
	// Loss says why there was no whole answer; empty if there was one. Cause is
	// the error.
	Loss  Loss
	Cause string
	// Resent is how often the request was sent again because the server closed
	// the kept connection before it began to answer, as browsers do it, too.
	Resent int
	// Mark that the request carried.
	Mark string
}

// Latency counts from when the request was due: what waited for the one who
// asks waited for the user, too.
func (o Outcome) Latency() time.Duration { return o.Done.Sub(o.Due) }

// Late is how much later than due the request was sent.
func (o Outcome) Late() time.Duration { return o.Sent.Sub(o.Due) }

// Lost tells that no whole answer came.
func (o Outcome) Lost() bool { return o.Loss != "" && o.Loss != Abandoned }

// Bad tells of a lost request or an answer with a status from 400 on.
func (o Outcome) Bad() bool { return o.Lost() || o.Loss == "" && o.Status >= http.StatusBadRequest }

// Loss is a way for a request to get no whole answer.
type Loss string

// Ways to get lost.
const (
	// Timeout: no whole answer within Options.Timeout.
	Timeout Loss = "timeout"
	// Refused: nobody listens there.
	Refused Loss = "refused"
	// Closed: the connection was closed or reset before an answer began.
	Closed Loss = "closed"
	// Cut: the answer began, and did not end as it should.
	Cut Loss = "cut"
	// Unreachable: no way leads there.
	Unreachable Loss = "unreachable"
	// Name: the host's name was not found.
	Name Loss = "name"
	// TLS: no agreement on encryption, or a certificate that is not trusted.
	TLS Loss = "tls"
	// Local: this machine had no port, file or memory left for the request.
	Local Loss = "local"
	// Malformed: the answer is not HTTP.
	Malformed Loss = "malformed"
	// Abandoned: given up when the whole was interrupted. It counts as no loss.
	Abandoned Loss = "abandoned"
)

// lossOf classifies an error of a request; begun says that an answer had begun.
func lossOf(ctx context.Context, err error, begun bool) Loss {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return Abandoned
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return Timeout
	case begun:
		return Cut
	case is[*net.DNSError](err):
		return Name
	case isTLS(err):
		return TLS
	}
	return lossOfConnection(err)
}

func lossOfConnection(err error) Loss {
	for loss, causes := range map[Loss][]error{
		Refused:     {syscall.ECONNREFUSED},
		Closed:      {syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed},
		Unreachable: {syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN},
		Local:       {syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM},
	} {
		for _, cause := range causes {
			if errors.Is(err, cause) {
				return loss
			}
		}
	}
	// net/http has no types for these.
	if strings.Contains(err.Error(), "server closed idle connection") || strings.Contains(err.Error(), "connection lost") {
		return Closed
	}
	return Malformed
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func isTLS(err error) bool {
	return is[*tls.CertificateVerificationError](err) || is[tls.RecordHeaderError](err) || is[tls.AlertError](err) ||
		is[x509.UnknownAuthorityError](err) || is[x509.HostnameError](err) || strings.Contains(err.Error(), "tls: ")
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
