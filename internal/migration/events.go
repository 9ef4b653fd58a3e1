package migration

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/landfall-dev/landfall/internal/traffic"
)

// Bounds of the evidence of one attempt. An object may have a mebibyte.
const (
	maxCompressed = 900 << 10
	// maxWaiting bounds the events that were not compressed yet.
	maxWaiting = 4096
	// maxLine bounds one event that is read back.
	maxLine = 1 << 20
)

// Events keeps what happens in a migration, compressed and bounded: when it
// would grow too large, readings and weights are thinned out by half, but never
// decisions, words and failing readings. It is a traffic.Recorder and safe for
// concurrent use.
type Events struct {
	mu sync.Mutex
	// packed is a row of gzip members, of JSON lines.
	packed  []byte
	waiting []traffic.Event
	dropped int
	watch   func(traffic.Event)
}

// NewEvents goes on with what was packed before, which may be nothing. Each
// event is also given to watch, which must not block; it may be nil.
func NewEvents(packed []byte, dropped int, watch func(traffic.Event)) *Events {
	if watch == nil {
		watch = func(traffic.Event) {}
	}
	return &Events{packed: packed, dropped: dropped, watch: watch}
}

// Record is part of traffic.Recorder.
func (e *Events) Record(event traffic.Event) {
	e.mu.Lock()
	if len(e.waiting) < maxWaiting {
		e.waiting = append(e.waiting, event)
	} else {
		e.dropped++
	}
	e.mu.Unlock()
	e.watch(event)
}

// Waiting counts events that Pack would add.
func (e *Events) Waiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.waiting)
}

// Pack gives everything so far for Unpack, and how many events were left out.
func (e *Events) Pack() (packed []byte, dropped int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.pack(); err != nil {
		return nil, 0, fmt.Errorf("packing what happened: %w", err)
	}
	return slices.Clone(e.packed), e.dropped, nil
}

func (e *Events) pack() error {
	if len(e.waiting) > 0 {
		member, err := compress(e.waiting)
		if err != nil {
			return err
		}
		e.packed, e.waiting = append(e.packed, member...), nil
	}
	for len(e.packed) > maxCompressed {
		all, err := Unpack(e.packed)
		if err != nil {
			return err
		}
		thinned := thin(all)
		if len(thinned) == len(all) {
			thinned = all[len(all)/2:] // nothing but decisions: the oldest go
		}
		e.dropped += len(all) - len(thinned)
		if e.packed, err = compress(thinned); err != nil {
			return err
		}
	}
	return nil
}

// thin leaves out every second of the events that others like them stand for.
func thin(events []traffic.Event) []traffic.Event {
	kept, odd := make([]traffic.Event, 0, len(events)), map[string]bool{}
	for _, event := range events {
		kind := repeated(event)
		odd[kind] = !odd[kind]
		if kind == "" || odd[kind] {
			kept = append(kept, event)
		}
	}
	return kept
}

// repeated names what an event is one of many of; "" where it must be kept.
func repeated(event traffic.Event) string {
	switch {
	case event.Word != nil, event.Note != "", event.Took > 0:
		return ""
	case event.Decision != nil && event.Decision.Action != traffic.DoNothing:
		return ""
	case event.Reading != nil && event.Reading.Answer.String() != "holds":
		return ""
	case event.Reading != nil:
		return "reading " + event.Reading.Guard
	case event.Weights != nil:
		return "weights"
	case event.Counters != nil:
		return "counters"
	}
	return "other"
}

func compress(events []traffic.Event) ([]byte, error) {
	var text bytes.Buffer
	packer := gzip.NewWriter(&text)
	encoder := json.NewEncoder(packer)
	for _, event := range events {
		if err := encoder.Encode(event); err != nil {
			return nil, err
		}
	}
	if err := packer.Close(); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

// Unpack reads what Pack gave. What was cut off or is no event ends it with an
// error beside what could be read.
func Unpack(packed []byte) ([]traffic.Event, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	unpacker, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("reading what happened: %w", err)
	}
	var events []traffic.Event
	lines := bufio.NewScanner(io.LimitReader(unpacker, 64*maxCompressed))
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var event traffic.Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return events, fmt.Errorf("reading what happened: event %d: %w", len(events)+1, err)
		}
		events = append(events, event)
	}
	if err := lines.Err(); err != nil {
		return events, fmt.Errorf("reading what happened: %w", err)
	}
	return events, nil
}
