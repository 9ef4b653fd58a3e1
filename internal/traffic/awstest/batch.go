package awstest

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Limits of a batch of changes.
const (
	maxBatchRecords    = 1000
	maxBatchCharacters = 32000
	maxSetRecords      = 400
)

type changeRequest struct {
	XMLName xml.Name      `xml:"ChangeResourceRecordSetsRequest"`
	Changes []changeEntry `xml:"ChangeBatch>Changes>Change"`
}

type changeEntry struct {
	Action string    `xml:"Action"`
	Set    RecordSet `xml:"ResourceRecordSet"`
}

// change carries out a batch, as a whole or not at all.
func (r *Route53) change(id string, body []byte) (any, error) {
	z, err := r.zone(id)
	if err != nil {
		return nil, err
	}
	var request changeRequest
	if err := xml.Unmarshal(body, &request); err != nil {
		return nil, refuse("InvalidInput", "Invalid XML ; %v", err)
	}
	now := r.clock.Now()
	if now.Before(z.busyUntil) {
		return nil, refuse("PriorRequestNotComplete", "The request was rejected because Route 53 was still processing a prior request.")
	}
	if err := tooMuch(request.Changes); err != nil {
		return nil, err
	}
	for _, c := range request.Changes {
		if id := c.Set.HealthCheck; id != "" && c.Action != "DELETE" && r.checks[id] == nil {
			return nil, &failure{http.StatusNotFound, "NoSuchHealthCheck", "No health check exists with the ID " + id}
		}
	}
	sets, complaints := carryOut(z, request.Changes)
	if len(complaints) > 0 {
		return nil, refuse("InvalidChangeBatch", "[%s]", strings.Join(complaints, ", "))
	}
	z.sets = sets
	z.batches = append(z.batches, batchText(request.Changes))
	effective := now.Add(r.options.Propagation)
	z.publish(effective)
	z.busyUntil = now.Add(r.options.Work)
	changeID := r.nextID("C")
	r.changes[changeID] = effective
	return r.changeInfo("ChangeResourceRecordSetsResponse", changeID), nil
}

// Batches are the batches of a zone so far, as people read them.
func (r *Route53) Batches(zoneID string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.zones[zoneID].batches)
}

func batchText(changes []changeEntry) string {
	var text strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&text, "%s %s\n", c.Action, c.Set)
	}
	return text.String()
}

// String is the record set in one line.
func (s RecordSet) String() string {
	text := fmt.Sprintf("%s %s %s", s.Name, s.Type, strings.Join(s.Values(), " "))
	if s.TTL != nil {
		text += fmt.Sprintf(" ttl=%d", *s.TTL)
	}
	if s.Weight != nil {
		text += fmt.Sprintf(" %s=%d", s.SetIdentifier, *s.Weight)
	}
	if s.HealthCheck != "" {
		text += " check=" + s.HealthCheck
	}
	return text
}

