package awstest

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

const (
	route53Root      = "/2013-04-01/"
	route53Namespace = "https://route53.amazonaws.com/doc/2013-04-01/"
	// pageSize is how many record sets a page may hold.
	pageSize = 300
)

// Route53 holds hosted zones and health checks.
type Route53 struct {
	clock    *Clock
	random   *source
	options  Options
	requests *bucket

	mu      sync.Mutex
	zones   map[string]*zone
	changes map[string]time.Time // in effect from then on
	checks  map[string]*healthCheck
	serial  int
}

func newRoute53(clock *Clock, random *source, options Options) *Route53 {
	r := &Route53{
		clock: clock, random: random, options: options, requests: newBucket(clock, options.Limits, awsaccount.Route53),
		zones: map[string]*zone{}, changes: map[string]time.Time{}, checks: map[string]*healthCheck{},
	}
	clock.onTick(r.probe)
	return r
}

// zone is a hosted zone.
type zone struct {
	id, name string
	sets     map[setKey]RecordSet
	// published are the versions that resolvers see, oldest first.
	published []version
	busyUntil time.Time
	batches   []string
}

type version struct {
	from time.Time
	sets map[setKey]RecordSet
}

// setKey names a record set within its zone.
type setKey struct{ name, kind, identifier string }

// RecordSet as the protocol has it.
type RecordSet struct {
	XMLName       xml.Name  `xml:"ResourceRecordSet"`
	Name          string    `xml:"Name"`
	Type          string    `xml:"Type"`
	SetIdentifier string    `xml:"SetIdentifier,omitempty"`
	Weight        *int      `xml:"Weight"`
	Region        string    `xml:"Region,omitempty"`
	Failover      string    `xml:"Failover,omitempty"`
	TTL           *int      `xml:"TTL"`
	Records       []record  `xml:"ResourceRecords>ResourceRecord"`
	Alias         *AliasSet `xml:"AliasTarget"`
	HealthCheck   string    `xml:"HealthCheckId,omitempty"`
}

type record struct {
	Value string `xml:"Value"`
}

// AliasSet is what an alias points at.
type AliasSet struct {
	Zone     string `xml:"HostedZoneId"`
	Name     string `xml:"DNSName"`
	Evaluate bool   `xml:"EvaluateTargetHealth"`
}

func (s RecordSet) key() setKey { return setKey{s.Name, s.Type, s.SetIdentifier} }

// Values of the records, or the alias's target.
func (s RecordSet) Values() []string {
	if s.Alias != nil {
		return []string{"alias " + s.Alias.Name}
	}
	var values []string
	for _, r := range s.Records {
		values = append(values, r.Value)
	}
	return values
}

// CreateZone makes a hosted zone and gives its ID.
func (r *Route53) CreateZone(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := r.nextID("Z")
	r.zones[id] = &zone{id: id, name: canonical(name), sets: map[setKey]RecordSet{}, published: []version{{}}}
	return id
}

func (r *Route53) nextID(letter string) string {
	r.serial++
	return fmt.Sprintf("%s%09d", letter, r.serial)
}

// Simple makes a simple record set, in effect at once. A TTL of 0 makes an
// alias of the first value.
func (r *Route53) Simple(zoneID, name, kind string, ttl int, values ...string) {
	set := RecordSet{Name: canonical(name), Type: kind}
	if ttl > 0 {
		set.TTL = &ttl
		for _, v := range values {
			set.Records = append(set.Records, record{v})
		}
	} else {
		set.Alias = &AliasSet{Zone: zoneID, Name: canonical(values[0]), Evaluate: true}
	}
	r.Put(zoneID, set)
}

// Put makes or replaces a record set as somebody else may do, in effect at once
// and without any rule.
func (r *Route53) Put(zoneID string, set RecordSet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	z := r.zones[zoneID]
	set.Name = canonical(set.Name)
	z.sets[set.key()] = set
	z.publish(r.clock.Now())
}

// Remove takes a record set away as somebody else may do.
func (r *Route53) Remove(zoneID string, set RecordSet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	z := r.zones[zoneID]
	delete(z.sets, set.key())
	z.publish(r.clock.Now())
}

// Sets are the record sets of a name, in the zone's order.
func (r *Route53) Sets(zoneID, name string) []RecordSet {
	r.mu.Lock()
	defer r.mu.Unlock()
	var sets []RecordSet
	for _, set := range sorted(r.zones[zoneID].sets) {
		if set.Name == canonical(name) {
			sets = append(sets, set)
		}
	}
	return sets
}

// All are the record sets of a zone, one a line.
func (r *Route53) All(zoneID string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, set := range sorted(r.zones[zoneID].sets) {
		all = append(all, set.String())
	}
	return all
}

func (z *zone) publish(from time.Time) {
	z.published = append(z.published, version{from: from, sets: maps.Clone(z.sets)})
}

// seen is what resolvers see.
func (z *zone) seen(now time.Time) map[setKey]RecordSet {
	var seen map[setKey]RecordSet
	for _, v := range z.published {
		if !v.from.After(now) {
			seen = v.sets
		}
	}
	return seen
}

// canonical is a name as Route 53 keeps it: in lower case, with a dot at the
// end, unusual characters as octal escapes.
func canonical(name string) string {
	name = strings.TrimSuffix(strings.ToLower(name), ".") + "."
	return strings.ReplaceAll(name, "*", `\052`)
}

// sorted gives record sets in the order of lists: by the labels of the name from
// the last to the first, then by type and identifier.
func sorted(sets map[setKey]RecordSet) []RecordSet {
	return slices.SortedFunc(maps.Values(sets), func(a, b RecordSet) int { return compareKeys(a.key(), b.key()) })
}

