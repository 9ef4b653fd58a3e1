package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/redis/go-redis/v9"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Ways to read a source.
const (
	byScan        = "scan"
	byReplication = "replication"
)

// readBy is the option that chooses a way.
const readBy = "read-by"

const (
	// longestStop is what a source may stop for at most without being asked.
	longestStop = 50 * time.Millisecond
	// forkOf is how long a server stops to make the process that writes the
	// snapshot, for each GiB that it holds, where it never did so.
	forkOf = 15 * time.Millisecond
	// What copies make on modest hardware, by either way, and what it takes to
	// begin a snapshot.
	scanKeysASecond      = 180_000
	scanBytesASecond     = 150 << 20
	snapshotKeysASecond  = 500_000
	snapshotBytesASecond = 250 << 20
	snapshotBegin        = 500 * time.Millisecond
)

// way is how one database is read, and why.
type way struct {
	By  string `json:"by"`
	Why string `json:"why"`
	// Delay is how long the source waits before it begins a snapshot.
	Delay time.Duration `json:"delayNanoseconds,omitempty"`
}

// detail is what Copy finds in the plan.
type detail struct {
	// Ways are by unit.
	Ways map[string]way `json:"ways,omitempty"`
}

// wayOf gives the way that a plan chose; plans made before there were two list
// the source.
func wayOf(plan *datacopy.Plan, unit string) way {
	var d detail
	if len(plan.Detail) == 0 || json.Unmarshal(plan.Detail, &d) != nil {
		return way{By: byScan}
	}
	return d.Ways[unit]
}

// planWays chooses how each unit is read.
func planWays(ctx context.Context, plan *datacopy.Plan, req datacopy.Request, source *server) error {
	for option := range req.Options {
		if option != readBy {
			return fault.New(fault.Invalid, "Redis knows "+readBy+".", "planning the copy: option %s is unknown", option)
		}
	}
	asked := req.Options[readBy]
	if asked != "" && asked != byScan && asked != byReplication {
		return fault.New(fault.Invalid, "Use scan or replication.", "planning the copy: option %s=%s is unknown", readBy, asked)
	}
	var ability replication
	if asked == byReplication || (asked == "" && slices.ContainsFunc(plan.Units, worthIt)) {
		ability = source.replication(ctx)
	}
	d := detail{Ways: map[string]way{}}
	for i := range plan.Units {
		unit := &plan.Units[i]
		chosen := choose(asked, req, unit, ability)
		d.Ways[unit.Name] = chosen
		unit.How = chosen.String()
		if chosen.By == byReplication && ability.unable == "" {
			unit.How += ability.costs()
		}
		plan.Estimate += chosen.estimate(unit, ability)
	}
	var err error
	plan.Detail, err = json.Marshal(d)
	return err
}

// worthIt says that listing a unit takes longer than a snapshot does to begin:
// of others the source is not even asked.
func worthIt(unit datacopy.Unit) bool { return listingTime(&unit) > snapshotBegin }

func (w way) String() string {
	if w.By == byScan {
		return "keys are listed: " + w.Why
	}
	return "a snapshot is read as a replica: " + w.Why
}

// choose prefers a snapshot where it is quicker and does the source no harm.
func choose(asked string, req datacopy.Request, unit *datacopy.Unit, r replication) way {
	scan := func(why string, args ...any) way { return way{By: byScan, Why: fmt.Sprintf(why, args...)} }
	switch {
	case asked == byScan:
		return scan("as asked for")
	case asked == byReplication && r.unable != "":
		return way{By: byReplication, Why: "as asked for, though " + r.unable, Delay: r.delay}
	case asked == byReplication:
		return way{By: byReplication, Why: "as asked for", Delay: r.delay}
	case !worthIt(*unit):
		return scan("that takes no second")
	case r.unable != "":
		return scan("%s", r.unable)
	case req.MaxBytesPerSecond > 0:
		return scan("a limited rate would keep a snapshot open for long")
	case r.fork > longestStop:
		return scan("the source would stop for about %s to begin a snapshot", r.fork.Round(time.Millisecond))
	case r.resident > r.free:
		return scan("the source has %s of memory left, and a snapshot may take up to %s", humanize.IBytes(r.free), humanize.IBytes(r.resident))
	}
	listing, snapshot := listingTime(unit), r.snapshotTime()
	if listing <= snapshot {
		return scan("a snapshot would take %s, and this about %s", seconds(snapshot), seconds(listing))
	}
	return way{By: byReplication, Delay: r.delay, Why: fmt.Sprintf("about %s instead of %s", seconds(snapshot), seconds(listing))}
}

