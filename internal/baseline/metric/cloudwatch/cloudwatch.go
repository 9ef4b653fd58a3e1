// Package cloudwatch reads numbers from Amazon CloudWatch.
package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"

	"github.com/landfall-dev/landfall/internal/baseline/metric"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// Config is one metric, or one expression of metric math or Metrics Insights.
type Config struct {
	// Expression, or Namespace, Metric, Dimensions and Statistic.
	Expression string

	Namespace, Metric string
	Dimensions        map[string]string
	// Statistic such as Sum, Average or p95.
	Statistic string

	// Period of the points; one minute if zero.
	Period time.Duration
	// Window in which a complete point must be found.
	Window time.Duration
	// Delay is how long after its end a point is still filled up by services
	// that report late; one minute if zero, none if negative.
	Delay time.Duration
}

const (
	defaultPeriod = time.Minute
	defaultDelay  = time.Minute
	// queryID names the query within its request.
	queryID = "guard"
)

// Source reads the newest complete point.
type Source struct {
	client *cloudwatch.Client
	config Config
}

var _ metric.Source = (*Source)(nil)

// New makes a source that asks as the AWS configuration says, endpoint variables
// included. Errors are fault.Invalid. Nothing is asked yet.
func New(account aws.Config, c Config) (*Source, error) {
	if c.Period == 0 {
		c.Period = defaultPeriod
	}
	switch {
	case c.Delay == 0:
		c.Delay = defaultDelay
	case c.Delay < 0:
		c.Delay = 0
	}
	var err error
	if c.Window, err = metric.Window(c.Window); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Source{client: cloudwatch.NewFromConfig(account, withoutRetries), config: c}, nil
}

// withoutRetries leaves trying again to who asks, and soon asks again.
func withoutRetries(o *cloudwatch.Options) {
	o.Retryer = aws.NopRetryer{}
	if o.HTTPClient != nil {
		o.HTTPClient = bounded{o.HTTPClient}
	}
}

// bounded bounds answers, and leaves proxies and authorities to the account's
// own client.
type bounded struct{ cloudwatch.HTTPClient }

// Do is part of cloudwatch.HTTPClient.
func (b bounded) Do(r *http.Request) (*http.Response, error) {
	response, err := b.HTTPClient.Do(r)
	if err != nil {
		return nil, err
	}
	response.Body = metric.Bounded(response.Body)
	return response, nil
}

func (c Config) check() error {
	refuse := func(hint, format string, args ...any) error {
		return fault.New(fault.Invalid, hint, "the query to CloudWatch: "+format, args...)
	}
	one := c.Namespace != "" || c.Metric != "" || c.Statistic != "" || len(c.Dimensions) > 0
	switch {
	case c.Expression != "" && one:
		return refuse("Name the metric in the expression.", "it is both an expression and a metric")
	case c.Expression == "" && (c.Namespace == "" || c.Metric == "" || c.Statistic == ""):
		return refuse("Give an expression, or metricNamespace, metric and statistic.", "a metric needs a namespace, a name and a statistic")
	case !periodAllowed(c.Period):
		return refuse("Use 1s, 5s, 10s, 20s, 30s or whole minutes.", "CloudWatch has no points of %s", c.Period)
	}
	return nil
}

// periodAllowed: see MetricStat in the API reference.
func periodAllowed(p time.Duration) bool {
	return p > 0 && p <= 24*time.Hour && (p%time.Minute == 0 ||
		slices.Contains([]time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second}, p))
}

// Read is part of metric.Source.
func (s *Source) Read(ctx context.Context, at time.Time) (metric.Sample, error) {
	sample, err := s.read(ctx, at)
	if err != nil {
		return metric.Sample{}, fmt.Errorf("asking CloudWatch: %w", explain(err))
	}
	return sample, nil
}

