package redis

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// compareStream compares entries, groups and the last ID.
func (w *worker) compareStream(ctx context.Context, r, mate *reading) (string, error) {
	from, to := string(r.key), string(mate.key)
	ours, err := streamSummary(ctx, w.fromClient, from)
	if err != nil {
		return "", w.copier.source.failedKey("reading", r.key, err)
	}
	theirs, err := streamSummary(ctx, w.toClient, to)
	if err != nil {
		return "", w.copier.target.failedKey("reading", mate.key, err)
	}
	if !slices.Equal(ours, theirs) {
		return datacopy.Changed, nil
	}
	return w.compareEntries(ctx, r, to)
}

// compareEntries reads both streams side by side.
func (w *worker) compareEntries(ctx context.Context, r *reading, to string) (string, error) {
	for start := "-"; ; {
		ours, err := readEntries(ctx, w.fromClient, string(r.key), start)
		if err != nil {
			return "", w.copier.source.failedKey("reading", r.key, err)
		}
		theirs, err := readEntries(ctx, w.toClient, to, start)
		if err != nil {
			return "", w.copier.target.failedKey("reading", r.key, err)
		}
		for _, entry := range ours {
			if err := maskFields(w, r, entry.fields); err != nil {
				return "", err
			}
		}
		if !slices.EqualFunc(ours, theirs, func(a, b entry) bool { return a.id == b.id && slices.Equal(a.fields, b.fields) }) {
			return datacopy.Changed, nil
		}
		if len(ours) == 0 {
			return "", nil
		}
		start = "(" + ours[len(ours)-1].id
	}
}

// streamSummary is what a stream has besides its entries, a line each.
func streamSummary(ctx context.Context, client redis.UniversalClient, key string) ([]string, error) {
	state, err := streamState(ctx, client, key)
	if err != nil {
		return nil, err
	}
	summary := []string{fmt.Sprint("last ", state["last-generated-id"], state["length"])}
	groups, err := client.XInfoGroups(ctx, key).Result()
	if err != nil {
		return nil, err
	}
	for _, group := range groups {
		summary = append(summary, fmt.Sprintf("group %q %s %d", group.Name, group.LastDeliveredID, group.Pending))
		consumers, err := client.XInfoConsumers(ctx, key, group.Name).Result()
		if err != nil {
			return nil, err
		}
		for _, consumer := range consumers {
			summary = append(summary, fmt.Sprintf("consumer %q of %q %d", consumer.Name, group.Name, consumer.Pending))
		}
	}
	slices.Sort(summary)
	return summary, nil
}
