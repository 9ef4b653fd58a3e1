package hostname

import (
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Pointing is a set of records that leads to a cluster.
type Pointing struct {
	Zone   string
	Record Record
	// Resource that an ownership record says it is for; "" where none does.
	Resource string
}

// PointingAt gives what leads, in a zone of a cluster, to the target of the
// cluster's hostnames, whoever made it. A target that another cluster of the zone
// has, too, stays when this one goes: nothing is told of it.
func PointingAt(zone Zone, cluster *v1alpha1.Cluster, clusters []v1alpha1.Cluster) []Pointing {
	target, there := targetIn(zone.ID, cluster)
	if !there {
		return nil
	}
	for i := range clusters {
		if other, there := targetIn(zone.ID, &clusters[i]); there && clusters[i].Name != cluster.Name && shared(target, other) {
			return nil
		}
	}
	var all []Pointing
	for _, r := range zone.Records {
		if leads(r) && leadsTo(r, target) {
			all = append(all, Pointing{Zone: zone.Name, Record: r, Resource: resourceOf(zone, r)})
		}
	}
	return all
}

// targetIn is what a cluster's hostnames lead to in a zone.
func targetIn(zoneID string, c *v1alpha1.Cluster) (Target, bool) {
	dns := dnsOf(c)
	if dns == nil {
		return Target{}, false
	}
	for _, zone := range dns.Zones {
		if zone.HostedZoneID == zoneID {
			return targetOf(zone, dns), true
		}
	}
	return Target{}, false
}

func shared(a, b Target) bool {
	if a.Alias != nil && b.Alias != nil {
		return bare(a.Alias.DNSName) == bare(b.Alias.DNSName)
	}
	return slices.ContainsFunc(a.Values, func(v string) bool { return leadsTo(Record{Values: []string{v}}, b) })
}

func leadsTo(r Record, to Target) bool {
	if r.Alias != nil {
		return to.Alias != nil && bare(r.Alias.DNSName) == bare(to.Alias.DNSName)
	}
	return slices.ContainsFunc(r.Values, func(v string) bool {
		// A CNAME of a load balancer is no alias, and leads there all the same.
		return slices.ContainsFunc(to.Values, func(w string) bool { return bare(v) == bare(w) }) || to.Alias != nil && bare(v) == bare(to.Alias.DNSName)
	})
}

// bare is a name as it is compared. Route 53's console writes aliases of load
// balancers with "dualstack." before them.
func bare(name string) string {
	return strings.TrimPrefix(strings.TrimSuffix(strings.ToLower(name), "."), "dualstack.")
}

// resourceOf reads the ownership record of a set.
func resourceOf(zone Zone, r Record) string {
	place := ownerName(r)
	for _, record := range zone.Records {
		if o, is := parseOwner(record); is && record.Name == place {
			return o.resource
		}
	}
	return ""
}
