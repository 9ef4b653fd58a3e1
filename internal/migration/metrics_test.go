package migration

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/result"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// countless is a router that counts nothing.
type countless struct{ traffic.Router }

func (countless) Describe() traffic.Description { return traffic.Description{Kind: "route53"} }

func TestGuardsOfMetrics(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	secret := func(name string, data map[string][]byte) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Data: data}
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		secret("prometheus", map[string][]byte{"token": []byte("open-sesame\n")}),
		secret("empty", nil),
	).Build()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer open-sesame" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		io.WriteString(w, `{"status":"success","data":{"resultType":"scalar","result":[1,"0.25"]}}`)
	}))
	t.Cleanup(server.Close)
	query := func(max, min, secret string) v1alpha1.MigrationGuard {
		return v1alpha1.MigrationGuard{Prometheus: &v1alpha1.PrometheusGuard{
			URL: server.URL, Query: "x", SecretName: secret, MetricBounds: v1alpha1.MetricBounds{Max: max, Min: min},
		}}
	}
	tests := map[string]struct {
		spec v1alpha1.MigrationGuard
		want result.Answer
		says string
	}{
		"within":        {query("0.3", "", "prometheus"), result.Holds, ""},
		"above":         {query("0.2", "0.1", "prometheus"), result.Fails, "expected from 0.1 to 0.2, got 0.25"},
		"not logged in": {query("0.3", "", ""), result.Unknown, "it refuses to answer"},
		"no secret":     {query("0.3", "", "nobody"), result.Unknown, "Secret nobody does not exist"},
		"no bound":      {query("", "", "prometheus"), result.Unknown, "no bound"},
		"bad bound":     {query("lots", "", "prometheus"), result.Unknown, `max "lots" is no number`},
		"Datadog without keys": {v1alpha1.MigrationGuard{Datadog: &v1alpha1.DatadogGuard{SecretName: "empty", MonitorID: 7}},
			result.Unknown, "a key of Datadog is missing"},
		"CloudWatch without a metric": {v1alpha1.MigrationGuard{CloudWatch: &v1alpha1.CloudWatchGuard{MetricBounds: v1alpha1.MetricBounds{Max: "1"}}},
			result.Unknown, "a metric needs a namespace"},
		"a router that does not count": {v1alpha1.MigrationGuard{Router: &v1alpha1.RouterGuard{}}, result.Unknown, "route53 does not count requests"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.spec.Name = "p95"
			m := &v1alpha1.Migration{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}, Spec: v1alpha1.MigrationSpec{Guards: []v1alpha1.MigrationGuard{tt.spec}}}
			guards, closeAll := Binder{Reader: reader, Clock: time.Now}.Guards(t.Context(), m, countless{})
			defer closeAll()
			if len(guards) != 1 {
				t.Fatalf("%d guards", len(guards))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			got := guards[0].Read(ctx, time.Now())
			if got.Answer != tt.want || !strings.Contains(got.Reason, tt.says) || got.Guard != "p95" {
				t.Errorf("%+v, want %s that says %q", got, tt.want, tt.says)
			}
		})
	}
}

func TestIdleGuardsAreNotAskedAtWeightZero(t *testing.T) {
	for _, tt := range []struct {
		spec v1alpha1.MigrationGuard
		want bool
	}{
		{v1alpha1.MigrationGuard{Prometheus: &v1alpha1.PrometheusGuard{}}, false},
		{v1alpha1.MigrationGuard{Prometheus: &v1alpha1.PrometheusGuard{}, Idle: true}, true},
		{v1alpha1.MigrationGuard{Router: &v1alpha1.RouterGuard{}}, true},
	} {
		if got := rule(tt.spec).Idle; got != tt.want {
			t.Errorf("%+v: idle is %v", tt.spec, got)
		}
	}
}

func TestBudgetGuard(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "production"}}
	look := func(checked time.Time, left string, bad ...int64) {
		env.Status.Baseline = &v1alpha1.BaselineStatus{CheckedAt: &metav1.Time{Time: checked}}
		o := v1alpha1.ObjectiveStatus{Name: "works", BudgetLeft: left}
		for i, n := range bad {
			o.Spans = append(o.Spans, v1alpha1.ObjectiveSpan{Start: metav1.NewTime(noon.Add(time.Duration(i-1) * time.Hour)), Good: 100 - n, Total: 100})
		}
		env.Status.Baseline.Objectives = []v1alpha1.ObjectiveStatus{o}
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(env).Build()
	m := &v1alpha1.Migration{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}, Spec: v1alpha1.MigrationSpec{Guards: []v1alpha1.MigrationGuard{{
		Name: "budget", Objective: &v1alpha1.ObjectiveGuard{Environment: "production", Objective: "works", MinBudgetLeft: "20", MaxBudgetSpent: "10"},
	}}}}
	began := noon.Add(10 * time.Minute)
	guards, closeAll := Binder{Reader: reader, Clock: func() time.Time { return began }}.Guards(t.Context(), m, countless{})
	defer closeAll()
	for _, tt := range []struct {
		name  string
		set   func(now time.Time)
		want  result.Answer
		value string
	}{
		{"half is spent before", func(now time.Time) { look(now, "50.0", 4, 1) }, result.Holds, "50.0 % left, 0.0 % spent since 12:10 UTC"},
		{"one more", func(now time.Time) { look(now, "40.0", 4, 2) }, result.Holds, "40.0 % left, 10.0 % spent since 12:10 UTC"},
		{"two more", func(now time.Time) { look(now, "30.0", 4, 3) }, result.Fails, "30.0 % left, 20.0 % spent since 12:10 UTC"},
		{"hardly any is left", func(now time.Time) { look(now, "20.0", 7, 1) }, result.Fails, "20.0 % left"},
		{"not checked lately", func(now time.Time) { look(now.Add(-time.Hour), "50.0", 4, 1) }, result.Unknown, ""},
		{"nothing counted", func(now time.Time) { look(now, "") }, result.Unknown, ""},
	} {
		tt.set(began)
		if err := reader.Update(t.Context(), env); err != nil {
			t.Fatal(err)
		}
		if got := guards[0].Read(t.Context(), began); got.Answer != tt.want || !strings.HasPrefix(got.Value, tt.value) {
			t.Errorf("%s: %+v, want %s with %q", tt.name, got, tt.want, tt.value)
		}
	}
}
