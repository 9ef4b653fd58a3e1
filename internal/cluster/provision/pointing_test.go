package provision

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/hostname"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// green is a cluster with hostnames below green.example.org at 192.0.2.7.
func green() *v1alpha1.Cluster {
	return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "green"}, Spec: v1alpha1.ClusterSpec{Routing: &v1alpha1.Routing{
		Domain: "green.example.org", DNS: &v1alpha1.DNS{Owner: "landfall", Zones: []v1alpha1.HostedZone{{HostedZoneID: "Z1", Records: []string{"192.0.2.7"}}}},
	}}}
}

func migration(name, host string, phase v1alpha1.MigrationPhase, from, to v1alpha1.MigrationSide, minute int, guards ...v1alpha1.MigrationGuard) *v1alpha1.Migration {
	at := metav1.NewMicroTime(time.Unix(int64(minute)*60, 0))
	return &v1alpha1.Migration{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       v1alpha1.MigrationSpec{Hostname: host, From: from, To: to, Guards: guards},
		Status:     v1alpha1.MigrationStatus{Phase: phase, SeenAt: &at},
	}
}

// zoneAccount answers for all zones; err instead, if it is set.
type zoneAccount struct {
	zone hostname.Zone
	err  error
}

func (a zoneAccount) Zone(context.Context, string) (hostname.Zone, error)   { return a.zone, a.err }
func (a zoneAccount) Apply(context.Context, string, []hostname.Step) error  { return nil }
func (a zoneAccount) open(context.Context, string) (hostname.Client, error) { return a, nil }
func record(name, kind string, values ...string) hostname.Record {
	return hostname.Record{Name: name, Type: kind, Values: values}
}
func side(name string) v1alpha1.MigrationSide    { return v1alpha1.MigrationSide{Name: name} }
func at(name, url string) v1alpha1.MigrationSide { return v1alpha1.MigrationSide{Name: name, URL: url} }
func parity(from, to string) v1alpha1.MigrationGuard {
	return v1alpha1.MigrationGuard{Name: "equal", Parity: &v1alpha1.ParityGuard{From: from, To: to, Namespaces: []string{"shop"}}}
}

func TestWhatPointsAtACluster(t *testing.T) {
	blue := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "blue"}, Spec: *green().Spec.DeepCopy()}
	blue.Spec.Routing.DNS.Zones[0].Records = []string{"192.0.2.8"}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	cl := fake.NewClientBuilder().WithScheme(scheme).WithObjects(green(), blue,
		migration("under-way", "a.example.org", v1alpha1.MigrationHolding, side("old"), at("new", "https://web.green.example.org"), 1),
		migration("elsewhere", "b.example.org", v1alpha1.MigrationHolding, side("old"), at("new", "https://web.evergreen.example.org"), 1),
		migration("came", "c.example.org", v1alpha1.MigrationFinished, side("vms"), side("k8s"), 1, parity("blue", "green")),
		migration("went", "d.example.org", v1alpha1.MigrationFinished, side("green"), side("red"), 2),
		migration("came-before", "d.example.org", v1alpha1.MigrationFinished, side("blue"), side("green"), 1),
		migration("returned", "e.example.org", v1alpha1.MigrationReverted, side("green"), side("red"), 1),
		migration("way-back", "f.example.org", v1alpha1.MigrationCompleted, side("green"), side("red"), 1),
	).Build()
	zone := hostname.Zone{ID: "Z1", Name: "example.org", Records: []hostname.Record{
		record("shop.example.org", "A", "192.0.2.7"), record("blog.example.org", "A", "192.0.2.8"),
		record("*.green.example.org", "A", "192.0.2.7"),
		record("a-*.green.example.org", "TXT", `"heritage=external-dns,external-dns/owner=landfall,external-dns/resource=cluster/green"`),
	}}
	p := New(Options{Client: cl, DNS: zoneAccount{zone: zone}.open})
	found, err := p.pointers(t.Context(), green())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, pointer := range found {
		got = append(got, map[bool]string{true: "own ", false: ""}[pointer.own]+pointer.String())
	}
	want := []string{
		"Migration shop/under-way (of a.example.org, Holding)",
		"Migration shop/way-back (of f.example.org, Completed)",
		"Migration shop/came (left all traffic of c.example.org there)",
		"Migration shop/returned (left all traffic of e.example.org there)",
		"Record shop.example.org (A 192.0.2.7, in zone example.org)",
		"own Record *.green.example.org (A 192.0.2.7, in zone example.org)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what points there (-want +got):\n%s", diff)
	}
}

func TestAClusterThatIsPointedAtGoesByForceOnly(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	cl := fake.NewClientBuilder().WithScheme(scheme).WithObjects(green()).Build()
	zone := hostname.Zone{ID: "Z1", Name: "example.org", Records: []hostname.Record{record("shop.example.org", "A", "192.0.2.7")}}
	for name, test := range map[string]struct {
		account  zoneAccount
		force    bool
		refused  string
		pointers int
		warnings int
	}{
		"pointed at":          {account: zoneAccount{zone: zone}, refused: "Record shop.example.org", pointers: 1},
		"by force":            {account: zoneAccount{zone: zone}, force: true, pointers: 1},
		"unreadable":          {account: zoneAccount{err: errors.New("throttled")}, refused: "throttled"},
		"unreadable by force": {account: zoneAccount{err: errors.New("throttled")}, force: true, warnings: 1},
		"nothing":             {account: zoneAccount{zone: hostname.Zone{ID: "Z1", Name: "example.org"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &work{p: New(Options{Client: cl, DNS: test.account.open}), cluster: green(), reporter: progress.Discard}
			d := &Destruction{}
			_, err := w.unpointed(t.Context(), d, test.force)
			if test.refused == "" && err != nil || test.refused != "" && (fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), test.refused)) {
				t.Errorf("the error is %v, want one with %q", err, test.refused)
			}
			if len(d.Pointers) != test.pointers || len(d.Warnings) != test.warnings {
				t.Errorf("shown are %v and %v", d.Pointers, d.Warnings)
			}
		})
	}
}
