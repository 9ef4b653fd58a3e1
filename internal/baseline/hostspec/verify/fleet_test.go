package verify

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/fault"
)

func TestFleet(t *testing.T) {
	base := `package: {nginx: {version: "%s", manager: dpkg}, php8.2-apcu: {version: 5.1}%s}, sysctl: {net.core.somaxconn: "%s", kernel.random.uuid: {volatile: "%s"}}, php-setting: {fpm memory_limit: %s}`
	fleet := &Fleet{Rules: []hostspec.Rule{{Exclude: "system/hostname", Reason: "differs by nature"}}}
	base = strings.ReplaceAll(base, "version: 5.1", `version: "5.1"`)
	fleet.Add("web1", read(t, "web1", "salt: aa", fmt.Sprintf(base, "1.22", "", "4096", "a", "512M")+", system: {hostname: web1}"))
	fleet.Add("web2", read(t, "web2", "salt: aa", fmt.Sprintf(base, "1.22", "", "4096", "b", "128M")+", system: {hostname: web2}"))
	fleet.Add("web3", read(t, "web3", "salt: aa", fmt.Sprintf(base, "1.20", `, telnetd: {version: "0.17"}`, "4096", "c", "{unknown: needs root}")+", system: {hostname: web3}, cron: {root x: 5 4 * * *}"))
	fleet.Add("web4", read(t, "web4", "salt: aa\nunknown: {sysctl: no such program}", `package: {nginx: {version: "1.22", manager: dpkg}}, cron: {root x: 6 4 * * *}`))
	drift := fleet.Drift()
	var text strings.Builder
	if err := drift.Write(&text, false); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, text.String(), "fleet.golden")
	document, err := json.MarshalIndent(drift, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, string(document)+"\n", "fleet.json.golden")
	if fault.ExitCode(drift.Err()) != fault.ExitNotHolding {
		t.Errorf("error %v", drift.Err())
	}
}

func TestFleetOfEqualsDoesNotDeviate(t *testing.T) {
	fleet := &Fleet{}
	for i := range 3 {
		fleet.Add(fmt.Sprint("web", i), read(t, "web", "salt: aa", `package: {nginx: {version: "1"}}, environment: {"x PASSWORD": {secret: "1111111111111111"}}`))
	}
	if drift := fleet.Drift(); drift.Err() != nil || drift.Items != 2 {
		t.Errorf("%+v", drift)
	}
	fleet.Add("other", read(t, "web", "salt: bb", `package: {nginx: {version: "1"}}, environment: {"x PASSWORD": {secret: "2222222222222222"}}`))
	drift := fleet.Drift()
	if len(drift.Deviations) != 0 || len(drift.Unknown) != 1 || fault.ExitCode(drift.Err()) != fault.ExitFailed {
		t.Errorf("secrets with other salts cannot be compared: %+v", drift)
	}
}

// TestFleetMemoryFollowsDifferences adds 200 hosts of 2,000 items of which few
// differ.
func TestFleetMemoryFollowsDifferences(t *testing.T) {
	host := func(n int) *hostspec.Spec {
		spec := &hostspec.Spec{Host: "web", Salt: "aa"}
		for i := range 2000 {
			version := fmt.Sprintf("1.%d", i)
			if i == n {
				version = "other"
			}
			spec.Add(hostspec.Package, fmt.Sprintf("p%d", i), hostspec.Attribute{Name: "version", Value: hostspec.Text(version)})
		}
		spec.Sort()
		return spec
	}
	heap := func() int64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	fleet, before, began := &Fleet{}, heap(), time.Now()
	for n := range 200 {
		fleet.Add(fmt.Sprint("web", n), host(n))
	}
	drift := fleet.Drift()
	grown := heap() - before
	t.Logf("200 hosts of 2,000 items: %v, %d kB", time.Since(began), grown>>10)
	if len(drift.Deviations) != 200 || len(drift.Deviations[0].Values[1].Hosts) != 1 {
		t.Errorf("%d deviations", len(drift.Deviations))
	}
	if grown > 16<<20 {
		t.Errorf("the fleet keeps %d MB", grown>>20)
	}
	runtime.KeepAlive(fleet)
}
