package route53

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// Config of a pair of sides under one name of a hosted zone.
type Config struct {
	// AWS is the account, with its limits: see awsaccount.
	AWS aws.Config
	// ZoneID of the hosted zone, without "/hostedzone/".
	ZoneID   string
	Hostname string
	// Migration owns the records while it runs: namespace/name.
	Migration string
	Old, New  Target
	// TTL of the records while traffic moves; DefaultTTL if zero.
	TTL time.Duration
	// DeadMan, if not nil, makes the router a working traffic.Watched.
	DeadMan *DeadMan
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Target is one side as DNS knows it: records or an alias.
type Target struct {
	// Name of the side: the set identifier of its records.
	Name string
	// Records are IP addresses of either kind, or one host name.
	Records []string
	Alias   *Alias
	// HealthCheckID of the side's own health check, if it has one. With a dead
	// man's switch only the old side can have one.
	HealthCheckID string
	// PinHostname is a name in the same zone that always leads to this side, for
	// people and checks; none if empty.
	PinHostname string
}

// Alias points at a load balancer or another resource of AWS.
type Alias struct {
	DNSName, ZoneID      string
	EvaluateTargetHealth bool
	// IPv6: the target answers to IPv6, too, and gets an AAAA alias.
	IPv6 bool
}

// Times of DNS.
const (
	// DefaultTTL is what AWS recommends beside aliases of load balancers.
	DefaultTTL = 60 * time.Second
	minTTL     = time.Second
	maxTTL     = 24 * time.Hour
	// aliasTTL is the time to live of aliases of load balancers.
	aliasTTL = 60 * time.Second
	// propagation is within what changes are in effect on all name servers, as
	// AWS says; waited for when the change cannot be asked for.
	propagation = 60 * time.Second
)

// maxChangedRecords is how many records one change may name, maxSetRecords how
// many a set may have.
const (
	maxChangedRecords = 1000
	maxSetRecords     = 400
)

var (
	hostLabel     = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	migrationName = regexp.MustCompile(`^[a-z0-9./-]{1,320}$`)
	zoneID        = regexp.MustCompile(`^[A-Z0-9]{1,32}$`)
)

// check gives the first thing that cannot be right, having filled in defaults.
func (c *Config) check() error {
	c.ZoneID = strings.TrimPrefix(c.ZoneID, "/hostedzone/")
	if !zoneID.MatchString(c.ZoneID) {
		return invalid("the hosted zone ID %q is none", c.ZoneID)
	}
	if err := checkName(c.Hostname); err != nil {
		return err
	}
	if !migrationName.MatchString(c.Migration) {
		return invalid("the migration's name %q cannot be written into an ownership record", c.Migration)
	}
	if c.TTL == 0 {
		c.TTL = DefaultTTL
	}
	if c.TTL < minTTL || c.TTL > maxTTL || c.TTL%time.Second != 0 {
		return invalid("the TTL %s is not between %s and %s in whole seconds", c.TTL, minTTL, maxTTL)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Old.Name == c.New.Name {
		return invalid("both sides are named %q", c.Old.Name)
	}
	for _, side := range []*Target{&c.Old, &c.New} {
		if err := side.check(c.Hostname); err != nil {
			return fmt.Errorf("side %s: %w", side.Name, err)
		}
	}
	if c.DeadMan != nil && (c.DeadMan.Heartbeat == nil || c.DeadMan.Silence < traffic.MinDeadMan) {
		return invalid("a dead man's switch needs a heartbeat and at least %s of silence", traffic.MinDeadMan)
	}
	if c.DeadMan != nil && c.New.HealthCheckID != "" {
		return invalid("the new side has a health check of its own, and a dead man's switch needs that place")
	}
	return c.checkPair()
}

// checkPair holds the sides against each other: weights work within one type of
// record.
func (c *Config) checkPair() error {
	old, new := c.Old.kinds(), c.New.kinds()
	if !slices.Equal(old, new) {
		return fault.New(fault.Invalid, "Give both sides records of the same types, or an alias in place of a host name.",
			"reading router settings of %s: the old side has records of type %v, the new one %v: weights work within one type", c.Hostname, old, new)
	}
	if n := 2*(len(c.Old.Records)+len(c.New.Records)) + 2; n > maxChangedRecords {
		return invalid("both sides together have too many records to be changed at once (%d, at most %d)", n, maxChangedRecords)
	}
	return nil
}

func (t *Target) check(hostname string) error {
	if t.Name == "" || len(t.Name) > 128 || strings.ContainsFunc(t.Name, func(r rune) bool { return r < '!' || r > '~' }) {
		return invalid("%q is no name for a set of records", t.Name)
	}
	if (len(t.Records) == 0) == (t.Alias == nil) {
		return invalid("give either records or an alias")
	}
	if t.Alias != nil {
		if !zoneID.MatchString(t.Alias.ZoneID) {
			return invalid("the alias's hosted zone ID %q is none", t.Alias.ZoneID)
		}
		return checkName(t.Alias.DNSName)
	}
	if len(t.Records) > maxSetRecords {
		return invalid("%d records, at most %d", len(t.Records), maxSetRecords)
	}
	for _, value := range t.Records {
		if _, err := netip.ParseAddr(value); err == nil {
			continue
		}
		if len(t.Records) > 1 {
			return invalid("%q: records are IP addresses, or one host name alone", value)
		}
		if err := checkName(value); err != nil {
			return err
		}
	}
	if t.PinHostname == "" {
		return nil
	}
	if canonical(t.PinHostname) == canonical(hostname) {
		return invalid("the name to ask for the side is the hostname itself")
	}
	return checkName(t.PinHostname)
}

// kinds of records that the side has, sorted.
func (t *Target) kinds() []types.RRType {
	kinds := map[types.RRType]bool{}
	switch {
	case t.Alias != nil:
		kinds[types.RRTypeA] = true
		if t.Alias.IPv6 {
			kinds[types.RRTypeAaaa] = true
		}
	default:
		for _, value := range t.Records {
			kinds[kindOf(value)] = true
		}
	}
	var sorted []types.RRType
	for _, kind := range []types.RRType{types.RRTypeA, types.RRTypeAaaa, types.RRTypeCname} {
		if kinds[kind] {
			sorted = append(sorted, kind)
		}
	}
	return sorted
}

func kindOf(value string) types.RRType {
	switch addr, err := netip.ParseAddr(value); {
	case err != nil:
		return types.RRTypeCname
	case addr.Is4():
		return types.RRTypeA
	}
	return types.RRTypeAaaa
}

// set is the side's record set of one type, without name and weight.
func (t *Target) set(kind types.RRType, ttl time.Duration) types.ResourceRecordSet {
	set := types.ResourceRecordSet{Type: kind}
	if t.HealthCheckID != "" {
		set.HealthCheckId = aws.String(t.HealthCheckID)
	}
	if t.Alias != nil {
		set.AliasTarget = &types.AliasTarget{DNSName: aws.String(canonical(t.Alias.DNSName)), HostedZoneId: aws.String(t.Alias.ZoneID), EvaluateTargetHealth: t.Alias.EvaluateTargetHealth}
		return set
	}
	set.TTL = aws.Int64(int64(ttl / time.Second))
	for _, value := range t.Records {
		if kindOf(value) == kind {
			set.ResourceRecords = append(set.ResourceRecords, types.ResourceRecord{Value: aws.String(value)})
		}
	}
	return set
}

func (c *Config) target(side traffic.Side) *Target {
	if side == traffic.New {
		return &c.New
	}
	return &c.Old
}

func checkName(name string) error {
	labels := strings.Split(strings.TrimSuffix(strings.ToLower(name), "."), ".")
	if labels[0] == "*" {
		labels = labels[1:]
	}
	if len(name) > 253 || len(labels) < 2 {
		return invalid("%.80q is no host name", name)
	}
	for _, label := range labels {
		if !hostLabel.MatchString(label) {
			return invalid("%.80q is no host name", name)
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "Correct the migration's route53 settings.", "reading router settings: "+format, args...)
}
