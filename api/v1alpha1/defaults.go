package v1alpha1

import (
	"encoding/json"
	"strings"
)

// UnmarshalJSON gives a scale without min one instance, as the API server
// does: 0 is a size of its own, so the zero value cannot stand for "not said".
func (s *Scale) UnmarshalJSON(text []byte) error {
	type plain Scale
	read := plain{Min: 1}
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*s = Scale(read)
	return nil
}

// StageOf is the environment's stage: what it says, else production where the
// name says so, else none.
func StageOf(env *Environment) Stage {
	if env.Spec.Stage != "" {
		return env.Spec.Stage
	}
	for _, word := range strings.FieldsFunc(env.Name, func(r rune) bool { return r == '-' || r == '.' }) {
		switch word {
		case "production", "prod", "live":
			return StageProduction
		}
	}
	return ""
}
