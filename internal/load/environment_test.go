package load

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/result"
)

func TestScaling(t *testing.T) {
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s := NewScaling(start)
	at := func(second int, component string, ready, desired int32) {
		s.Observe(start.Add(time.Duration(second)*time.Second), component, Replicas{ready, desired})
	}
	at(0, "web", 2, 2)
	at(0, "api", 1, 1)
	at(10, "web", 2, 4)
	at(20, "web", 3, 4)
	at(21, "api", 0, 1)
	at(30, "web", 4, 4)
	at(60, "web", 2, 2)
	asked, served := 10.0, 20.0
	want := []ComponentScaling{
		{Component: "api", Before: Replicas{1, 1}, Most: Replicas{1, 1}, After: Replicas{0, 1}},
		{Component: "web", Before: Replicas{2, 2}, Most: Replicas{4, 4}, After: Replicas{2, 2}, Asked: &asked, Served: &served},
	}
	got := s.Components()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got[0].ScaledOut() || !got[1].ScaledOut() {
		t.Error("who scaled out is mixed up")
	}
}

func TestAwaitLogs(t *testing.T) {
	broken := errors.New("connection refused")
	tests := map[string]struct {
		looks []Gathered // one after the other, the last again and again
		err   error
		want  result.Answer
	}{
		"at once":             {[]Gathered{{Marks: 3, Lines: true}}, nil, result.Holds},
		"after a while":       {[]Gathered{{}, {Marks: 1, Lines: true}, {Marks: 3, Lines: true}}, nil, result.Holds},
		"some are missing":    {[]Gathered{{Marks: 2, Lines: true}}, nil, result.Fails},
		"no marks, but lines": {[]Gathered{{Lines: true}}, nil, result.Holds},
		"nothing":             {[]Gathered{{}}, nil, result.Unknown},
		"cannot be read":      {[]Gathered{{}}, broken, result.Unknown},
		"no answer":           {nil, nil, result.Unknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			looks := 0
			got := AwaitLogs(t.Context(), 3, 1200*time.Millisecond, func(ctx context.Context) (Gathered, error) {
				if looks++; tt.looks == nil {
					<-ctx.Done()
					return Gathered{}, ctx.Err()
				}
				return tt.looks[min(looks, len(tt.looks))-1], tt.err
			})
			if got.Answer != tt.want || got.Reason == "" {
				t.Errorf("%+v, want %s", got, tt.want)
			}
		})
	}
}
