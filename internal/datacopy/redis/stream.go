package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// streamPart is how many entries of a stream, or of a group's pending ones,
// are read at a time.
const streamPart = 500

// entry is one of a stream; fields and values follow each other, in order, and
// a field may come twice.
type entry struct {
	id     string
	fields []any
}

// sendStream writes a stream anew: entries under their IDs, groups with their
// positions, consumers with what they have pending, and the last ID. Pending
// entries that were deleted from the stream cannot be written again.
func (w *worker) sendStream(ctx context.Context, r *reading) error {
	s := &streamCopy{worker: w, reading: r, from: string(r.key), to: string(w.scope.toTarget(nil, r.key))}
	if err := s.run(ctx); err != nil {
		return w.copier.target.failedKey("copying the stream", r.key, err)
	}
	return nil
}

// streamCopy is one stream under way.
type streamCopy struct {
	*worker
	reading  *reading
	from, to string
}

func (s *streamCopy) run(ctx context.Context) error {
	// A group makes the stream where it has no entries.
	const making = "landfall"
	pipe := s.toClient.Pipeline()
	pipe.Unlink(ctx, s.to)
	pipe.XGroupCreateMkStream(ctx, s.to, making, "0")
	pipe.XGroupDestroy(ctx, s.to, making)
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	if err := eachEntries(ctx, s.fromClient, s.from, func(entries []entry) error { return s.add(ctx, entries) }); err != nil {
		return err
	}
	if err := s.setID(ctx); err != nil {
		return err
	}
	groups, err := s.fromClient.XInfoGroups(ctx, s.from).Result()
	if err != nil {
		return err
	}
	for _, group := range groups {
		if err := s.group(ctx, group); err != nil {
			return fmt.Errorf("group %q: %w", group.Name, err)
		}
	}
	if s.reading.expiry < 0 {
		return nil
	}
	return s.toClient.Do(ctx, "PEXPIREAT", s.to, s.reading.expiry).Err()
}

func (s *streamCopy) add(ctx context.Context, entries []entry) error {
	pipe := s.toClient.Pipeline()
	for _, entry := range entries {
		if err := s.mask(entry.fields); err != nil {
			return err
		}
		pipe.Do(ctx, append([]any{"XADD", s.to, entry.id}, entry.fields...)...)
	}
	_, err := pipe.Exec(ctx)
	return err
}

// mask changes the values of an entry in place.
func (s *streamCopy) mask(fields []any) error { return maskFields(s.worker, s.reading, fields) }

// maskFields changes the values among fields and values.
func maskFields(w *worker, r *reading, fields []any) error {
	if r.mask == nil {
		return nil
	}
	for i := 0; i+1 < len(fields); i += 2 {
		w.scratch.Reset()
		masked, err := r.mask.Mask(fmt.Sprint(fields[i]), fmt.Append(nil, fields[i+1]), &w.scratch)
		if err != nil {
			return fmt.Errorf("masking key %s: %w", shown(r.key), err)
		}
		fields[i+1] = string(masked)
	}
	return nil
}

// setID makes new entries follow those of the source, also where its last ones
// were deleted.
func (s *streamCopy) setID(ctx context.Context) error {
	state, err := streamState(ctx, s.fromClient, s.from)
	if err != nil {
		return err
	}
	args := []any{"XSETID", s.to, state["last-generated-id"]}
	if added, known := state["entries-added"]; known && s.copier.target.version >= 700 {
		args = append(args, "ENTRIESADDED", added, "MAXDELETEDID", state["max-deleted-entry-id"])
	}
	return s.toClient.Do(ctx, args...).Err()
}

// streamState gives the numbers of XINFO STREAM that belong to the data.
func streamState(ctx context.Context, client redis.UniversalClient, key string) (map[string]any, error) {
	reply, err := client.Do(ctx, "XINFO", "STREAM", key).Slice()
	if err != nil {
		return nil, err
	}
	state := map[string]any{}
	for i := 0; i+1 < len(reply); i += 2 {
		switch name := fmt.Sprint(reply[i]); name {
		case "length", "last-generated-id", "max-deleted-entry-id", "entries-added":
			state[name] = reply[i+1]
		}
	}
	return state, nil
}

// group makes a consumer group as it is in the source.
func (s *streamCopy) group(ctx context.Context, group redis.XInfoGroup) error {
	create := []any{"XGROUP", "CREATE", s.to, group.Name, group.LastDeliveredID}
	if s.copier.target.version >= 700 && s.copier.source.version >= 700 {
		create = append(create, "ENTRIESREAD", max(group.EntriesRead, -1))
	}
	if err := s.toClient.Do(ctx, create...).Err(); err != nil {
		return err
	}
	consumers, err := s.fromClient.XInfoConsumers(ctx, s.from, group.Name).Result()
	if err != nil {
		return err
	}
	for _, consumer := range consumers {
		if err := s.toClient.XGroupCreateConsumer(ctx, s.to, group.Name, consumer.Name).Err(); err != nil {
			return err
		}
	}
	return eachPending(ctx, s.fromClient, s.from, group.Name, func(pending []redis.XPendingExt) error {
		now := time.Now()
		pipe := s.toClient.Pipeline()
		for _, p := range pending {
			pipe.Do(ctx, "XCLAIM", s.to, group.Name, p.Consumer, 0, p.ID,
				"TIME", now.Add(-p.Idle).UnixMilli(), "RETRYCOUNT", p.RetryCount, "FORCE", "JUSTID")
		}
		_, err := pipe.Exec(ctx)
		return err
	})
}

// eachPending reads what a group has delivered and not heard back of.
func eachPending(ctx context.Context, client redis.UniversalClient, key, group string, do func([]redis.XPendingExt) error) error {
	for start := "-"; ; {
		pending, err := client.XPendingExt(ctx, &redis.XPendingExtArgs{
			Stream: key, Group: group, Start: start, End: "+", Count: streamPart,
		}).Result()
		if err != nil || len(pending) == 0 {
			return err
		}
		if err := do(pending); err != nil {
			return err
		}
		start = "(" + pending[len(pending)-1].ID
	}
}

// eachEntries reads a stream in parts.
func eachEntries(ctx context.Context, client redis.UniversalClient, key string, do func([]entry) error) error {
	for start := "-"; ; {
		entries, err := readEntries(ctx, client, key, start)
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := do(entries); err != nil {
			return err
		}
		start = "(" + entries[len(entries)-1].id
	}
}

func readEntries(ctx context.Context, client redis.UniversalClient, key, start string) ([]entry, error) {
	reply, err := client.Do(ctx, "XRANGE", key, start, "+", "COUNT", streamPart).Slice()
	if err != nil {
		return nil, err
	}
	entries := make([]entry, len(reply))
	for i, item := range reply {
		parts, ok := item.([]any)
		if !ok || len(parts) != 2 {
			return nil, fmt.Errorf("reading the stream %q: an entry is none", key)
		}
		entries[i].id, _ = parts[0].(string)
		entries[i].fields, _ = parts[1].([]any)
	}
	return entries, nil
}
