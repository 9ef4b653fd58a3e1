package environment

import (
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of releases.
type Metrics struct {
	releases *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewMetrics makes the metrics and registers them; nil registers nowhere.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		releases: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "landfall_releases_total", Help: "Releases that have an outcome.",
		}, []string{"cause", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "landfall_release_duration_seconds", Help: "Time from the first applied object to the outcome.",
			Buckets: []float64{1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200},
		}, []string{"cause", "outcome"}),
	}
	if registerer != nil {
		registerer.MustRegister(m.releases, m.duration)
	}
	return m
}

func (m *Metrics) finished(rel *v1alpha1.Release) {
	labels := []string{string(rel.Spec.Cause), string(rel.Status.Phase)}
	m.releases.WithLabelValues(labels...).Inc()
	if rel.Status.StartedAt != nil && rel.Status.FinishedAt != nil {
		m.duration.WithLabelValues(labels...).Observe(rel.Status.FinishedAt.Sub(rel.Status.StartedAt.Time).Seconds())
	}
}
