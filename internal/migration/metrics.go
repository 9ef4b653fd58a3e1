package migration

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/baseline/metric"
	"github.com/landfall-dev/landfall/internal/baseline/metric/cloudwatch"
	"github.com/landfall-dev/landfall/internal/baseline/metric/datadog"
	"github.com/landfall-dev/landfall/internal/baseline/metric/prometheus"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/guard"
)

// Keys of Secrets for metric sources, besides keyToken.
const (
	keyUsername = "username"
	keyPassword = "password"
	keyDatadog  = "DD_API_KEY"
	keyApp      = "DD_APP_KEY"
)

// secretText is a Secret's values without the line ends that editors add.
func (b Binder) secretText(ctx context.Context, m *v1alpha1.Migration, name string) (map[string]string, error) {
	secret, err := b.secret(ctx, m, name)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for key, value := range secret {
		texts[key] = strings.TrimSpace(string(value))
	}
	return texts, nil
}

func (b Binder) prometheus(ctx context.Context, m *v1alpha1.Migration, spec *v1alpha1.MigrationGuard) (traffic.Guard, error) {
	p := spec.Prometheus
	secret, err := b.secretText(ctx, m, p.SecretName)
	if err != nil {
		return nil, err
	}
	source, err := prometheus.New(prometheus.Config{
		URL: p.URL, Query: p.Query, Window: p.Window.Duration,
		Token: secret[keyToken], Username: secret[keyUsername], Password: secret[keyPassword],
	})
	if err != nil {
		return nil, err
	}
	return bounded(spec, p.MetricBounds, source)
}

func (b Binder) datadog(ctx context.Context, m *v1alpha1.Migration, spec *v1alpha1.MigrationGuard) (traffic.Guard, error) {
	d := spec.Datadog
	secret, err := b.secretText(ctx, m, d.SecretName)
	if err != nil {
		return nil, err
	}
	accounts := b.Datadog
	if accounts == nil {
		accounts = &datadog.Accounts{}
	}
	account, err := accounts.Open(datadog.Config{Site: d.Site, APIKey: secret[keyDatadog], AppKey: secret[keyApp]})
	if err != nil {
		return nil, err
	}
	if d.MonitorID != 0 {
		return guard.Results(rule(*spec), func(ctx context.Context, _ time.Time) []result.Result {
			return []result.Result{account.Monitor(ctx, d.MonitorID)}
		}), nil
	}
	source, err := account.Query(d.Query, d.Window.Duration)
	if err != nil {
		return nil, err
	}
	return bounded(spec, d.MetricBounds, source)
}

func (b Binder) cloudWatch(ctx context.Context, m *v1alpha1.Migration, spec *v1alpha1.MigrationGuard) (traffic.Guard, error) {
	c := spec.CloudWatch
	account, err := b.account(ctx, m, c.AWSAccess)
	if err != nil {
		return nil, err
	}
	source, err := cloudwatch.New(account, cloudwatch.Config{
		Expression: c.Expression, Namespace: c.MetricNamespace, Metric: c.Metric, Dimensions: c.Dimensions,
		Statistic: c.Statistic, Period: c.Period.Duration, Window: c.Window.Duration,
	})
	if err != nil {
		return nil, err
	}
	return bounded(spec, c.MetricBounds, source)
}

// bounded makes a guard of a source with its bounds.
func bounded(spec *v1alpha1.MigrationGuard, limits v1alpha1.MetricBounds, source metric.Source) (traffic.Guard, error) {
	bounds := metric.Bounds{Group: "metrics", Name: spec.Name}
	for _, limit := range []struct {
		name, text string
		to         **float64
	}{{"max", limits.Max, &bounds.Max}, {"min", limits.Min, &bounds.Min}} {
		if limit.text == "" {
			continue
		}
		number, err := strconv.ParseFloat(limit.text, 64)
		if err != nil {
			return nil, fault.New(fault.Invalid, "", "%s %q is no number", limit.name, limit.text)
		}
		*limit.to = &number
	}
	if err := bounds.Check(); err != nil {
		return nil, err
	}
	return guard.Results(rule(*spec), func(ctx context.Context, at time.Time) []result.Result {
		return []result.Result{bounds.Read(ctx, source, at)}
	}), nil
}
