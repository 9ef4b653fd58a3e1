package capture

import (
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec/target"
)

func TestCaptureOfThisMachineTwiceGivesTheSameBytes(t *testing.T) {
	var documents [2]strings.Builder
	for i := range documents {
		spec, err := Capture(t.Context(), target.Local{}, Options{Salt: "00"})
		if err != nil {
			t.Fatal(err)
		}
		if err := spec.Encode(&documents[i]); err != nil {
			t.Fatal(err)
		}
	}
	if documents[0].String() != documents[1].String() {
		t.Errorf("captures differ:\n%s\n%s", documents[0].String(), documents[1].String())
	}
	t.Log(documents[0].String())
}
