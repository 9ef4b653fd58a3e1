// Package hostname keeps the hostnames of environments in DNS: which records
// there shall be, and which changes lead there from what a zone has. It is pure;
// hostname/route53 reads and writes zones.
//
// Beside each record is one that says whose it is, in the format of external-dns
// (https://kubernetes-sigs.github.io/external-dns/latest/docs/registry/txt/), so
// that names can be taken over from it and handed back. Records of others are
// never changed. Start at Zones for what is wanted, and at Make for the plan.
package hostname

import (
	"slices"
	"strings"
)

// Types of record that hostnames have.
const (
	A     = "A"
	AAAA  = "AAAA"
	CNAME = "CNAME"
	TXT   = "TXT"
)

// Record is a set of records of one name and type.
type Record struct {
	// Name in lower case, without the dot at its end.
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	TTL    int64    `json:"ttl,omitempty"`
	Values []string `json:"values,omitempty"`
	Alias  *Alias   `json:"alias,omitempty"`
	// Routed sets share their name and type with others, by weight, region or the
	// like. They are a Migration's, or somebody's design: left alone.
	Routed bool `json:"routed,omitempty"`
}

// Alias points at a resource of AWS.
type Alias struct {
	DNSName              string `json:"dnsName"`
	HostedZoneID         string `json:"hostedZoneID"`
	EvaluateTargetHealth bool   `json:"evaluateTargetHealth,omitempty"`
}

// Zone is a hosted zone as it was read.
type Zone struct {
	ID      string
	Name    string
	Private bool
	Records []Record
}

// Target is what hostnames lead to: addresses, one host name, or an alias.
type Target struct {
	Values []string
	Alias  *Alias
	// IPv6: the alias's target answers to IPv6, too.
	IPv6 bool
	// TTL in seconds; an alias has its target's.
	TTL int64
}

// Wanted is a hostname that shall lead somewhere.
type Wanted struct {
	Hostname string
	// Resource that it is for, as environment/shop/staging.
	Resource string
	Target   Target
}

// records of the hostname, without those that say whose it is.
func (w Wanted) records() []Record {
	var all []Record
	if alias := w.Target.Alias; alias != nil {
		all = append(all, Record{Name: w.Hostname, Type: A, Alias: alias})
		if w.Target.IPv6 {
			all = append(all, Record{Name: w.Hostname, Type: AAAA, Alias: alias})
		}
		return all
	}
	for _, kind := range []string{A, AAAA, CNAME} {
		var values []string
		for _, v := range w.Target.Values {
			if typeOf(v) == kind {
				values = append(values, v)
			}
		}
		if len(values) > 0 {
			all = append(all, Record{Name: w.Hostname, Type: kind, TTL: w.Target.TTL, Values: values})
		}
	}
	return all
}

// same says that two sets give the same answers.
func (r Record) same(other Record) bool {
	if r.Name != other.Name || r.Type != other.Type || (r.Alias == nil) != (other.Alias == nil) || r.Routed != other.Routed {
		return false
	}
	if r.Alias != nil {
		return *r.Alias == *other.Alias
	}
	return r.TTL == other.TTL && slices.Equal(slices.Sorted(slices.Values(r.Values)), slices.Sorted(slices.Values(other.Values)))
}

// String is the set in a line.
func (r Record) String() string {
	if r.Alias != nil {
		return r.Name + " " + r.Type + " alias of " + r.Alias.DNSName
	}
	return r.Name + " " + r.Type + " " + strings.Join(r.Values, " ")
}

// in says that a name is a zone's or below it.
func in(name, zone string) bool { return name == zone || strings.HasSuffix(name, "."+zone) }
