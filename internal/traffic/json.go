package traffic

import (
	"encoding/json"
	"errors"
)

// instanceJSON is an Instance whose error is text, so that recorded events can
// be read again.
type instanceJSON struct {
	Name     string `json:"name"`
	Old      int    `json:"old"`
	New      int    `json:"new"`
	Settled  bool   `json:"settled,omitempty"`
	Waiting  string `json:"waiting,omitempty"`
	Residual int    `json:"residual,omitempty"`
	DeadMan  string `json:"deadMan,omitempty"`
	Err      string `json:"error,omitempty"`
}

// MarshalJSON writes the instance with its error's text.
func (i Instance) MarshalJSON() ([]byte, error) {
	j := instanceJSON{Name: i.Name, Old: i.Old, New: i.New, Settled: i.Settled, Waiting: i.Waiting, Residual: i.Residual, DeadMan: i.DeadMan}
	if i.Err != nil {
		j.Err = i.Err.Error()
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (i *Instance) UnmarshalJSON(text []byte) error {
	var j instanceJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*i = Instance{Name: j.Name, Old: j.Old, New: j.New, Settled: j.Settled, Waiting: j.Waiting, Residual: j.Residual, DeadMan: j.DeadMan}
	if j.Err != "" {
		i.Err = errors.New(j.Err)
	}
	return nil
}
