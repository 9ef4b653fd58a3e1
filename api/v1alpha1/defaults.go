package v1alpha1

import "encoding/json"

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
