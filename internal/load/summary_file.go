package load

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/landfall-dev/landfall/internal/fault"
)

// ReadSummary reads what `landfall load -o json` wrote. Errors: fault.Invalid,
// also of a load that is still under way and has written nothing yet.
func ReadSummary(file string) (*Summary, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading the load: %w", err), "")
	}
	var s Summary
	if err := json.Unmarshal(text, &s); err != nil || s.Started.IsZero() {
		return nil, fault.New(fault.Invalid, "Write it with: landfall load … -o json > "+file+"; it is there once the load has ended.",
			"reading the load: %s is not what landfall load -o json writes", file)
	}
	return &s, nil
}
