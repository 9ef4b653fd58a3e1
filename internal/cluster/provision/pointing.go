package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/hostname"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Pointer is something that still sends requests to a cluster.
type Pointer struct {
	// Kind is Migration or Record.
	Kind string `json:"kind"`
	// Name as NAMESPACE/NAME of a migration, or as the hostname of a record.
	Name string `json:"name"`
	Why  string `json:"why"`

	// own records are the cluster's, and go with it.
	own bool
}

// String reads "Record shop.example.org (CNAME lb.example.org, in zone
// example.org)".
func (p Pointer) String() string { return p.Kind + " " + p.Name + " (" + p.Why + ")" }

// pointers finds what points at the cluster: migrations and records. What cannot
// be read is an error: it may point there.
func (p *Provisioner) pointers(ctx context.Context, cluster *v1alpha1.Cluster) ([]Pointer, error) {
	var clusters v1alpha1.ClusterList
	var migrations v1alpha1.MigrationList
	if err := errors.Join(p.Client.List(ctx, &clusters), p.Client.List(ctx, &migrations)); err != nil {
		return nil, fmt.Errorf("looking for what points at cluster %s: %w", cluster.Name, err)
	}
	found := migrationsTo(cluster, migrations.Items)
	records, err := p.records(ctx, cluster, clusters.Items)
	return append(found, records...), err
}

// records finds those of the cluster's zones that lead to it.
func (p *Provisioner) records(ctx context.Context, cluster *v1alpha1.Cluster, all []v1alpha1.Cluster) ([]Pointer, error) {
	if cluster.Spec.Routing == nil || cluster.Spec.Routing.DNS == nil {
		return nil, nil
	}
	if p.DNS == nil {
		return nil, fault.New(fault.Failed, "", "reading the zones of cluster %s: no account is open", cluster.Name)
	}
	dns := cluster.Spec.Routing.DNS
	account, err := p.DNS(ctx, dns.SecretName)
	if err != nil {
		return nil, fmt.Errorf("reading the zones of cluster %s: %w", cluster.Name, err)
	}
	var found []Pointer
	for _, wanted := range dns.Zones {
		zone, err := account.Zone(ctx, wanted.HostedZoneID)
		if err != nil {
			return nil, fmt.Errorf("reading zone %s of cluster %s: %w", wanted.HostedZoneID, cluster.Name, err)
		}
		for _, pointing := range hostname.PointingAt(zone, cluster, all) {
			r := pointing.Record
			found = append(found, Pointer{
				Kind: "Record", Name: r.Name, Why: fmt.Sprintf("%s, in zone %s", strings.TrimPrefix(r.String(), r.Name+" "), zone.Name),
				own: pointing.Resource == "cluster/"+cluster.Name,
			})
		}
	}
	return found, nil
}

// migrationsTo finds migrations that send requests to a cluster, or may: those
// under way with one of their sides there, and of those that have ended the last
// one of a hostname, if it left the traffic there.
func migrationsTo(cluster *v1alpha1.Cluster, all []v1alpha1.Migration) []Pointer {
	last := map[string]*v1alpha1.Migration{}
	var found []Pointer
	for i := range all {
		m := &all[i]
		if phase := m.Status.Phase; phase != v1alpha1.MigrationFinished && phase != v1alpha1.MigrationReverted {
			if sideOn(cluster, m, true) || sideOn(cluster, m, false) {
				found = append(found, pointer(m, fmt.Sprintf("of %s, %s", m.Spec.Hostname, cmp.Or(string(phase), "not begun"))))
			}
			continue
		}
		if before := last[m.Spec.Hostname]; before == nil || seen(before).Before(seen(m)) {
			last[m.Spec.Hostname] = m
		}
	}
	for _, host := range slices.Sorted(maps.Keys(last)) {
		m := last[host]
		if sideOn(cluster, m, m.Status.Phase == v1alpha1.MigrationFinished) {
			found = append(found, pointer(m, "left all traffic of "+host+" there"))
		}
	}
	return found
}

func pointer(m *v1alpha1.Migration, why string) Pointer {
	return Pointer{Kind: "Migration", Name: m.Namespace + "/" + m.Name, Why: why}
}

