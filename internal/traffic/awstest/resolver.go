package awstest

import "time"

// aliasTTL is the time to live of aliases of load balancers, in seconds.
const aliasTTL = 60

// Resolver asks Route 53 and remembers the answer for as long as it may: one
// user's resolver, or an old program that resolves once.
type Resolver struct {
	// Forever never asks again.
	Forever bool

	dns     *Route53
	zone    string
	answers map[string]cached
}

type cached struct {
	values []string
	until  time.Time
}

// Resolver makes one that remembers nothing yet.
func (r *Route53) Resolver(zoneID string) *Resolver {
	return &Resolver{dns: r, zone: zoneID, answers: map[string]cached{}}
}

// Resolve gives the records of a name; nothing if there is none.
func (r *Resolver) Resolve(name, kind string) []string {
	key, now := name+" "+kind, r.dns.clock.Now()
	if answer, ok := r.answers[key]; ok && (r.Forever || now.Before(answer.until)) {
		return answer.values
	}
	set, ok := r.dns.answer(r.zone, name, kind)
	if !ok {
		return nil
	}
	ttl := aliasTTL
	if set.TTL != nil {
		ttl = *set.TTL
	}
	r.answers[key] = cached{values: set.Values(), until: now.Add(time.Duration(ttl) * time.Second)}
	return set.Values()
}

// answer picks one record set as Route 53's name servers do: by weight among the
// healthy ones; those with weight 0 only when all others are unhealthy, and
// all of them as if healthy when none is.
func (r *Route53) answer(zoneID, name, kind string) (RecordSet, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var sets []RecordSet
	for _, set := range sorted(r.zones[zoneID].seen(r.clock.Now())) {
		if set.Name == canonical(name) && set.Type == kind {
			sets = append(sets, set)
		}
	}
	weighted, idle := split(sets)
	for _, among := range [][]RecordSet{r.healthy(weighted), r.healthy(idle), weighted, idle} {
		if len(among) > 0 {
			return among[r.draw(among)], true
		}
	}
	return RecordSet{}, false
}

// split by whether the weight is 0.
func split(sets []RecordSet) (weighted, idle []RecordSet) {
	for _, set := range sets {
		if set.Weight != nil && *set.Weight == 0 {
			idle = append(idle, set)
		} else {
			weighted = append(weighted, set)
		}
	}
	return weighted, idle
}

func (r *Route53) healthy(sets []RecordSet) []RecordSet {
	var healthy []RecordSet
	for _, set := range sets {
		if check := r.checks[set.HealthCheck]; check == nil || check.isHealthy() {
			healthy = append(healthy, set)
		}
	}
	return healthy
}

func (r *Route53) draw(sets []RecordSet) int {
	total := 0
	for _, set := range sets {
		if set.Weight != nil {
			total += *set.Weight
		}
	}
	if total == 0 {
		return r.random.below(len(sets))
	}
	ball := r.random.below(total)
	for i, set := range sets {
		ball -= *set.Weight
		if ball < 0 {
			return i
		}
	}
	return len(sets) - 1
}
