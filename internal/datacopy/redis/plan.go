package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/redis/go-redis/v9"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/progress"
)

// sampled is how many keys are looked at where the server knows no count.
const sampled = 20_000

// Plan is part of datacopy.Engine.
func (e *Engine) Plan(ctx context.Context, req datacopy.Request) (*datacopy.Plan, error) {
	scope, err := newScope(req)
	if err != nil {
		return nil, err
	}
	source, err := connect(ctx, req.From)
	if err != nil {
		return nil, err
	}
	target, err := connect(ctx, req.To)
	if err != nil {
		return nil, err
	}
	found, err := pairs(req, source)
	if err != nil {
		return nil, err
	}
	plan := datacopy.NewPlan(req)
	err = e.pulse.Attend(ctx, progress.Discard.Note, func(ctx context.Context) error {
		for _, p := range found {
			if err := e.planUnit(ctx, plan, req, scope, p, source, target); err != nil {
				return err
			}
		}
		return nil
	}, source.attended("source"), target.attended("target"))
	if err != nil {
		return nil, err
	}
	exact := !slices.ContainsFunc(plan.Units, func(u datacopy.Unit) bool { return u.Estimate })
	if err := scope.names.Conclude(plan, "keys", exact); err != nil {
		return nil, err
	}
	if err := planWays(ctx, plan, req, source); err != nil {
		return nil, err
	}
	warn(plan, req, source, target)
	scope.warn(plan, req)
	return plan, nil
}

// planUnit adds one database.
func (e *Engine) planUnit(ctx context.Context, plan *datacopy.Plan, req datacopy.Request, scope *scope, p pair, source, target *server) error {
	count, exact, err := e.census(ctx, source, scope.source(), p.from)
	if err != nil {
		return err
	}
	unit := datacopy.Unit{
		Name: p.unit(), Noun: "keys", Count: count, Estimate: !exact,
		Bytes:       share(source.memory, count, total(source.databases)),
		Chunks:      int(count/scanCount) + 1,
		Fingerprint: fmt.Sprintf("%d>%d", p.from, p.to),
	}
	if req.Mask != nil {
		unit.Masked = []string{"keys that a rule is about"}
	}
	plan.Units = append(plan.Units, unit)
	if target.cluster && p.to != 0 {
		plan.Blockers = append(plan.Blockers, fmt.Sprintf("a cluster has database 0 only, and %s would go to %d", p.unit(), p.to))
		return nil
	}
	return e.planTarget(ctx, plan, scope, p, target)
}

// planTarget says what of the target would be lost.
func (e *Engine) planTarget(ctx context.Context, plan *datacopy.Plan, scope *scope, p pair, target *server) error {
	count, exact, err := e.census(ctx, target, scope.target(), p.to)
	if err != nil {
		return err
	}
	marked, err := target.marked(ctx, scope.to, p.to)
	if err != nil || count == 0 {
		return err
	}
	about := ""
	if !exact {
		about = "about "
	}
	if marked != "" {
		plan.Warnings = append(plan.Warnings, fmt.Sprintf("database %d of the target holds %s%s of a copy that did not end: they are overwritten", p.to, about, datacopy.Counted(count, "keys")))
		return nil
	}
	plan.Overwrites = append(plan.Overwrites, fmt.Sprintf("database %d holds %s%s", p.to, about, datacopy.Counted(count, "keys")))
	return nil
}

