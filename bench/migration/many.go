package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/bench/bar"
	"github.com/landfall-dev/landfall/bench/cluster"

	"github.com/landfall-dev/landfall/bench/harness"
)

const (
	project = "default"
	// manyInterval of guards, with so many of them.
	manyInterval = 2 * time.Second
	// watched is how long all of them are watched at once.
	watchedFor = time.Minute
	// late is how much longer than the interval a guard may be away.
	late = 1.2
)

// crowd is many migrations of one controller: each moves a backend of its own
// in one HAProxy, and asks an address of its own by its guard.
type crowd struct {
	*cluster.Cluster
	size  int
	site  *httptest.Server
	dir   string
	proxy *os.Process

	mu sync.Mutex
	// asked is when each migration's guard asked, since watching began.
	asked    map[string][]time.Time
	watching bool
}

// many measures what migrations cost that run at once, and whether any of them
// is looked after too late.
func many(ctx context.Context, o options) (err error) {
	c := &crowd{size: o.many}
	defer func() { err = cmp.Or(err, c.close()) }()
	if err := c.start(ctx, o); err != nil {
		return err
	}
	idle, err := c.usage(ctx)
	if err != nil {
		return err
	}
	if err := c.createAll(ctx); err != nil {
		return err
	}
	if err := c.allHold(ctx); err != nil {
		return err
	}
	before, err := c.usage(ctx)
	if err != nil {
		return err
	}
	if err := c.watch(ctx); err != nil {
		return err
	}
	after, err := c.usage(ctx)
	if err != nil {
		return err
	}
	return c.report(idle, before, after)
}

func (c *crowd) start(ctx context.Context, o options) (err error) {
	c.site = httptest.NewServer(http.HandlerFunc(c.answer))
	if c.dir, err = os.MkdirTemp("", "lfbm"); err != nil {
		return err
	}
	if err := c.startProxy(); err != nil {
		return err
	}
	if c.Cluster, err = cluster.Start(ctx, "bench-migration", cluster.Options{Landfall: o.landfall}); err != nil {
		return err
	}
	checks := `{"version": "landfall.dev/checks/v1", "url": "http://site.example", "checks": [{"name": "alive", "request": "GET /"}]}`
	normal := &v1alpha1.Baseline{ObjectMeta: named("normal"), Spec: v1alpha1.BaselineSpec{Checks: &runtime.RawExtension{Raw: []byte(checks)}}}
	if err := c.Create(ctx, normal); err != nil {
		return err
	}
	return c.Serve()
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: project, Name: name} }

// answer notes when a migration's guard asks: its number is in the path.
func (c *crowd) answer(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	c.mu.Lock()
	if c.watching {
		c.asked[name] = append(c.asked[name], time.Now())
	}
	c.mu.Unlock()
	fmt.Fprintln(w, "a lamp, a rope")
}

func (c *crowd) socket() string { return filepath.Join(c.dir, "s") }

func (c *crowd) startProxy() (err error) {
	var config strings.Builder
	address := strings.TrimPrefix(c.site.URL, "http://")
	fmt.Fprintf(&config, "global\n\tstats socket %s mode 600 level admin\n\tserver-state-file %s/state\ndefaults\n\tmode http\n\ttimeout connect 2s\n\ttimeout client 10s\n\ttimeout server 10s\n\tload-server-state-from-file global\n", c.socket(), c.dir)
	for i := range c.size {
		fmt.Fprintf(&config, "backend b%d\n\tbalance roundrobin\n\tserver old1 %s weight 100\n\tserver new1 %s weight 0\n", i, address, address)
	}
	c.proxy, err = startHAProxy(c.dir, config.String())
	return err
}

func (c *crowd) close() error {
	var err error
	if c.Cluster != nil {
		err = c.Close()
	}
	endHAProxy(c.proxy)
	c.site.Close()
	return errors.Join(err, os.RemoveAll(c.dir))
}

// used is what controllers and HAProxy have used so far.
type used struct {
	cluster.Usage
	at time.Time
}

