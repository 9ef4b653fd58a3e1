package result

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// jsonWriter writes {"results": […], "counts": {…}, "answer": "…"}.
type jsonWriter struct {
	w      io.Writer
	counts Counts
}

// Write is part of Writer.
func (j *jsonWriter) Write(r Result) error {
	before := ",\n    "
	if j.counts.Total() == 0 {
		before = "{\n  \"results\": [\n    "
	}
	j.counts.Add(r.Answer)
	text, err := marshal(r)
	if err != nil {
		return fmt.Errorf("writing the result %s: %w", Clean(r.Name), err)
	}
	_, err = fmt.Fprintf(j.w, "%s%s", before, text)
	return err
}

// Close is part of Writer.
func (j *jsonWriter) Close() error {
	end := "\n  ]"
	if j.counts.Total() == 0 {
		end = "{\n  \"results\": []"
	}
	counts, err := json.Marshal(j.counts)
	if err != nil {
		return fmt.Errorf("writing the counts: %w", err)
	}
	_, err = fmt.Fprintf(j.w, "%s,\n  \"counts\": %s,\n  \"answer\": %q\n}\n", end, counts, j.counts.Answer())
	return err
}

// marshal is one result as JSON that is IsClean on a terminal, too.
func marshal(r Result) ([]byte, error) {
	for _, text := range []*string{&r.Group, &r.Name, &r.Target, &r.Expected, &r.Actual, &r.Reason} {
		if !utf8.ValidString(*text) {
			*text = Clean(*text)
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return nil, err
	}
	return escape(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// escape writes characters that a terminal acts on, and that JSON allows as
// they are, as JSON escapes. They stand in strings only.
func escape(text []byte) []byte {
	if IsClean(string(text)) {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case IsClean(string(r)):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}

// resultJSON is a Result with its duration in seconds.
type resultJSON struct {
	plainResult
	Seconds float64 `json:"seconds,omitempty"`
}

type plainResult Result

// MarshalJSON writes the duration as seconds.
func (r Result) MarshalJSON() ([]byte, error) {
	return json.Marshal(resultJSON{plainResult(r), r.Duration.Seconds()})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Result) UnmarshalJSON(text []byte) error {
	var read resultJSON
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*r = Result(read.plainResult)
	r.Duration = time.Duration(read.Seconds * float64(time.Second))
	return nil
}