func (s *Source) read(ctx context.Context, at time.Time) (metric.Sample, error) {
	// Points are as long as a period and begin at multiples of it; a complete one
	// ended a delay ago. One more period is asked for, since the window seldom
	// begins with a point.
	complete := at.Add(-s.config.Delay)
	input := &cloudwatch.GetMetricDataInput{
		MetricDataQueries: []types.MetricDataQuery{s.query()},
		StartTime:         aws.Time(complete.Add(-s.config.Window - s.config.Period).Truncate(s.config.Period)),
		EndTime:           aws.Time(at),
		ScanBy:            types.ScanByTimestampDescending,
	}
	answer, err := s.client.GetMetricData(ctx, input)
	if err != nil {
		return metric.Sample{}, err
	}
	if len(answer.MetricDataResults) == 0 {
		return metric.Sample{}, metric.ErrNoData
	}
	if len(answer.MetricDataResults) > 1 {
		return metric.Sample{}, metric.Several(len(answer.MetricDataResults), labels(answer.MetricDataResults), "leave out GROUP BY, or wrap the expression in SUM(…) or MAX(…)")
	}
	return newest(answer.MetricDataResults[0], complete, s.config.Period)
}

func (s *Source) query() types.MetricDataQuery {
	period := aws.Int32(int32(s.config.Period / time.Second))
	q := types.MetricDataQuery{Id: aws.String(queryID), ReturnData: aws.Bool(true)}
	if s.config.Expression != "" {
		q.Expression, q.Period = aws.String(s.config.Expression), period
		return q
	}
	m := &types.Metric{Namespace: aws.String(s.config.Namespace), MetricName: aws.String(s.config.Metric)}
	for _, name := range slices.Sorted(maps.Keys(s.config.Dimensions)) {
		m.Dimensions = append(m.Dimensions, types.Dimension{Name: aws.String(name), Value: aws.String(s.config.Dimensions[name])})
	}
	q.MetricStat = &types.MetricStat{Metric: m, Period: period, Stat: aws.String(s.config.Statistic)}
	return q
}

// newest is the newest point that had ended when complete was.
func newest(r types.MetricDataResult, complete time.Time, period time.Duration) (metric.Sample, error) {
	switch r.StatusCode {
	case types.StatusCodeInternalError:
		return metric.Sample{}, fmt.Errorf("it failed itself: %s", messages(r.Messages))
	case types.StatusCodeForbidden:
		return metric.Sample{}, fault.New(fault.Refused, "Allow cloudwatch:GetMetricData.", "the metric may not be read: %s", messages(r.Messages))
	}
	if len(r.Values) != len(r.Timestamps) {
		return metric.Sample{}, errors.New("its answer has not as many values as times")
	}
	var found metric.Sample
	for i, begins := range r.Timestamps {
		if !begins.Add(period).After(complete) && begins.After(found.At) {
			found = metric.Sample{Value: r.Values[i], At: begins}
		}
	}
	if found.At.IsZero() {
		return metric.Sample{}, metric.ErrNoData
	}
	return found, nil
}

func labels(results []types.MetricDataResult) []string {
	var names []string
	for _, r := range results {
		names = append(names, aws.ToString(r.Label))
	}
	return names
}

func messages(all []types.MessageData) string {
	var texts []string
	for _, m := range all {
		texts = append(texts, result.Clean(aws.ToString(m.Value)))
	}
	if len(texts) == 0 {
		return "it does not say why"
	}
	return strings.Join(texts, "; ")
}

// explain classifies an error of the API.
func explain(err error) error {
	refusal, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return err
	}
	text := refusal.ErrorCode()
	if message := refusal.ErrorMessage(); message != "" {
		text += ": " + result.Clean(message)
	}
	switch code := refusal.ErrorCode(); {
	case strings.HasPrefix(code, "AccessDenied"), strings.Contains(code, "Token"), strings.Contains(code, "Signature"), code == "UnauthorizedOperation":
		return fault.New(fault.Refused, "Allow cloudwatch:GetMetricData to these credentials.", "%s", text)
	case strings.HasPrefix(code, "Validation"), strings.HasPrefix(code, "InvalidParameter"), strings.HasPrefix(code, "MissingRequired"):
		return fault.New(fault.Invalid, "Try the query in the CloudWatch console.", "it does not take the query: %s", text)
	}
	return errors.New(text)
}