func compareKeys(a, b setKey) int {
	if c := strings.Compare(backwards(a.name), backwards(b.name)); c != 0 {
		return c
	}
	if c := strings.Compare(a.kind, b.kind); c != 0 {
		return c
	}
	return strings.Compare(a.identifier, b.identifier)
}

func backwards(name string) string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".") + "."
}

// call understands a request.
func (r *Route53) call(req *http.Request, body []byte) call {
	parts := strings.Split(strings.Trim(strings.TrimPrefix(req.URL.Path, route53Root), "/"), "/")
	id := ""
	if len(parts) > 1 {
		id = parts[1]
	}
	route := req.Method + " " + parts[0]
	if len(parts) > 2 {
		route += " " + parts[2]
	}
	operations := map[string]call{
		"GET hostedzone":         {operation: "GetHostedZone", do: func() (any, error) { return r.getZone(id) }},
		"GET hostedzone rrset":   {operation: "ListResourceRecordSets", do: func() (any, error) { return r.list(id, req.URL.Query()) }},
		"POST hostedzone rrset":  {operation: "ChangeResourceRecordSets", changes: true, do: func() (any, error) { return r.change(id, body) }},
		"GET change":             {operation: "GetChange", do: func() (any, error) { return r.getChange(id) }},
		"POST healthcheck":       {operation: "CreateHealthCheck", changes: true, do: func() (any, error) { return r.createCheck(body) }},
		"GET healthcheck status": {operation: "GetHealthCheckStatus", do: func() (any, error) { return r.checkStatus(id) }},
		"DELETE healthcheck":     {operation: "DeleteHealthCheck", changes: true, do: func() (any, error) { return r.deleteCheck(id) }},
	}
	c, ok := operations[route]
	if !ok {
		return call{operation: route, do: func() (any, error) { return nil, refuse("UnknownOperationException", "no %s", route) }}
	}
	c.invalid, c.values = "InvalidInput", valuesOfXML(body)
	do := c.do
	c.do = func() (any, error) {
		if err := r.requests.take(1); err != nil {
			return nil, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		return do()
	}
	return c
}

func (r *Route53) zone(id string) (*zone, error) {
	if z := r.zones[id]; z != nil {
		return z, nil
	}
	return nil, &failure{http.StatusNotFound, "NoSuchHostedZone", "No hosted zone found with ID: " + id}
}

type getZoneAnswer struct {
	XMLName xml.Name `xml:"GetHostedZoneResponse"`
	ID      string   `xml:"HostedZone>Id"`
	Name    string   `xml:"HostedZone>Name"`
	Caller  string   `xml:"HostedZone>CallerReference"`
	Private bool     `xml:"HostedZone>Config>PrivateZone"`
	Servers []string `xml:"DelegationSet>NameServers>NameServer"`
}

func (r *Route53) getZone(id string) (any, error) {
	z, err := r.zone(id)
	if err != nil {
		return nil, err
	}
	return getZoneAnswer{ID: "/hostedzone/" + z.id, Name: z.name, Caller: "test", Servers: []string{"ns-1.awsdns-00.org"}}, nil
}

type listAnswer struct {
	XMLName        xml.Name    `xml:"ListResourceRecordSetsResponse"`
	Sets           []RecordSet `xml:"ResourceRecordSets>ResourceRecordSet"`
	Truncated      bool        `xml:"IsTruncated"`
	MaxItems       int         `xml:"MaxItems"`
	NextName       string      `xml:"NextRecordName,omitempty"`
	NextType       string      `xml:"NextRecordType,omitempty"`
	NextIdentifier string      `xml:"NextRecordIdentifier,omitempty"`
}

func (r *Route53) list(id string, query url.Values) (any, error) {
	z, err := r.zone(id)
	if err != nil {
		return nil, err
	}
	size, _ := strconv.Atoi(query.Get("maxitems"))
	if size <= 0 || size > pageSize {
		size = pageSize
	}
	from := setKey{query.Get("name"), query.Get("type"), query.Get("identifier")}
	if from.name != "" {
		from.name = canonical(from.name)
	}
	answer := listAnswer{MaxItems: size}
	for _, set := range sorted(z.sets) {
		if from.name != "" && compareKeys(set.key(), from) < 0 {
			continue
		}
		if len(answer.Sets) == size {
			answer.Truncated, answer.NextName, answer.NextType, answer.NextIdentifier = true, set.Name, set.Type, set.SetIdentifier
			break
		}
		answer.Sets = append(answer.Sets, set)
	}
	return answer, nil
}

type changeInfo struct {
	XMLName   xml.Name
	ID        string `xml:"ChangeInfo>Id"`
	Status    string `xml:"ChangeInfo>Status"`
	Submitted string `xml:"ChangeInfo>SubmittedAt"`
}

func (r *Route53) changeInfo(element, id string) changeInfo {
	info := changeInfo{XMLName: xml.Name{Local: element}, ID: "/change/" + id, Status: "INSYNC", Submitted: r.clock.Now().UTC().Format(time.RFC3339)}
	if r.clock.Now().Before(r.changes[id]) {
		info.Status = "PENDING"
	}
	return info
}

func (r *Route53) getChange(id string) (any, error) {
	if _, ok := r.changes[id]; !ok {
		return nil, &failure{http.StatusNotFound, "NoSuchChange", "Could not find resource with ID: " + id}
	}
	return r.changeInfo("GetChangeResponse", id), nil
}
