package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// concurrency is how many requests one verb has under way at once.
const concurrency = 8

// Target is one cluster. Its clients are not throttled on our side: the server's
// priority and fairness is what shares it.
type Target struct {
	// Client reads and writes the cluster itself, without a cache.
	Client client.Client
	// Mapper knows the cluster's kinds; it asks again for unknown ones.
	Mapper meta.RESTMapper
	// Config reaches the cluster, for streaming logs and the like.
	Config *rest.Config

	name      string
	contact   *contact
	clientset kubernetes.Interface
	watches   *watches
	verdicts  *verdicts
}

// TargetOptions are what a Target can be told.
type TargetOptions struct {
	// Notify is called with the Environment whose object changed. It must not
	// block. Nil means that nobody wants to know.
	Notify func(environment types.NamespacedName)
	// Requests counts API requests by cluster and verb; nil means none.
	Requests *prometheus.CounterVec
}

// NewTarget makes a target without a Pool, for commands and tests. It does not
// connect. Close it.
func NewTarget(name string, config *rest.Config, opts TargetOptions) (*Target, error) {
	t := &Target{name: name, verdicts: newVerdicts()}
	t.Config = rest.CopyConfig(config)
	t.Config.QPS = -1
	t.Config.UserAgent = "landfall"
	t.Config.WarningHandler = rest.NoWarnings{}
	t.Config.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	t.contact = newContact(name, opts.Requests)
	t.Config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &transport{next, t.contact} })

	web, err := rest.HTTPClientFor(t.Config)
	if err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", name, err)
	}
	if t.Mapper, err = apiutil.NewDynamicRESTMapper(t.Config, web); err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", name, err)
	}
	t.Client, err = client.New(t.Config, client.Options{HTTPClient: web, Scheme: scheme.Scheme, Mapper: t.Mapper})
	if err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", name, err)
	}
	if t.clientset, err = kubernetes.NewForConfigAndClient(t.Config, web); err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", name, err)
	}
	if t.watches, err = newWatches(t.Config, web, opts.Notify); err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", name, err)
	}
	return t, nil
}

// Close stops watching. The target must not be used afterwards.
func (t *Target) Close() { t.watches.close() }

// Version asks the API server for its version, within 5 seconds. It is the
// cheap way to tell that a cluster is reachable.
func (t *Target) Version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	raw, err := t.clientset.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", fmt.Errorf("asking cluster %s for its version: %w", t.name, err)
	}
	var info version.Info
	if err := json.Unmarshal(raw, &info); err != nil {
		return "", fmt.Errorf("asking cluster %s for its version: %w", t.name, err)
	}
	return info.GitVersion, nil
}

// ID identifies the cluster, however it is reached: by the UID of the namespace
// that every cluster has from its beginning.
func (t *Target) ID(ctx context.Context) (types.UID, error) {
	system, err := t.getMetadata(ctx, namespaceKind, "", metav1.NamespaceSystem)
	if err != nil {
		return "", fmt.Errorf("identifying cluster %s: %w", t.name, err)
	}
	if system == nil {
		return "", fmt.Errorf("identifying cluster %s: it has no namespace %s", t.name, metav1.NamespaceSystem)
	}
	return system.UID, nil
}

// Requests counts the API requests made so far, by verb.
func (t *Target) Requests() map[string]int64 { return t.contact.counts() }
