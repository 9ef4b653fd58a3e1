package route53

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// checkInterval is how often Route 53 asks for the heartbeat: its quicker one.
const checkInterval = 10 * time.Second

// DeadMan says how Route 53 learns that Landfall lives: the new side's records
// carry a health check on a heartbeat. When it fails, Route 53 answers with the
// old side alone, at every weight, 0 included: it then takes records of weight 0
// for want of better ones.
type DeadMan struct {
	// URL under which Route 53's checkers reach Heartbeat from the internet.
	URL       string
	Heartbeat *Heartbeat
	// Silence after which traffic returns. Route 53 needs up to another time to
	// live until the last resolver has heard of it.
	Silence time.Duration
}

// watch is what this process knows of its dead man's switch.
type watch struct {
	// until is when the last beat runs out.
	until time.Time
	// struck: the switch was seen to have returned the traffic.
	struck bool
	// health of the heartbeat as the checkers saw it, and when that was asked.
	health traffic.Health
	asked  time.Time
}

// healthFor is how long an answer about the heartbeat is good for: checkers do
// not look more often.
const healthFor = checkInterval / 2

// Heartbeat answers Route 53's health checkers: 200 while a migration's process
// lives, 503 otherwise. It must be reached in the process that works on the
// migration. It is an http.Handler for paths that end in the migration's name,
// and safe for concurrent use.
type Heartbeat struct {
	// Now is the clock; time.Now if nil.
	Now func() time.Time

	mu    sync.Mutex
	until map[string]time.Time
}

// beat says that the migration's process lives, until then.
func (h *Heartbeat) beat(migration string, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until == nil {
		h.until = map[string]time.Time{}
	}
	h.until[migration] = until
}

// stop forgets the migration.
func (h *Heartbeat) stop(migration string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.until, migration)
}

// ServeHTTP says whether a migration's process lives.
func (h *Heartbeat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now
	if h.Now != nil {
		now = h.Now
	}
	w.Header().Set("Cache-Control", "no-store")
	if h.alive(strings.Trim(r.URL.Path, "/"), now()) {
		_, _ = w.Write([]byte("alive\n"))
		return
	}
	http.Error(w, "silent", http.StatusServiceUnavailable)
}

func (h *Heartbeat) alive(path string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for migration, until := range h.until {
		if path == migration || strings.HasSuffix(path, "/"+migration) {
			return now.Before(until)
		}
	}
	return false
}

