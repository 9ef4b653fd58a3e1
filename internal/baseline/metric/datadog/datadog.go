// Package datadog reads numbers from queries of metrics in Datadog, and the
// states of its monitors, through Datadog's own client.
package datadog

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/DataDog/datadog-api-client-go/v2/api/datadog"
	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV1"

	"github.com/landfall-dev/landfall/internal/baseline/metric"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// DefaultSite is Datadog's first one.
const DefaultSite = "datadoghq.com"

// Config is an account.
type Config struct {
	// Site of the account; DefaultSite if empty.
	Site string
	// URL of the API, instead of the site's.
	URL string
	// APIKey and AppKey of the account; the latter needs the scopes
	// timeseries_query or monitors_read.
	APIKey, AppKey string
}

// Account asks one account of Datadog and keeps to its limits: once it has used
// up its requests it asks nothing until Datadog allows more. It is safe for
// concurrent use.
type Account struct {
	config   Config
	metrics  *datadogV1.MetricsApi
	monitors *datadogV1.MonitorsApi

	mu sync.Mutex
	// notBefore is when each kind of request may be made again.
	notBefore map[string]time.Time
}

// New makes an account. Errors are fault.Invalid. Nothing is asked yet.
func New(c Config) (*Account, error) {
	if c.APIKey == "" || c.AppKey == "" {
		return nil, fault.New(fault.Invalid, "Put DD_API_KEY and DD_APP_KEY into the Secret.", "a key of Datadog is missing")
	}
	if c.Site == "" {
		c.Site = DefaultSite
	}
	configuration := datadog.NewConfiguration()
	configuration.HTTPClient = metric.HTTPClient(nil)
	configuration.Host, configuration.Scheme = "api."+c.Site, "https"
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		if err != nil || u.Host == "" {
			return nil, fault.New(fault.Invalid, "", "the URL of Datadog is none")
		}
		configuration.Host, configuration.Scheme = u.Host, u.Scheme
	}
	client := datadog.NewAPIClient(configuration)
	return &Account{
		config: c, metrics: datadogV1.NewMetricsApi(client), monitors: datadogV1.NewMonitorsApi(client),
		notBefore: map[string]time.Time{},
	}, nil
}

// Query is a source that gives the newest complete point of a query of metrics
// that gives one series. Errors are fault.Invalid.
func (a *Account) Query(query string, window time.Duration) (metric.Source, error) {
	if strings.TrimSpace(query) == "" {
		return nil, fault.New(fault.Invalid, "", "the query to Datadog is empty")
	}
	window, err := metric.Window(window)
	if err != nil {
		return nil, err
	}
	return &querySource{a, query, window}, nil
}

type querySource struct {
	account *Account
	query   string
	window  time.Duration
}

// Read is part of metric.Source.
func (s *querySource) Read(ctx context.Context, at time.Time) (metric.Sample, error) {
	var answer datadogV1.MetricsQueryResponse
	err := s.account.ask(ctx, "queries", func(ctx context.Context) (response *http.Response, err error) {
		answer, response, err = s.account.metrics.QueryMetrics(ctx, at.Add(-s.window).Unix(), at.Unix(), s.query)
		return response, err
	})
	if err != nil {
		return metric.Sample{}, err
	}
	sample, err := newest(answer, at)
	if err != nil {
		return metric.Sample{}, fmt.Errorf("asking Datadog: %w", err)
	}
	return sample, nil
}

// newest is the last point of the only series that covers a whole interval: one
// that has just begun shows too few of what is counted.
func newest(answer datadogV1.MetricsQueryResponse, at time.Time) (metric.Sample, error) {
	switch {
	case answer.UnparsedObject != nil:
		return metric.Sample{}, errors.New("its answer cannot be read")
	case answer.GetError() != "":
		return metric.Sample{}, fault.New(fault.Invalid, "Try the query in Datadog's metrics explorer.", "it does not take the query: %s", result.Clean(answer.GetError()))
	case len(answer.Series) == 0:
		return metric.Sample{}, metric.ErrNoData
	case len(answer.Series) > 1:
		return metric.Sample{}, metric.Several(len(answer.Series), scopes(answer.Series), "leave out \"by {…}\", or add a space aggregation")
	}
	series := answer.Series[0]
	for i := len(series.Pointlist) - 1; i >= 0; i-- {
		point := series.Pointlist[i]
		if len(point) != 2 || point[0] == nil || point[1] == nil {
			continue
		}
		begins := time.UnixMilli(int64(*point[0]))
		if ends := begins.Add(interval(series)); !ends.After(at) {
			return metric.Sample{Value: *point[1], At: begins}, nil
		}
	}
	return metric.Sample{}, metric.ErrNoData
}