// tooMuch holds a batch against its limits; an UPSERT counts twice.
func tooMuch(changes []changeEntry) error {
	records, characters := 0, 0
	for _, c := range changes {
		times := 1
		if c.Action == "UPSERT" {
			times = 2
		}
		records += times * max(1, len(c.Set.Records))
		for _, r := range c.Set.Records {
			characters += times * len(r.Value)
		}
	}
	switch {
	case len(changes) == 0:
		return refuse("InvalidInput", "1 validation error detected: Value '[]' at 'changeBatch.changes' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case records > maxBatchRecords:
		return refuse("InvalidChangeBatch", "[Number of records limit of %d exceeded.]", maxBatchRecords)
	case characters > maxBatchCharacters:
		return refuse("InvalidChangeBatch", "[RDATA character limit exceeded.]")
	}
	return nil
}

// carryOut gives the zone's record sets after the changes, and what is wrong
// with them. Deletions come first, as in Route 53, so that one batch can put one
// set in the place of another.
func carryOut(z *zone, changes []changeEntry) (map[setKey]RecordSet, []string) {
	sets := maps.Clone(z.sets)
	var complaints []string
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	for i := range changes {
		changes[i].Set.Name = canonical(changes[i].Set.Name)
	}
	for _, c := range changes {
		if c.Action != "DELETE" {
			continue
		}
		found, ok := sets[c.Set.key()]
		switch {
		case !ok:
			complain("Tried to delete resource record set %s but it was not found", label(c.Set))
		case !same(found, c.Set):
			complain("Tried to delete resource record set %s but the values provided do not match the current values", label(c.Set))
		default:
			delete(sets, c.Set.key())
		}
	}
	for _, c := range changes {
		if c.Action == "DELETE" {
			continue
		}
		if _, exists := sets[c.Set.key()]; exists && c.Action == "CREATE" {
			complain("Tried to create resource record set %s but it already exists", label(c.Set))
			continue
		}
		complaints = append(complaints, wrong(z, sets, c.Set)...)
		sets[c.Set.key()] = c.Set
	}
	return sets, complaints
}

func label(s RecordSet) string {
	text := fmt.Sprintf("[name='%s', type='%s'", s.Name, s.Type)
	if s.SetIdentifier != "" {
		text += fmt.Sprintf(", set identifier='%s'", s.SetIdentifier)
	}
	return text + "]"
}

// wrong says what keeps a record set from being made among others.
func wrong(z *zone, sets map[setKey]RecordSet, s RecordSet) []string {
	var complaints []string
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	if s.Name != z.name && !strings.HasSuffix(s.Name, "."+z.name) {
		complain("RRSet with DNS name %s is not permitted in zone %s", s.Name, z.name)
	}
	if s.Type == "CNAME" && s.Name == z.name {
		complain("RRSet of type CNAME with DNS name %s is not permitted at apex in zone %s", s.Name, z.name)
	}
	if (s.Alias == nil) == (len(s.Records) == 0) || (s.Alias != nil && s.TTL != nil) || (s.Alias == nil && s.TTL == nil) {
		complain("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]] in Change with %s", label(s))
	}
	if len(s.Records) > maxSetRecords {
		complain("RRSet with DNS name %s has too many records", s.Name)
	}
	if (s.SetIdentifier == "") != (s.Weight == nil && s.Region == "" && s.Failover == "") {
		complain("Invalid request: a set identifier and a routing policy go together in Change with %s", label(s))
	}
	if s.Weight != nil && (*s.Weight < 0 || *s.Weight > 255) {
		complain("Invalid weight %d", *s.Weight)
	}
	if a := s.Alias; a != nil && a.Zone == z.id && !slices.ContainsFunc(slices.Collect(maps.Keys(sets)), func(k setKey) bool { return k.name == canonical(a.Name) && k.kind == s.Type }) {
		complain("Tried to create an alias that targets %s, type %s in zone %s, but the alias target name was not found", a.Name, s.Type, z.id)
	}
	for key, other := range sets {
		if key.name != s.Name || key == s.key() {
			continue
		}
		switch {
		case (key.kind == "CNAME") != (s.Type == "CNAME"):
			complain("RRSet of type %s with DNS name %s is not permitted because a conflicting RRSet of type %s with the same DNS name already exists in zone %s", s.Type, s.Name, key.kind, z.name)
		case key.kind != s.Type:
		case (other.Weight == nil) != (s.Weight == nil) || other.Region != s.Region || other.Failover != s.Failover:
			complain("RRSet with DNS name %s, type %s, SetIdentifier %s cannot be created as a different RRSet with the same name and type already exists", s.Name, s.Type, s.SetIdentifier)
		case other.TTL != nil && s.TTL != nil && *other.TTL != *s.TTL:
			complain("RRSet with DNS name %s, type %s, SetIdentifier %s cannot be created because its TTL differs from that of its group", s.Name, s.Type, s.SetIdentifier)
		}
	}
	return complaints
}

// same tells whether two record sets say the same: the order of records does
// not matter.
func same(a, b RecordSet) bool {
	values := func(s RecordSet) string { return strings.Join(slices.Sorted(slices.Values(s.Values())), "\n") }
	alias := func(s RecordSet) AliasSet {
		if s.Alias == nil {
			return AliasSet{}
		}
		return AliasSet{s.Alias.Zone, canonical(s.Alias.Name), s.Alias.Evaluate}
	}
	number := func(n *int) int {
		if n == nil {
			return -1
		}
		return *n
	}
	return a.key() == b.key() && (a.Alias != nil || values(a) == values(b)) && alias(a) == alias(b) && number(a.TTL) == number(b.TTL) &&
		number(a.Weight) == number(b.Weight) && a.HealthCheck == b.HealthCheck && a.Region == b.Region && a.Failover == b.Failover
}