func seen(m *v1alpha1.Migration) time.Time {
	if m.Status.SeenAt != nil {
		return m.Status.SeenAt.Time
	}
	return m.CreationTimestamp.Time
}

// sideOn says that a side of a migration, the new one or the old one, is on a
// cluster: a guard compares clusters, the side has the cluster's name, its URL is
// below the cluster's domain, or its records are what the cluster's hostnames
// lead to.
func sideOn(cluster *v1alpha1.Cluster, m *v1alpha1.Migration, fresh bool) bool {
	side := m.Spec.From
	if fresh {
		side = m.Spec.To
	}
	for _, guard := range m.Spec.Guards {
		if guard.Parity != nil {
			return fresh && guard.Parity.To == cluster.Name || !fresh && guard.Parity.From == cluster.Name
		}
	}
	return side.Name == cluster.Name || below(cluster, side.URL) || leadsTo(cluster, side.Route53)
}

// below says that a URL's host is one of a cluster's domain.
func below(cluster *v1alpha1.Cluster, address string) bool {
	parsed, err := url.Parse(address)
	if err != nil || cluster.Spec.Routing == nil || parsed.Hostname() == "" {
		return false
	}
	return strings.HasSuffix("."+parsed.Hostname(), "."+cluster.Spec.Routing.Domain)
}

func leadsTo(cluster *v1alpha1.Cluster, side *v1alpha1.Route53Side) bool {
	if side == nil || cluster.Spec.Routing == nil || cluster.Spec.Routing.DNS == nil {
		return false
	}
	return slices.ContainsFunc(cluster.Spec.Routing.DNS.Zones, func(z v1alpha1.HostedZone) bool {
		if side.Alias != nil || z.Alias != nil {
			return side.Alias != nil && z.Alias != nil && side.Alias.DNSName == z.Alias.DNSName
		}
		return slices.ContainsFunc(side.Records, func(r string) bool { return slices.Contains(z.Records, r) })
	})
}

// unpointed refuses while anything but the cluster's own records sends requests
// there, and says whether it has such. With force that is shown only.
func (w *work) unpointed(ctx context.Context, d *Destruction, force bool) (own bool, err error) {
	found, err := w.p.pointers(ctx, w.cluster)
	if err != nil {
		if !force || ctx.Err() != nil {
			return false, fault.Wrap(fault.Refused, err, "Let Landfall read it, or give --force: what points at the cluster does so on.")
		}
		d.Warnings = append(d.Warnings, err.Error()+": what points at the cluster does so on")
	}
	for _, p := range found {
		if p.own {
			own = true
		} else {
			d.Pointers = append(d.Pointers, p)
		}
	}
	if len(d.Pointers) == 0 || force {
		return own, nil
	}
	var names []string
	for _, p := range d.Pointers {
		names = append(names, p.String())
	}
	return own, fault.New(fault.Refused, "Finish or delete migrations (`landfall migrate`), and change the records; --force destroys it all the same.",
		"destroying cluster %s: requests are still sent to it by %s", w.cluster.Name, strings.Join(names, ", "))
}

// awaitOwnRecords waits until the controller has removed the records that were
// the cluster's own: nobody would once the cluster is forgotten.
func (w *work) awaitOwnRecords(ctx context.Context, patience time.Duration) error {
	step := w.reporter.Step("waiting for the cluster's own records to go")
	err := wait.PollUntilContextTimeout(ctx, time.Second, min(patience, recordsPatience), true, func(ctx context.Context) (bool, error) {
		found, err := w.p.pointers(ctx, w.cluster)
		return !slices.ContainsFunc(found, func(p Pointer) bool { return p.own }), err
	})
	if err != nil {
		step.Fail(err)
		return fault.Wrap(fault.Failed, fmt.Errorf("removing the records of cluster %s: %w", w.cluster.Name, err), "`landfall cluster hostnames "+w.cluster.Name+"` shows what holds them, and removes them.")
	}
	step.Done("gone")
	return nil
}

// recordsPatience is how long the controller may take for a zone.
const recordsPatience = 5 * time.Minute