// census counts the keys that are meant. The server's own count is exact; it
// is no help where a prefix or a glob leaves keys out: then a listing is, or,
// of a database with more keys than are worth that, a part of it.
func (e *Engine) census(ctx context.Context, s *server, side side, database int) (count int64, exact bool, err error) {
	all := s.databases[database]
	if side.whole() {
		return s.owned(ctx, all, database)
	}
	var seen, matched int64
	ended := true
	for _, node := range s.layout.Load().nodes {
		l := listing{server: s, side: side, database: database, node: node, retry: e.retrying(nil), unmatched: true}
		err := l.run(ctx, "0", func(p page) error {
			seen += int64(p.scanned)
			matched += int64(len(p.keys))
			// Whether one is there at all is always found out.
			if seen >= sampled && matched > 0 && all > 4*sampled {
				ended = false
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return 0, false, err
		}
	}
	if ended {
		return matched, true, nil
	}
	return matched * all / max(seen, 1), false, nil
}

// errEnough ends a listing that has told what was asked.
var errEnough = errors.New("enough")

// owned takes what is no data off the server's count of keys.
func (s *server) owned(ctx context.Context, all int64, database int) (int64, bool, error) {
	client := s.client(database)
	defer client.Close()
	for _, key := range []string{markKey, ownersKey} {
		n, err := client.Exists(ctx, key).Result()
		if err != nil {
			return 0, false, s.failed("counting the keys of", err)
		}
		all -= n
	}
	return all, true, nil
}

// marked gives the plan whose copy into this database did not end, or "".
func (s *server) marked(ctx context.Context, prefix string, database int) (string, error) {
	client := s.client(database)
	defer client.Close()
	id, err := client.HGet(ctx, prefix+markKey, "plan").Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return id, s.failed("looking for an earlier copy in", err)
}

// warn adds what is worth knowing beforehand.
func warn(plan *datacopy.Plan, req datacopy.Request, source, target *server) {
	if len(req.Subset) > 0 {
		plan.Blockers = append(plan.Blockers, "Redis knows no predicates: choose keys by include and exclude")
	}
	if req.MaxThreadsRunning > 0 || req.MaxReplicaLag > 0 {
		plan.Warnings = append(plan.Warnings, "Redis has no threads or lag to watch: limit the bytes a second instead")
	}
	if !target.knowsPayloads(source) {
		plan.Warnings = append(plan.Warnings, fmt.Sprintf(
			"the target (%s) does not know how the source (%s) packs values: they are written by type, which takes longer", target.product(), source.product()))
	}
	warnOfMemory(plan, target)
	if source.libraries > 0 {
		plan.NotKept = append(plan.NotKept, english.Plural(int(source.libraries), "library", "libraries")+" of functions: take FUNCTION DUMP and RESTORE")
	}
	if source.expiresFields() && !target.expiresFields() {
		plan.NotKept = append(plan.NotKept, fmt.Sprintf("expiry of single fields of hashes, which the target (%s) does not know", target.product()))
	}
}

// warnOfMemory compares what is copied with what the target may hold. Of a copy
// that replaces, or brings what differs, what is there does not come on top.
func warnOfMemory(plan *datacopy.Plan, target *server) {
	_, needed := plan.Totals()
	used := target.used
	if plan.Replace || plan.Mode == datacopy.Incremental {
		used = 0
	}
	if target.limit > 0 && used+needed > target.limit {
		plan.Warnings = append(plan.Warnings, fmt.Sprintf(
			"the target may use %s of memory (maxmemory), and the copy needs about %s: it may not fit, or drive other keys out",
			humanize.IBytes(uint64(target.limit)), humanize.IBytes(uint64(used+needed))))
	}
}

// warn says what names that are masked make impossible: which key of the
// source one of the target stands for cannot be told from its name.
func (s *scope) warn(plan *datacopy.Plan, req datacopy.Request) {
	if s.mask == nil {
		return
	}
	if !s.all {
		plan.Blockers = append(plan.Blockers, "the mask changes names of keys, which include and exclude cannot choose in the target: copy all keys")
	}
	if req.Delete {
		plan.Warnings = append(plan.Warnings, "keys whose names the mask changes are not removed from the target: replace it to be rid of old ones")
	}
}

func total(databases map[int]int64) (sum int64) {
	for _, keys := range databases {
		sum += keys
	}
	return sum
}

// share is the part of bytes that count of all have.
func share(bytes, count, all int64) int64 {
	if all == 0 {
		return 0
	}
	return int64(float64(bytes) * float64(count) / float64(all))
}
