package awstest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Browser sends requests through a listener and keeps the load balancer's
// cookie, or does not.
type Browser struct {
	// Cookies: it keeps them.
	Cookies bool

	balancer *LoadBalancing
	listener string
	group    string
	until    time.Time
}

// Browser makes one that has no cookie yet.
func (l *LoadBalancing) Browser(listener string, cookies bool) *Browser {
	return &Browser{Cookies: cookies, balancer: l, listener: listener}
}

// Get sends a request to a host and gives the ARN of the target group that
// answers it.
func (b *Browser) Get(host string, headers map[string]string) (string, error) {
	l := b.balancer
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	for _, r := range l.of(b.listener) {
		if !r.matches(host, headers) {
			continue
		}
		actions := r.seen(now)
		if actions == nil {
			continue
		}
		f := actions[len(actions)-1].Forward
		group := b.choose(f, now)
		if g := l.groups[group]; g == nil || len(g.targets) == 0 {
			return "", fmt.Errorf("503: target group %q has no targets", group)
		}
		b.remember(f, group, now)
		return group, nil
	}
	return "", fmt.Errorf("404: no rule for %s", host)
}

// choose takes the cookie's group if the rule is sticky, else one by weight.
// The cookie counts more than the weight, 0 included.
func (b *Browser) choose(f *forward, now time.Time) string {
	sticky := f.Stickiness != nil && f.Stickiness.Enabled
	if sticky && b.Cookies && now.Before(b.until) && slices.ContainsFunc(f.Groups, func(g groupTuple) bool { return g.ARN == b.group }) {
		return b.group
	}
	total := 0
	for _, g := range f.Groups {
		total += g.Weight
	}
	if total == 0 {
		return ""
	}
	ball := b.balancer.random.below(total)
	for _, g := range f.Groups {
		if ball -= g.Weight; ball < 0 {
			return g.ARN
		}
	}
	return ""
}

// remember takes the cookie, whose time begins anew with each answer.
func (b *Browser) remember(f *forward, group string, now time.Time) {
	if f.Stickiness != nil && f.Stickiness.Enabled {
		b.group, b.until = group, now.Add(time.Duration(f.Stickiness.Seconds)*time.Second)
	}
}

// seen is what the load balancer's nodes do; nil before they know of the rule.
func (r *rule) seen(now time.Time) []action {
	var seen []action
	for _, v := range r.published {
		if !v.from.After(now) {
			seen = v.actions
		}
	}
	return seen
}

func (r *rule) matches(host string, headers map[string]string) bool {
	for _, c := range r.conditions {
		switch c.Field {
		case "host-header":
			if !slices.ContainsFunc(c.Hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
				return false
			}
		case "http-header":
			if !slices.Contains(c.Names, headers[c.Header]) {
				return false
			}
		}
	}
	return true
}
