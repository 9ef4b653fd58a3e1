package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestExitCode(t *testing.T) {
	cause := errors.New("cause")
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"none", nil, 0},
		{"unclassified", cause, 3},
		{"invalid", New(Invalid, "", "reading: %w", cause), 2},
		{"not found", New(NotFound, "", "no"), 2},
		{"refused, wrapped", fmt.Errorf("deleting: %w", New(Refused, "", "no")), 4},
		{"does not hold", New(NotHolding, "", "drift"), 1},
		{"interrupted", fmt.Errorf("waiting: %w", context.Canceled), 130},
		{"classified although cancelled", Wrap(Failed, context.Canceled, ""), 3},
		{"outermost class wins", Wrap(Refused, New(Invalid, "", "no"), ""), 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ExitCode(tt.err); got != tt.want {
				t.Errorf("ExitCode(%v) = %d, want %d", tt.err, got, tt.want)
			}
		})
	}
}

func TestHintOfFindsTheOutermostHint(t *testing.T) {
	inner := New(Invalid, "fix the file", "bad")
	if got := HintOf(fmt.Errorf("reading: %w", Wrap(Failed, inner, ""))); got != "fix the file" {
		t.Errorf("HintOf = %q, want the inner hint", got)
	}
	if got := HintOf(Wrap(Failed, inner, "try again")); got != "try again" {
		t.Errorf("HintOf = %q, want the outer hint", got)
	}
	if got := HintOf(errors.New("plain")); got != "" {
		t.Errorf("HintOf = %q, want none", got)
	}
}

func TestErrorsKeepTheirCause(t *testing.T) {
	cause := errors.New("cause")
	err := New(Failed, "", "reading x: %w", cause)
	if !errors.Is(err, cause) || err.Error() != "reading x: cause" {
		t.Errorf("got %q, is cause: %v", err, errors.Is(err, cause))
	}
	if Wrap(Failed, nil, "") != nil {
		t.Error("Wrap(nil) is not nil")
	}
}
