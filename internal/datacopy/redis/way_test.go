package redis

import (
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

func TestChoosesHowToRead(t *testing.T) {
	able := func(change func(*replication)) replication {
		r := replication{nodes: 1, keys: 1_000_000, memory: 400 << 20, resident: 500 << 20, free: 8 << 30, fork: 7 * time.Millisecond}
		if change != nil {
			change(&r)
		}
		return r
	}
	// waits has keys of 400 bytes, and the delay that servers have by themselves.
	waits := func(keys int64) replication {
		return able(func(r *replication) { r.keys, r.memory, r.delay = keys, keys*400, 5*time.Second })
	}
	all := datacopy.Unit{Name: "db0", Count: 1_000_000, Bytes: 400 << 20}
	tests := []struct {
		name  string
		asked string
		req   datacopy.Request
		unit  datacopy.Unit
		r     replication
		want  string
	}{
		{"many keys", "", datacopy.Request{}, all, able(nil), "a snapshot is read as a replica: about 4.1 s instead of 8.2 s"},
		{"as asked", byScan, datacopy.Request{}, all, able(nil), "keys are listed: as asked for"},
		{
			"as asked, whatever it takes", byReplication, datacopy.Request{MaxBytesPerSecond: 1}, all,
			able(func(r *replication) { r.fork = time.Second }), "a snapshot is read as a replica: as asked for",
		},
		{
			"few keys of many", "", datacopy.Request{}, datacopy.Unit{Count: 200_000, Bytes: 80 << 20}, able(nil),
			"keys are listed: a snapshot would take 4.1 s, and this about 1.6 s",
		},
		{
			"few keys", "", datacopy.Request{}, datacopy.Unit{Count: 10_000, Bytes: 4 << 20}, replication{},
			"keys are listed: that takes no second",
		},
		{
			"as asked, of a source that refuses", byReplication, datacopy.Request{}, all, able(func(r *replication) { r.unable = "the source is saving" }),
			"a snapshot is read as a replica: as asked for, though the source is saving",
		},
		{
			"a source that waits for replicas", "", datacopy.Request{}, all, able(func(r *replication) { r.delay = 5 * time.Second }),
			"keys are listed: a snapshot would take 9.1 s, and this about 8.2 s",
		},
		{
			"a source that waits, just too few keys", "", datacopy.Request{}, datacopy.Unit{Count: 1_150_000, Bytes: 1_150_000 * 400},
			waits(1_150_000), "keys are listed: a snapshot would take 9.6 s, and this about 9.3 s",
		},
		{
			"a source that waits, and enough keys", "", datacopy.Request{}, datacopy.Unit{Count: 1_250_000, Bytes: 1_250_000 * 400},
			waits(1_250_000), "a snapshot is read as a replica: about 9.9 s instead of 10.1 s",
		},
		{
			"a large source", "", datacopy.Request{}, all, able(func(r *replication) { r.fork = 80 * time.Millisecond }),
			"keys are listed: the source would stop for about 80ms to begin a snapshot",
		},
		{
			"little memory", "", datacopy.Request{}, all, able(func(r *replication) { r.free = 100 << 20 }),
			"keys are listed: the source has 100 MiB of memory left, and a snapshot may take up to 500 MiB",
		},
		{
			"a rate", "", datacopy.Request{MaxBytesPerSecond: 1 << 20}, all, able(nil),
			"keys are listed: a limited rate would keep a snapshot open for long",
		},
		{
			"a source that does not say", "", datacopy.Request{}, all, able(func(r *replication) { r.unable = "the source is saving" }),
			"keys are listed: the source is saving",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := choose(tt.asked, tt.req, &tt.unit, tt.r).String(); got != tt.want {
				t.Errorf("chose %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWaysThatAreUnknown(t *testing.T) {
	req := datacopy.Request{Options: map[string]string{readBy: "magic"}}
	if err := planWays(t.Context(), &datacopy.Plan{}, req, nil); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("planning: %v", err)
	}
	if got := wayOf(&datacopy.Plan{}, "db0").By; got != byScan {
		t.Errorf("a plan that says nothing is read by %q", got)
	}
}
