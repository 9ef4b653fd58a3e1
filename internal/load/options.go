package load

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Options say what is asked, how often, and who hears of it.
type Options struct {
	// URLs are asked in turn.
	URLs []string
	// Method is GET by default. Body is sent with each request.
	Method string
	Header http.Header
	Body   []byte
	// Address, an address or address:port, is connected to instead of what DNS
	// says of the URLs' hosts. Names, certificates and ports go by the URL
	// otherwise.
	Address string
	// Insecure trusts any certificate; CA are PEM authorities to trust besides
	// the system's.
	Insecure bool
	CA       []byte
	// FreshConnections makes a connection for each request, as new visitors do.
	FreshConnections bool

	// Steps follow each other without a gap.
	Steps []Step
	// Timeout of one request, from its sending to the last byte of the answer;
	// 10 s by default.
	Timeout time.Duration
	// Grace is how long requests that are under way when ctx ends may go on; 2 s
	// by default.
	Grace time.Duration
	// MaxInFlight bounds the requests under way; 10,000 by default. Beyond it
	// requests are made late, which their latencies show.
	MaxInFlight int

	// Side tells which side answered; nil for none. See SideHeader, SideCookie.
	Side func(http.Header) string
	// Mark, if not empty, goes with the first request of each step, so that it
	// can be looked for in logs; see MarkOf.
	Mark string

	// Each hears of every request in the order they end, Live of the whole once
	// a second. Both are called by one goroutine and must not block.
	Each func(Outcome)
	Live func(Live)
}

// Step is a time with one rate.
type Step struct {
	// Rate in requests a second.
	Rate float64
	// For how long; 0, in the last step only, until the context ends.
	For time.Duration
}

// Bounds of a run.
const (
	MaxRate     = 50_000
	maxDuration = 7 * 24 * time.Hour

	defaultTimeout     = 10 * time.Second
	defaultGrace       = 2 * time.Second
	defaultMaxInFlight = 10_000
)

// markKey is the query parameter of a mark.
const markKey = "landfall-load"

// MarkOf is the text that the first request of a step has in its query.
func MarkOf(mark string, step int) string { return fmt.Sprintf("%s-%d", mark, step+1) }

// SideHeader tells sides apart by a header of the answer.
func SideHeader(name string) func(http.Header) string {
	return func(h http.Header) string { return h.Get(name) }
}

// SideCookie tells sides apart by a cookie that the answer sets, as routers with
// sticky sessions do.
func SideCookie(name string) func(http.Header) string {
	return func(h http.Header) string {
		for _, cookie := range (&http.Response{Header: h}).Cookies() {
			if cookie.Name == name {
				return cookie.Value
			}
		}
		return ""
	}
}

func (o Options) withDefaults() Options {
	if o.Method == "" {
		o.Method = http.MethodGet
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = defaultMaxInFlight
	}
	if o.Side == nil {
		o.Side = func(http.Header) string { return "" }
	}
	return o
}

// Check says what is wrong with the options before anything is asked. Errors are
// fault.Invalid.
func (o Options) Check() error {
	o = o.withDefaults()
	if _, err := o.plan(); err != nil {
		return err
	}
	_, err := newClient(o)
	return err
}

// plan checks the options and computes when each request is due.
func (o Options) plan() (plan, error) {
	if len(o.URLs) == 0 {
		return plan{}, invalid("Give the address to ask.", "no URL")
	}
	for _, raw := range o.URLs {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return plan{}, invalid("Write http://HOST/PATH or https://HOST/PATH.", "the URL %q is none of HTTP", raw)
		}
	}
	switch {
	case len(o.Steps) == 0:
		return plan{}, invalid("Give a rate.", "there is no step")
	case o.Timeout < 0, o.Grace < 0, o.MaxInFlight < 0:
		return plan{}, invalid("", "timeout, grace or the number of requests under way is less than nothing")
	}
	return newPlan(o.Steps)
}

func invalid(hint, format string, args ...any) error {
	return fault.New(fault.Invalid, hint, "preparing the load: "+format, args...)
}
