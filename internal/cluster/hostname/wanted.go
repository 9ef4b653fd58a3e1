package hostname

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// ZoneWants is what the clusters of a zone want of it.
type ZoneWants struct {
	ZoneID string
	// Clusters that have hostnames in the zone, by name.
	Clusters []string
	// SecretName of the keys of AWS; see v1alpha1.DNS.
	SecretName string
	Settings   Settings
	// Contradiction between the clusters' settings: nothing can be done then.
	Contradiction string

	// candidates are hostnames that belong into the zone if no other zone of their
	// cluster has a longer name that they end in.
	candidates []candidate
}

type candidate struct {
	Wanted
	cluster string
}

// Zones gives what is wanted of each zone. Environments that are being deleted
// want nothing; of two that want one hostname the older gets it.
func Zones(clusters []v1alpha1.Cluster, envs []v1alpha1.Environment) []ZoneWants {
	clusters = slices.SortedFunc(slices.Values(clusters), func(a, b v1alpha1.Cluster) int { return cmp.Compare(a.Name, b.Name) })
	envs = slices.SortedFunc(slices.Values(envs), func(a, b v1alpha1.Environment) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name))
	})
	zones := map[string]*ZoneWants{}
	var order []string
	for i := range clusters {
		dns := dnsOf(&clusters[i])
		if dns == nil {
			continue
		}
		for _, zone := range dns.Zones {
			if zones[zone.HostedZoneID] == nil {
				zones[zone.HostedZoneID] = &ZoneWants{ZoneID: zone.HostedZoneID}
				order = append(order, zone.HostedZoneID)
			}
			zones[zone.HostedZoneID].join(&clusters[i], zone, envs)
		}
	}
	slices.Sort(order)
	var all []ZoneWants
	for _, id := range order {
		all = append(all, *zones[id])
	}
	return all
}

func dnsOf(c *v1alpha1.Cluster) *v1alpha1.DNS {
	if c.Spec.Routing == nil || c.DeletionTimestamp != nil {
		return nil
	}
	return c.Spec.Routing.DNS
}

// join adds what one cluster wants.
func (z *ZoneWants) join(c *v1alpha1.Cluster, zone v1alpha1.HostedZone, envs []v1alpha1.Environment) {
	dns := c.Spec.Routing.DNS
	settings := Settings{Owner: cmp.Or(dns.Owner, "landfall"), HandOver: dns.HandOver, TakeOver: z.Settings.TakeOver, Affixes: affixesOf(dns.ExternalDNS)}
	if len(z.Clusters) > 0 && (settings.Owner != z.Settings.Owner || settings.HandOver != z.Settings.HandOver || settings.Affixes != z.Settings.Affixes || dns.SecretName != z.SecretName) {
		z.Contradiction = fmt.Sprintf("clusters %s and %s differ in owner, handOver, externalDNS or secretName", strings.Join(z.Clusters, ", "), c.Name)
	}
	settings.TakeOver = slices.Concat(settings.TakeOver, dns.TakeOver)
	z.Settings, z.SecretName, z.Clusters = settings, dns.SecretName, append(z.Clusters, c.Name)
	target := targetOf(zone, dns)
	if dns.Wildcard {
		z.candidates = append(z.candidates, candidate{Wanted{"*." + c.Spec.Routing.Domain, "cluster/" + c.Name, target}, c.Name})
	}
	for i := range envs {
		env := &envs[i]
		if env.Status.Left != nil {
			z.Settings.Moving = append(z.Settings.Moving, Resource(env))
		}
		if env.DeletionTimestamp != nil || cmp.Or(env.Status.Cluster, env.Spec.Cluster) != c.Name {
			continue
		}
		for _, host := range Hosts(env) {
			if dns.Wildcard && env.Spec.TTL != nil && strings.HasSuffix(host, "."+c.Spec.Routing.Domain) {
				continue
			}
			z.candidates = append(z.candidates, candidate{Wanted{host, Resource(env), target}, c.Name})
		}
	}
}

func affixesOf(e *v1alpha1.ExternalDNS) Affixes {
	if e == nil {
		return Affixes{}
	}
	return Affixes{Prefix: e.TXTPrefix, Suffix: e.TXTSuffix, Wildcard: e.TXTWildcardReplacement}
}

func targetOf(zone v1alpha1.HostedZone, dns *v1alpha1.DNS) Target {
	t := Target{Values: zone.Records, TTL: int64(dns.TTL.Seconds())}
	if t.TTL <= 0 {
		t.TTL = 60
	}
	if a := zone.Alias; a != nil {
		t.Alias = &Alias{DNSName: strings.ToLower(strings.TrimSuffix(a.DNSName, ".")), HostedZoneID: a.HostedZoneID, EvaluateTargetHealth: a.EvaluateTargetHealth}
		t.IPv6 = a.IPv6
	}
	return t
}

// Resource names an environment in ownership records.
func Resource(env *v1alpha1.Environment) string {
	return "environment/" + env.Namespace + "/" + env.Name
}

// Hosts are the hostnames that an environment answers on: each public component
// has its own; where there is just one it has those of the environment, too.
func Hosts(env *v1alpha1.Environment) []string {
	var hosts []string
	for _, u := range env.Status.URLs {
		parsed, err := url.Parse(u.URL)
		if err != nil || parsed.Hostname() == "" {
			continue
		}
		host := parsed.Hostname()
		hosts = append(hosts, host)
		if whole, ok := strings.CutPrefix(host, u.Component+"."); ok && len(env.Status.URLs) == 1 {
			hosts = append(append(hosts, whole), env.Spec.Aliases...)
		}
	}
	return hosts
}

// In gives what is wanted in the zone, once the names of all zones are known: by
// zone ID. Hostnames that are in none of their cluster's zones come as refusals
// of the first of them.
func (z ZoneWants) In(names map[string]string, zonesOf map[string][]string) (wanted []Wanted, outside []Refusal) {
	for _, c := range z.candidates {
		longest := ""
		for _, id := range zonesOf[c.cluster] {
			if name := names[id]; in(strings.TrimPrefix(c.Hostname, "*."), name) && len(name) > len(longest) {
				longest = name
			}
		}
		switch {
		case longest == "" && zonesOf[c.cluster][0] == z.ZoneID:
			outside = append(outside, Refusal{Hostname: c.Hostname, Resource: c.Resource, Reason: "it is in none of the zones of cluster " + c.cluster})
		case longest != "" && longest == names[z.ZoneID]:
			wanted = append(wanted, c.Wanted)
		}
	}
	return wanted, outside
}

// ZonesOf are the zones of each cluster.
func ZonesOf(clusters []v1alpha1.Cluster) map[string][]string {
	all := map[string][]string{}
	for i := range clusters {
		if dns := dnsOf(&clusters[i]); dns != nil {
			for _, zone := range dns.Zones {
				all[clusters[i].Name] = append(all[clusters[i].Name], zone.HostedZoneID)
			}
		}
	}
	return all
}
