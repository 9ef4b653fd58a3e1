package datacopy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/fault"
)

func namesOf(t *testing.T, include, exclude []string) *Names {
	t.Helper()
	names, err := Request{Include: include, Exclude: exclude}.Names()
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestNames(t *testing.T) {
	names := namesOf(t, []string{"a*", "user:?"}, []string{"*_{old,new}"})
	for name, want := range map[string]bool{"a": true, "a/b:c": true, "user:1": true, "user:12": false, "a_old": false, "b": false} {
		if names.Has(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// TestPatternsThatFitNothing: those that overlap others do fit.
func TestPatternsThatFitNothing(t *testing.T) {
	tests := map[string]struct {
		include, exclude, names []string
		warned                  []string
		refused                 bool
	}{
		"none":                {nil, nil, nil, nil, false},
		"one of two":          {[]string{"a*", "b*"}, nil, []string{"a1", "c"}, []string{`the pattern "b*" fits none of the keys`}, false},
		"one within another":  {[]string{"a*", "ab*"}, nil, []string{"a", "ab"}, nil, false},
		"excluded otherwise":  {[]string{"a*"}, []string{"b*", "c*"}, []string{"a", "b"}, []string{`the pattern "c*" fits none of the keys`}, false},
		"nothing":             {[]string{"x*"}, nil, []string{"a", "b"}, nil, true},
		"an empty store":      {[]string{"x*"}, nil, nil, nil, true},
		"nothing to exclude":  {nil, []string{"x*"}, nil, nil, false},
		"everything excluded": {nil, []string{"*"}, []string{"a", "b"}, nil, true},
		"each cancels":        {[]string{"a*"}, []string{"*1"}, []string{"a1", "b"}, nil, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			names, plan := namesOf(t, tt.include, tt.exclude), &Plan{From: "redis://old:6379/0"}
			for _, name := range tt.names {
				names.Has(name)
			}
			err := names.Conclude(plan, "keys", true)
			if refused := fault.ClassOf(err) == fault.NotFound; refused != tt.refused || err != nil && !refused {
				t.Errorf("got %v", err)
			}
			if diff := cmp.Diff(tt.warned, plan.Warnings); diff != "" {
				t.Errorf("warnings: -want +got:\n%s", diff)
			}
		})
	}
	names, plan := namesOf(t, []string{"a*", "b*"}, nil), &Plan{}
	names.Has("a")
	if err := names.Conclude(plan, "keys", false); err != nil || len(plan.Warnings) > 0 {
		t.Errorf("of some of the names: %v, %q", err, plan.Warnings)
	}
	err := namesOf(t, []string{"x*"}, []string{"*y"}).Conclude(&Plan{From: "redis://old:6379/0"}, "keys", true)
	if want := `planning the copy of redis://old:6379/0: none of its keys is chosen by include "x*", exclude "*y"`; err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
