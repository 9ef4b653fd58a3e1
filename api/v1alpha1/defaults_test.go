package v1alpha1

import (
	"encoding/json"
	"testing"
)

func TestScaleHasOneInstanceByDefault(t *testing.T) {
	for text, want := range map[string]int32{`{}`: 1, `{"max":4}`: 1, `{"min":0}`: 0, `{"min":3}`: 3} {
		var s Scale
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		if s.Min != want {
			t.Errorf("%s: min %d, want %d", text, s.Min, want)
		}
	}
}
