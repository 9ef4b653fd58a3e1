// Package prometheus reads numbers from servers with the HTTP API of Prometheus:
// Prometheus itself, Thanos, Mimir, VictoriaMetrics.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/landfall-dev/landfall/internal/baseline/metric"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Config is one query to one server.
type Config struct {
	// URL of the server, with the path that its API is below, if any.
	URL string
	// Query in PromQL that gives one number. $window stands for Window.
	Query  string
	Window time.Duration
	// Token, or Username and Password, if the server wants them.
	Token, Username, Password string
	// Tenant is sent as X-Scope-OrgID, as Mimir and Cortex want it.
	Tenant string
}

// Source reads the query.
type Source struct {
	api   v1.API
	query string
	host  string
}

var _ metric.Source = (*Source)(nil)

// New makes a source. Errors are fault.Invalid. Nothing is asked yet.
func New(c Config) (*Source, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fault.New(fault.Invalid, "Write http://HOST:9090.", "the URL of Prometheus is none of HTTP")
	case u.User != nil:
		return nil, fault.New(fault.Invalid, "Put username and password into a Secret.", "the URL of Prometheus holds credentials")
	case strings.TrimSpace(c.Query) == "":
		return nil, fault.New(fault.Invalid, "", "the query to Prometheus is empty")
	case c.Token != "" && c.Username != "":
		return nil, fault.New(fault.Invalid, "Give a token, or username and password.", "there are two ways to log in to Prometheus")
	}
	window, err := metric.Window(c.Window)
	if err != nil {
		return nil, err
	}
	client, err := api.NewClient(api.Config{Address: c.URL, Client: metric.HTTPClient(login{c, http.DefaultTransport})})
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "")
	}
	return &Source{api: v1.NewAPI(client), query: within(c.Query, window), host: u.Host}, nil
}

// within puts the window into a query, as a duration of PromQL.
func within(query string, window time.Duration) string {
	return strings.ReplaceAll(query, "$window", strconv.FormatInt(window.Milliseconds(), 10)+"ms")
}

// Read is part of metric.Source.
func (s *Source) Read(ctx context.Context, at time.Time) (metric.Sample, error) {
	value, _, err := s.api.Query(ctx, s.query, at)
	if err != nil {
		return metric.Sample{}, fmt.Errorf("asking Prometheus at %s: %w", s.host, explain(err))
	}
	number, err := one(value)
	if err != nil {
		return metric.Sample{}, fmt.Errorf("asking Prometheus at %s: %w", s.host, err)
	}
	return metric.Sample{Value: number, At: at}, nil
}

// explain classifies what the server says is wrong with the query.
func explain(err error) error {
	refusal, ok := errors.AsType[*v1.Error](err)
	switch {
	case ok && refusal.Type == v1.ErrBadData:
		return fault.New(fault.Invalid, "Try the query in Prometheus itself.", "it does not take the query: %s", refusal.Msg)
	case ok && refusal.Type == v1.ErrClient && strings.Contains(refusal.Msg, "401"), ok && refusal.Type == v1.ErrClient && strings.Contains(refusal.Msg, "403"):
		return fault.New(fault.Refused, "Check the token, or username and password, in the Secret.", "it refuses to answer: %s", refusal.Msg)
	}
	return err
}

// one is the only number of an answer.
func one(value model.Value) (float64, error) {
	switch v := value.(type) {
	case *model.Scalar:
		return float64(v.Value), nil
	case model.Vector:
		if len(v) == 0 {
			return 0, metric.ErrNoData
		}
		if len(v) > 1 {
			return 0, metric.Several(len(v), series(v), "wrap it in sum(…), max(…) or another aggregation")
		}
		if v[0].Histogram != nil {
			return 0, fault.New(fault.Invalid, "Use histogram_quantile(…) or histogram_avg(…).", "the query gives a histogram instead of a number")
		}
		return float64(v[0].Value), nil
	case nil:
		return 0, errors.New("its answer has no value")
	}
	return 0, fault.New(fault.Invalid, "Use an instant query: rate(x[$window]), not x[5m].", "the query gives a %s instead of a number", value.Type())
}

func series(v model.Vector) []string {
	var names []string
	for _, s := range v {
		names = append(names, s.Metric.String())
	}
	return names
}

// login adds what the server wants to see.
type login struct {
	config    Config
	transport http.RoundTripper
}

// RoundTrip is part of http.RoundTripper.
func (l login) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	switch {
	case l.config.Token != "":
		r.Header.Set("Authorization", "Bearer "+l.config.Token)
	case l.config.Username != "":
		r.SetBasicAuth(l.config.Username, l.config.Password)
	}
	if l.config.Tenant != "" {
		r.Header.Set("X-Scope-OrgID", l.config.Tenant)
	}
	return l.transport.RoundTrip(r)
}