// Arm is part of traffic.Watched. It fails as long as Route 53 does not see the
// heartbeat: nothing is armed then. Traffic that has returned does not come back
// because Landfall does: the health check is off the records before there is a
// heartbeat again, and that takes a Write.
func (r *Router) Arm(ctx context.Context, silence time.Duration, fence traffic.Fence) error {
	if err := fence.Check(); err != nil {
		return err
	}
	if r.cfg.DeadMan == nil {
		return fault.New(fault.Invalid, "Give the migration's route53 router a heartbeat URL.", "arming the dead man's switch of %s: there is no heartbeat that Route 53 could ask for", r.cfg.Hostname)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.known
	if f == nil {
		var err error
		if f, err = r.look(ctx); err != nil {
			return err
		}
	}
	if f.owner == nil || f.owner.check == "" {
		return fault.New(fault.Refused, "Prepare the migration first.", "arming the dead man's switch of %s: it has no health check", r.cfg.Hostname)
	}
	if err := r.mine(f, fence); err != nil {
		return err
	}
	if silence <= 0 {
		return r.disarm(ctx, f, fence)
	}
	return r.arm(ctx, f, silence, fence)
}

func (r *Router) arm(ctx context.Context, f *found, silence time.Duration, fence traffic.Fence) error {
	attached := r.attached(f)
	if attached && !r.watch.struck && r.cfg.Now().Before(r.watch.until) {
		r.beat(silence)
		return nil
	}
	health, err := r.heartbeatHealth(ctx, f.owner.check)
	if err != nil {
		return err
	}
	seen := health.Known && health.Healthy
	if attached && !seen {
		if r.weightOf(f) > traffic.None {
			r.watch.struck = true
			return fmt.Errorf("arming the dead man's switch of %s: it has struck, and traffic is to stay on the old side", r.cfg.Hostname)
		}
		if err := r.reweigh(ctx, f, traffic.None, "", fence, "the dead man's switch had struck"); err != nil {
			return err
		}
	}
	r.beat(silence)
	switch {
	case !seen:
		return fmt.Errorf("arming the dead man's switch of %s: Route 53 does not see the heartbeat at %s yet (%s)", r.cfg.Hostname, r.cfg.DeadMan.URL, health.Reason)
	case attached:
		return nil
	}
	return r.reweigh(ctx, f, r.weightOf(f), f.owner.check, fence, "arm the dead man's switch")
}

// disarm takes the health check off the new side's records.
func (r *Router) disarm(ctx context.Context, f *found, fence traffic.Fence) error {
	if !r.attached(f) {
		return nil
	}
	struck, err := r.struck(ctx, f)
	if err != nil {
		return err
	}
	w := r.weightOf(f)
	if struck {
		w = traffic.None
	}
	return r.reweigh(ctx, f, w, "", fence, "disarm the dead man's switch")
}

func (r *Router) reweigh(ctx context.Context, f *found, w traffic.Weight, check string, fence traffic.Fence, why string) error {
	changes, err := r.weigh(f, w, check)
	if err != nil || len(changes) == 0 {
		return err
	}
	o := *f.owner
	o.epoch, o.written = fence.Epoch(), r.cfg.Now()
	return r.apply(ctx, f, o, changes, fence, why)
}

func (r *Router) beat(silence time.Duration) {
	r.watch.until = r.cfg.Now().Add(silence)
	r.cfg.DeadMan.Heartbeat.beat(r.cfg.Migration, r.watch.until)
}

// attached tells whether the new side's records carry the health check.
func (r *Router) attached(f *found) bool {
	if f.owner == nil || f.owner.check == "" {
		return false
	}
	for _, kind := range r.cfg.New.kinds() {
		for _, set := range f.sets[kind] {
			if aws.ToString(set.SetIdentifier) == r.cfg.New.Name && aws.ToString(set.HealthCheckId) == f.owner.check {
				return true
			}
		}
	}
	return false
}

// struck tells whether the dead man's switch has returned the traffic.
func (r *Router) struck(ctx context.Context, f *found) (bool, error) {
	if !r.attached(f) {
		r.watch.struck = false
		return false, nil
	}
	health, err := r.heartbeatHealth(ctx, f.owner.check)
	if err != nil {
		return false, err
	}
	r.watch.struck = health.Known && !health.Healthy
	return r.watch.struck, nil
}

// heartbeatHealth asks what the checkers see of the heartbeat.
func (r *Router) heartbeatHealth(ctx context.Context, check string) (traffic.Health, error) {
	if r.cfg.Now().Sub(r.watch.asked) < healthFor {
		return r.watch.health, nil
	}
	health, err := r.checked(ctx, check)
	if err == nil {
		r.watch.health, r.watch.asked = health, r.cfg.Now()
	}
	return health, err
}

// checkFor is the health check that the new side is to carry at a weight: what
// it carries, but none when the switch has struck. Arm puts it back.
func (r *Router) checkFor(ctx context.Context, f *found, w traffic.Weight) (string, error) {
	switch {
	case !r.attached(f) || r.watch.struck:
		return "", nil
	case w > r.weightOf(f) && !r.cfg.Now().Before(r.watch.until):
		if struck, err := r.struck(ctx, f); struck || err != nil {
			return "", err
		}
	}
	return f.owner.check, nil
}

// awaitHeartbeat makes the health check and waits until it finds life.
func (r *Router) awaitHeartbeat(ctx context.Context, f *found, fence traffic.Fence) (*traffic.Preparation, error) {
	d := r.cfg.DeadMan
	if d == nil || r.attached(f) {
		return nil, nil
	}
	if f.owner.check == "" {
		return r.addCheck(ctx, f, fence)
	}
	if err := fence.Check(); err != nil {
		return nil, err
	}
	r.beat(d.Silence)
	health, err := r.heartbeatHealth(ctx, f.owner.check)
	if err != nil {
		return nil, err
	}
	if !health.Known || !health.Healthy {
		return &traffic.Preparation{Step: fmt.Sprintf("Route 53's checkers do not see the heartbeat at %s yet (%s)", d.URL, health.Reason), Wait: healthFor}, nil
	}
	return nil, nil
}

// addCheck makes the health check and writes its name down.
func (r *Router) addCheck(ctx context.Context, f *found, fence traffic.Fence) (*traffic.Preparation, error) {
	if err := fence.Check(); err != nil {
		return nil, err
	}
	id, err := r.createCheck(ctx, f.owner)
	if err != nil {
		return nil, err
	}
	o := *f.owner
	o.epoch, o.check = fence.Epoch(), id
	if _, err := r.submit(ctx, r.claim(f, o), fence, "health check "+id); err != nil {
		return nil, err
	}
	return &traffic.Preparation{Step: "made the health check " + id + " on the heartbeat", Wait: healthFor}, nil
}

// createCheck makes the health check, or finds the one that was made under the
// same claim.
func (r *Router) createCheck(ctx context.Context, o *owner) (string, error) {
	settings, err := r.cfg.DeadMan.settings(r.cfg.Migration)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(r.cfg.ZoneID + " " + r.name + " " + r.cfg.Migration))
	reference := "landfall-" + hex.EncodeToString(digest[:8]) + "-" + strconv.FormatInt(o.converted.Unix(), 10)
	out, err := r.client.CreateHealthCheck(ctx, &sdk.CreateHealthCheckInput{CallerReference: aws.String(reference), HealthCheckConfig: settings})
	if err != nil {
		return "", awsaccount.Explain(err, "creating a health check on the heartbeat at %s", r.cfg.DeadMan.URL)
	}
	if out.HealthCheck == nil || out.HealthCheck.Id == nil {
		return "", fmt.Errorf("creating a health check on the heartbeat at %s: the answer holds none", r.cfg.DeadMan.URL)
	}
	return *out.HealthCheck.Id, nil
}