func listingTime(unit *datacopy.Unit) time.Duration {
	return time.Duration(unit.Count)*time.Second/scanKeysASecond + time.Duration(unit.Bytes)*time.Second/scanBytesASecond
}

// snapshotTime is that of everything that the source has: a snapshot has all.
func (r replication) snapshotTime() time.Duration {
	return time.Duration(r.nodes)*(snapshotBegin+r.delay) +
		time.Duration(r.keys)*time.Second/snapshotKeysASecond + time.Duration(r.memory)*time.Second/snapshotBytesASecond
}

// estimate is how long a unit takes.
func (w way) estimate(unit *datacopy.Unit, r replication) time.Duration {
	if w.By == byReplication {
		return r.snapshotTime()
	}
	return listingTime(unit)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// replication is what a source's nodes say of themselves as masters.
type replication struct {
	// unable says why no snapshot can, or should, be had; "" when it can.
	unable string
	nodes  int
	// delay is the longest that a node waits for more replicas.
	delay time.Duration
	// fork is the longest stop of a node.
	fork time.Duration
	// resident is the memory of the largest node, free what its machine has
	// beside it.
	resident, free uint64
	// keys and memory are those of all nodes and databases.
	keys, memory int64
}

// costs says what a snapshot costs the source.
func (r replication) costs() string {
	text := fmt.Sprintf("; the source stops for about %s once, and what is written there meanwhile takes up to %s of memory twice",
		r.fork.Round(time.Millisecond), humanize.IBytes(r.resident))
	if r.delay > 0 {
		text += fmt.Sprintf("; it waits %s for other replicas first (repl-diskless-sync-delay)", r.delay)
	}
	return text
}

// replication asks every node. What cannot be found out is a reason not to use
// it.
func (s *server) replication(ctx context.Context) replication {
	r := replication{keys: total(s.databases), memory: s.memory, free: 1 << 62}
	for _, node := range s.layout.Load().nodes {
		if err := s.addNode(ctx, node, &r); err != nil {
			r.unable = fmt.Sprintf("the source does not tell how it makes snapshots (%v)", err)
		}
		if r.unable != "" {
			return r
		}
	}
	return r
}

func (s *server) addNode(ctx context.Context, node string, r *replication) error {
	client := redis.NewClient(s.options(node, 0))
	defer client.Close()
	settings, err := client.ConfigGet(ctx, "repl-diskless-sync*").Result()
	if err != nil {
		return err
	}
	// A replica that wants changes, too, would have them gathered in memory.
	if err := client.Do(ctx, "REPLCONF", "rdb-only", "1").Err(); err != nil {
		return err
	}
	info, err := client.InfoMap(ctx).Result()
	if err != nil {
		return err
	}
	switch {
	case settings["repl-diskless-sync"] != "yes":
		r.unable = "the source would write a snapshot to its disk (repl-diskless-sync)"
	case info["Persistence"]["rdb_bgsave_in_progress"] == "1", info["Persistence"]["aof_rewrite_in_progress"] == "1":
		r.unable = "the source is saving"
	case info["Replication"]["role"] == "slave" && info["Replication"]["master_link_status"] != "up":
		r.unable = "the source is a replica without its master"
	}
	r.nodes++
	delay, _ := strconv.Atoi(settings["repl-diskless-sync-delay"])
	r.delay = max(r.delay, time.Duration(delay)*time.Second)
	number := func(section, name string) uint64 {
		n, _ := strconv.ParseUint(info[section][name], 10, 64)
		return n
	}
	resident := number("Memory", "used_memory_rss")
	stop := time.Duration(float64(resident) / (1 << 30) * float64(forkOf))
	r.fork = max(r.fork, stop, time.Duration(number("Stats", "latest_fork_usec"))*time.Microsecond)
	r.resident = max(r.resident, resident)
	if all := number("Memory", "total_system_memory"); all > 0 {
		r.free = min(r.free, all-min(all, resident))
	}
	return nil
}