// usage waits for the controllers to serve their metrics.
func (c *crowd) usage(ctx context.Context) (used, error) {
	for start := time.Now(); ; {
		u, err := c.Usage(ctx)
		if err == nil || time.Since(start) > 30*time.Second {
			return used{u, time.Now()}, err
		}
		if err := harness.Sleep(ctx, 200*time.Millisecond); err != nil {
			return used{}, err
		}
	}
}

func (c *crowd) createAll(ctx context.Context) error {
	log.Printf("creating %d migrations", c.size)
	for i := range c.size {
		side := func(name, server string) v1alpha1.MigrationSide {
			return v1alpha1.MigrationSide{Name: name, URL: c.site.URL + "/" + strconv.Itoa(i), HAProxy: &v1alpha1.HAProxySide{Servers: []string{server}}}
		}
		m := &v1alpha1.Migration{ObjectMeta: named(fmt.Sprintf("m%d", i)), Spec: v1alpha1.MigrationSpec{
			Hostname: fmt.Sprintf("shop%d.example", i),
			Router:   v1alpha1.MigrationRouter{HAProxy: &v1alpha1.HAProxyRouter{Instances: []string{"unix://" + c.socket()}, Backend: fmt.Sprintf("b%d", i)}},
			From:     side("old", "old1"), To: side("new", "new1"),
			Steps:    []v1alpha1.MigrationStep{{Weight: 1, Hold: metav1.Duration{Duration: time.Hour}}, {Weight: 100}},
			Interval: metav1.Duration{Duration: manyInterval},
			Guards:   []v1alpha1.MigrationGuard{{Name: "alive", Checks: &v1alpha1.ChecksGuard{Baseline: "normal"}}},
		}}
		if err := c.Client.Create(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// allHold waits until every migration holds its first step.
func (c *crowd) allHold(ctx context.Context) error {
	for start := time.Now(); ; {
		var list v1alpha1.MigrationList
		if err := c.Client.List(ctx, &list, client.InNamespace(project)); err != nil {
			return err
		}
		holding, other := 0, ""
		for i := range list.Items {
			if status := list.Items[i].Status; status.Phase == "Holding" {
				holding++
			} else if text, err := json.Marshal(status); err == nil {
				other = list.Items[i].Name + ": " + string(text)
			}
		}
		if holding == c.size {
			log.Printf("all hold after %s", time.Since(start).Round(100*time.Millisecond))
			bar.Figure("migration-many-all-hold", time.Since(start).Seconds(), "s")
			return nil
		}
		if time.Since(start) > 2*time.Minute {
			return fmt.Errorf("%d of %d migrations hold after two minutes: %s", holding, c.size, other)
		}
		if err := harness.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// watch notes for a while when guards ask.
func (c *crowd) watch(ctx context.Context) error {
	c.mu.Lock()
	c.asked, c.watching = map[string][]time.Time{}, true
	c.mu.Unlock()
	err := harness.Sleep(ctx, watchedFor)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watching = false
	return err
}

// report prints what migrations cost, and how late the latest guard was.
func (c *crowd) report(idle, before, after used) error {
	if len(c.asked) != c.size {
		return fmt.Errorf("guards of %d of %d migrations asked within %s", len(c.asked), c.size, watchedFor)
	}
	missed, readings, longest := 0, 0, time.Duration(0)
	for _, times := range c.asked {
		for i := 1; i < len(times); i++ {
			gap := times[i].Sub(times[i-1])
			longest = max(longest, gap)
			readings++
			if gap.Seconds() > late*manyInterval.Seconds() {
				missed++
			}
		}
	}
	seconds := after.at.Sub(before.at).Seconds()
	n := float64(c.size)
	log.Printf("%d readings of %d guards; the longest gap was %s", readings, c.size, longest.Round(time.Millisecond))
	bar.Figure("migration-many-cpu", 100*(after.CPU-before.CPU)/seconds, "% of a core")
	bar.Figure("migration-many-memory", (after.Memory-idle.Memory)/n, "MiB/migration")
	bar.Figure("migration-many-requests", 60*(after.Requests-before.Requests)/seconds/n, "API requests/migration/minute")
	bar.Exactly("migration-many-missed-intervals", float64(missed), "readings", 0)
	bar.AtMost("migration-many-longest-interval", longest.Seconds()/manyInterval.Seconds(), "x", late)
	return nil
}
