package triage

import (
	"encoding/json"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// MarshalJSON gives the finding with the item as KIND/NAME.
func (f Finding) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Item     string `json:"item"`
		Class    Class  `json:"class"`
		Rule     string `json:"rule"`
		Reason   string `json:"reason"`
		Remedy   string `json:"remedy,omitempty"`
		Source   string `json:"source,omitempty"`
		Question string `json:"question,omitempty"`
		Decided  bool   `json:"decided,omitempty"`
		Quiet    bool   `json:"quiet,omitempty"`
	}{f.Key.String(), f.Class, f.Rule, f.Reason, f.Remedy, f.Source, f.Question, f.Decided, f.Quiet})
}

// Detail is what is most worth knowing of an item, on one short line: its
// attributes without those that only programs compare.
func Detail(item hostspec.Item) string {
	const longest = 120
	var parts []string
	for _, a := range item.Attributes {
		value := a.Value.String()
		switch {
		case value == "" || value == "false" || a.Name == "sha256" || a.Name == "arch" || a.Name == "manager":
			continue
		case a.Name == hostspec.ValueAttribute:
			parts = append(parts, value)
		case value == "true":
			parts = append(parts, a.Name)
		default:
			parts = append(parts, a.Name+" "+value)
		}
	}
	text := []rune(strings.Join(parts, ", "))
	if len(text) > longest {
		return string(text[:longest]) + "…"
	}
	return string(text)
}
