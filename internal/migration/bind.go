package migration

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/baseline/metric/datadog"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy"
	"github.com/landfall-dev/landfall/internal/traffic/route53"
)

// Binder makes what a migration works with: its router and its guards. It reads
// what the object refers to in its own namespace. Safe for concurrent use.
type Binder struct {
	// Reader reads Secrets, Baselines and Environments.
	Reader client.Reader
	// Cluster gives a client of a Cluster by name, for routes there; "" is the
	// cluster that holds the Migration.
	Cluster func(ctx context.Context, name string) (client.Client, error)
	Clock   func() time.Time
	// AWS opens accounts; all that use one share its limits.
	AWS *awsaccount.Accounts
	// Datadog likewise.
	Datadog *datadog.Accounts
	// Parity compares clusters; nil where that cannot be done.
	Parity *Comparer
	// Heartbeat is asked by Route 53 whether migrations live; nil where nobody
	// could ask.
	Heartbeat *route53.Heartbeat
}

// Router makes the adapter that the object asks for. Nothing is asked of the
// router itself.
func (b Binder) Router(ctx context.Context, m *v1alpha1.Migration) (traffic.Router, error) {
	router, err := b.router(ctx, m)
	if err != nil {
		return nil, fault.Wrap(fault.ClassOf(err), fmt.Errorf("making the router of migration %s: %w", m.Name, err), fault.HintOf(err))
	}
	return router, nil
}

func (b Binder) router(ctx context.Context, m *v1alpha1.Migration) (traffic.Router, error) {
	switch r := m.Spec.Router; {
	case r.HAProxy != nil && m.Spec.From.HAProxy != nil && m.Spec.To.HAProxy != nil:
		return b.haproxy(ctx, m, r.HAProxy)
	case r.GatewayAPI != nil && m.Spec.From.GatewayAPI != nil && m.Spec.To.GatewayAPI != nil:
		return b.gatewayAPI(ctx, m, r.GatewayAPI)
	case r.ALB != nil && m.Spec.From.ALB != nil && m.Spec.To.ALB != nil:
		return b.alb(ctx, m, r.ALB)
	case r.Route53 != nil && m.Spec.From.Route53 != nil && m.Spec.To.Route53 != nil:
		return b.route53(ctx, m, r.Route53)
	}
	return nil, fault.New(fault.Invalid, "Name one of haproxy, gatewayAPI, alb and route53, and what it calls both sides.", "spec.router, spec.from and spec.to do not name one router")
}

func (b Binder) haproxy(ctx context.Context, m *v1alpha1.Migration, r *v1alpha1.HAProxyRouter) (traffic.Router, error) {
	secret, err := b.secret(ctx, m, r.TokenSecretName)
	if err != nil {
		return nil, err
	}
	router, err := haproxy.New(haproxy.Config{
		Instances: r.Instances, Backend: r.Backend,
		Old: m.Spec.From.HAProxy.Servers, New: m.Spec.To.HAProxy.Servers,
		OldName: m.Spec.From.Name, NewName: m.Spec.To.Name,
		// With its identity: one of the same name that comes later has other epochs.
		Owner: fmt.Sprintf("%s/%s (%s)", m.Namespace, m.Name, m.UID), Token: strings.TrimSpace(string(secret[keyToken])), CA: secret[keyCA],
	})
	if err != nil {
		return nil, err
	}
	return router, nil
}

// Keys of a Secret for watchdogs: the token, and the authorities of their
// certificates (optional).
const (
	keyToken = "token"
	keyCA    = "ca.crt"
)

// secret reads a Secret of the migration's namespace; none is empty.
func (b Binder) secret(ctx context.Context, m *v1alpha1.Migration, name string) (map[string][]byte, error) {
	if name == "" {
		return nil, nil
	}
	secret := &corev1.Secret{}
	err := b.Reader.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("Create it: kubectl -n %s create secret generic %s …", m.Namespace, name), "Secret %s does not exist", name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	return secret.Data, nil
}

// Places are the places where a migration's weights are: two migrations with a
// place in common would fight over it.
func Places(m *v1alpha1.Migration) []string {
	var places []string
	switch r := m.Spec.Router; {
	case r.HAProxy != nil:
		for _, instance := range r.HAProxy.Instances {
			places = append(places, fmt.Sprintf("backend %s of HAProxy %s", r.HAProxy.Backend, instance))
		}
	case r.GatewayAPI != nil:
		namespace := r.GatewayAPI.Namespace
		if namespace == "" {
			namespace = m.Namespace
		}
		places = append(places, fmt.Sprintf("rule %q of HTTPRoute %s/%s of cluster %q", r.GatewayAPI.Rule, namespace, r.GatewayAPI.Route, r.GatewayAPI.Cluster))
	case r.ALB != nil:
		places = append(places, "listener rule "+r.ALB.RuleARN)
	case r.Route53 != nil:
		places = append(places, fmt.Sprintf("records of %s in zone %s", m.Spec.Hostname, r.Route53.HostedZoneID))
	}
	return places
}
