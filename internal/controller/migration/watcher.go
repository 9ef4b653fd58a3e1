package migration

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/migration"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// watcher sees what happens in a migration as it happens, and tells of it: the
// status gets weights, the object Events, Prometheus the weight.
type watcher struct {
	object   *v1alpha1.Migration
	journal  *migration.Journal
	recorder events.EventRecorder
	metrics  *Metrics

	mu    sync.Mutex
	phase traffic.Phase
}

func (r *Reconciler) watcher(m *v1alpha1.Migration, journal *migration.Journal) *watcher {
	return &watcher{object: m, journal: journal, recorder: r.Recorder, metrics: r.metrics}
}

// see must not block.
func (w *watcher) see(event traffic.Event) {
	if event.Weights != nil {
		w.journal.Saw(*event.Weights, event.At)
		w.metrics.weights(w.object, *event.Weights)
	}
	if event.Reading != nil {
		w.metrics.reading(w.object, *event.Reading)
	}
	if event.Decision != nil && w.moved(event.Phase) {
		kind := corev1.EventTypeNormal
		if event.Phase == traffic.Reverting || event.Phase == traffic.Reverted || event.Phase == traffic.Paused {
			kind = corev1.EventTypeWarning
		}
		w.recorder.Eventf(w.object, nil, kind, string(event.Phase), "Migrate", "%s", migration.Shorten(event.Decision.Reason))
	}
}

// moved tells whether the phase is another one than at the last call.
func (w *watcher) moved(phase traffic.Phase) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.phase
	w.phase = phase
	return before != phase && phase != ""
}

// end forgets what was told to Prometheus.
func (w *watcher) end() { w.metrics.forget(w.object) }

// Metrics of migrations.
type Metrics struct {
	weight   *prometheus.GaugeVec
	readings *prometheus.CounterVec
}

// newMetrics makes the metrics and registers them; nil registers nowhere.
func newMetrics(registerer prometheus.Registerer) *Metrics {
	labels := []string{"namespace", "migration"}
	m := &Metrics{
		weight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "landfall_migration_weight_percent", Help: "Weight of the new side as the router has it; the highest of its instances.",
		}, labels),
		readings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "landfall_migration_guard_readings_total", Help: "Readings of guards by their answer.",
		}, append(labels, "guard", "answer")),
	}
	if registerer != nil {
		registerer.MustRegister(m.weight, m.readings)
	}
	return m
}

func (m *Metrics) weights(of *v1alpha1.Migration, state traffic.State) {
	highest := -1.0
	for _, i := range state.Instances {
		if i.Err == nil {
			highest = max(highest, i.Share())
		}
	}
	if highest >= 0 {
		m.weight.WithLabelValues(of.Namespace, of.Name).Set(100 * highest)
	}
}

func (m *Metrics) reading(of *v1alpha1.Migration, reading traffic.Reading) {
	m.readings.WithLabelValues(of.Namespace, of.Name, reading.Guard, reading.Answer.String()).Inc()
}

func (m *Metrics) forget(of *v1alpha1.Migration) {
	labels := prometheus.Labels{"namespace": of.Namespace, "migration": of.Name}
	m.weight.DeletePartialMatch(labels)
	m.readings.DeletePartialMatch(labels)
}