// interval between points: as they lie, or in seconds as Datadog says it of a
// single one (its documentation says milliseconds, its answers do not).
func interval(series datadogV1.MetricsQueryMetadata) time.Duration {
	points := series.Pointlist
	if n := len(points); n > 1 && len(points[n-1]) == 2 && len(points[n-2]) == 2 && points[n-1][0] != nil && points[n-2][0] != nil {
		return time.Duration(*points[n-1][0]-*points[n-2][0]) * time.Millisecond
	}
	return time.Duration(series.GetInterval()) * time.Second
}

func scopes(series []datadogV1.MetricsQueryMetadata) []string {
	var names []string
	for i := range series {
		names = append(names, series[i].GetScope())
	}
	return names
}

// Monitor answers for one monitor: OK holds, Alert and Warn fail, and anything
// else, such as No Data, is unknown.
func (a *Account) Monitor(ctx context.Context, id int64) result.Result {
	r := result.Result{Group: "datadog", Name: "monitor " + strconv.FormatInt(id, 10), Expected: string(datadogV1.MONITOROVERALLSTATES_OK)}
	var monitor datadogV1.Monitor
	err := a.ask(ctx, "monitors", func(ctx context.Context) (response *http.Response, err error) {
		monitor, response, err = a.monitors.GetMonitor(ctx, id)
		return response, err
	})
	if err != nil {
		r.Reason = err.Error()
		return r
	}
	state := monitor.GetOverallState()
	r.Actual = result.Clean(string(state))
	switch state {
	case datadogV1.MONITOROVERALLSTATES_OK:
		r.Answer = result.Holds
	case datadogV1.MONITOROVERALLSTATES_ALERT, datadogV1.MONITOROVERALLSTATES_WARN:
		r.Answer, r.Reason = result.Fails, fmt.Sprintf("monitor %q is in state %s", result.Clean(monitor.GetName()), state)
	case "":
		r.Reason = "Datadog's answer names no state"
	default:
		r.Reason = "the monitor's state is " + r.Actual
	}
	return r
}

// Headers in which Datadog says what is left of a limit, and in how many seconds
// it is full again (https://docs.datadoghq.com/api/latest/rate-limits/).
const (
	headerRemaining = "X-RateLimit-Remaining"
	headerReset     = "X-RateLimit-Reset"
)

// ask makes a request unless the limit on its kind is used up.
func (a *Account) ask(ctx context.Context, kind string, request func(context.Context) (*http.Response, error)) error {
	if wait := time.Until(a.limit(kind)); wait > 0 {
		return fmt.Errorf("asking Datadog: its limit of %s is used up for another %s", kind, wait.Round(time.Second))
	}
	ctx = context.WithValue(ctx, datadog.ContextAPIKeys, map[string]datadog.APIKey{
		"apiKeyAuth": {Key: a.config.APIKey}, "appKeyAuth": {Key: a.config.AppKey},
	})
	response, err := request(ctx) //nolint:bodyclose // the library has read and closed it
	a.learn(kind, response)
	if err == nil {
		return nil
	}
	if response == nil {
		return fmt.Errorf("asking Datadog: %w", bare(err))
	}
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault.New(fault.Refused, "Check DD_API_KEY and DD_APP_KEY in the Secret, and the scopes of the latter.", "asking Datadog: it refuses to answer: %s", response.Status)
	case http.StatusTooManyRequests:
		return fmt.Errorf("asking Datadog: too many %s", kind)
	case http.StatusOK:
		return errors.New("asking Datadog: its answer cannot be read")
	}
	return fmt.Errorf("asking Datadog: %s", response.Status)
}

func (a *Account) limit(kind string) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.notBefore[kind]
}

// defaultReset is how long to wait where Datadog refuses and does not say.
const defaultReset = 10 * time.Second

// learn takes from an answer how much may be asked.
func (a *Account) learn(kind string, response *http.Response) {
	if response == nil {
		return
	}
	refused := response.StatusCode == http.StatusTooManyRequests
	if !refused && response.Header.Get(headerRemaining) != "0" {
		return
	}
	wait := defaultReset
	if seconds, err := strconv.ParseUint(response.Header.Get(headerReset), 10, 16); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if !refused {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notBefore[kind] = time.Now().Add(wait)
}

// bare is an error of a request without its address, which people did not write.
func bare(err error) error {
	if request, ok := errors.AsType[*url.Error](err); ok {
		return request.Err
	}
	return err
}