// settings of the health check: it fails after as many looks as fit into the
// silence.
func (d *DeadMan) settings(migration string) (*types.HealthCheckConfig, error) {
	u, err := url.Parse(d.URL)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, invalid("the heartbeat URL %.80q is no address on the web", d.URL)
	}
	settings := &types.HealthCheckConfig{
		Type: types.HealthCheckTypeHttp, FullyQualifiedDomainName: aws.String(u.Hostname()), Port: aws.Int32(80),
		ResourcePath:     aws.String(strings.TrimSuffix(u.Path, "/") + "/" + migration),
		RequestInterval:  aws.Int32(int32(checkInterval / time.Second)),
		FailureThreshold: aws.Int32(int32(min(max(d.Silence/checkInterval, 1), 10))),
	}
	if u.Scheme == "https" {
		settings.Type, settings.Port, settings.EnableSNI = types.HealthCheckTypeHttps, aws.Int32(443), aws.Bool(true)
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		settings.Port = aws.Int32(int32(port))
	}
	return settings, nil
}

// deleteCheck removes the health check, which nothing uses any more.
func (r *Router) deleteCheck(ctx context.Context, id string, fence traffic.Fence) error {
	if id == "" {
		return nil
	}
	if err := fence.Check(); err != nil {
		return err
	}
	if _, err := r.client.DeleteHealthCheck(ctx, &sdk.DeleteHealthCheckInput{HealthCheckId: aws.String(id)}); err != nil {
		if code, _ := awsaccount.CodeAndMessage(err); code != "NoSuchHealthCheck" {
			return awsaccount.Explain(err, "deleting health check %s", id)
		}
	}
	if r.cfg.DeadMan != nil {
		r.cfg.DeadMan.Heartbeat.stop(r.cfg.Migration)
	}
	return nil
}
