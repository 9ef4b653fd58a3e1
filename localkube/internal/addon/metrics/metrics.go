// Package metrics serves the resource metrics API (metrics.k8s.io) that
// `kubectl top` and the HorizontalPodAutoscaler read: metrics-server as a
// library, scraping every kubelet over verified TLS.
//
// It runs beside the API server in the control plane's network namespace; the
// APIService that routes to it is in package objects. metrics-server's own
// command is not used, because it was written for an older k8s.io/apiserver
// than the rest of this binary: this package assembles the same server from
// its parts.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"sigs.k8s.io/metrics-server/pkg/api"
	generatedopenapi "sigs.k8s.io/metrics-server/pkg/api/generated/openapi"
	"sigs.k8s.io/metrics-server/pkg/scraper/client"
	"sigs.k8s.io/metrics-server/pkg/server"
)

// User is the name of the client certificate, for the API server and the
// kubelets alike, that package objects grants the scraper's reads to.
const User = "localkube:metrics"

// Port is where Config.Address serves the API, over TLS.
const Port = 4443

// ServingName is the DNS name that the serving certificate must hold: the API
// server verifies it when it routes to the APIService.
const ServingName = "metrics-server.kube-system.svc"

const (
	kubeletPort = 10250
	// defaultResolution is as quick as metrics-server's storage allows, so that
	// an autoscaler sees a new load within two scrapes.
	defaultResolution = 10 * time.Second
	minResolution     = 10 * time.Second
)

// Config says where the metrics API is served and how it is filled.
type Config struct {
	// Kubeconfig reaches the API server as User. Its authority must also have
	// signed the kubelets' serving certificates.
	Kubeconfig string
	// Address is the one address to serve on.
	Address string
	// CertFile and KeyFile are the serving certificate, valid for ServingName.
	CertFile, KeyFile string
	// Resolution is the time between scrapes; at least 10 s.
	Resolution time.Duration
}

// AddFlags registers the component's command-line flags.
func (c *Config) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&c.Kubeconfig, "kubeconfig", "", "kubeconfig to reach the API server and the kubelets with")
	fs.StringVar(&c.Address, "address", "", "IP address to serve on")
	fs.StringVar(&c.CertFile, "tls-cert-file", "", "serving certificate")
	fs.StringVar(&c.KeyFile, "tls-private-key-file", "", "key of the serving certificate")
	fs.DurationVar(&c.Resolution, "resolution", defaultResolution, "time between scrapes")
}

func (c *Config) validate() error {
	if c.Kubeconfig == "" || c.CertFile == "" || c.KeyFile == "" {
		return errors.New("--kubeconfig, --tls-cert-file and --tls-private-key-file are required")
	}
	if _, err := netip.ParseAddr(c.Address); err != nil {
		return fmt.Errorf("--address: %w", err)
	}
	if c.Resolution < minResolution {
		return fmt.Errorf("--resolution %s: must be at least %s", c.Resolution, minResolution)
	}
	return nil
}

// Run scrapes and serves until ctx ends. It needs an API server that answers
// when it starts, and returns an error otherwise, to be started again.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("configuring metrics: %w", err)
	}
	restConfig, err := clientcmd.BuildConfigFromFlags("", cfg.Kubeconfig)
	if err != nil {
		return fmt.Errorf("reading kubeconfig for metrics: %w", err)
	}
	apiserver, err := apiserverConfig(cfg)
	if err != nil {
		return fmt.Errorf("configuring metrics API: %w", err)
	}
	metricsServer, err := server.Config{
		Apiserver:        apiserver,
		Rest:             protobuf(restConfig),
		Kubelet:          kubeletConfig(restConfig),
		MetricResolution: cfg.Resolution,
		ScrapeTimeout:    cfg.Resolution / 2,
	}.Complete()
	if err != nil {
		return fmt.Errorf("assembling metrics API: %w", err)
	}
	if err := metricsServer.RunUntil(ctx.Done()); err != nil {
		return fmt.Errorf("serving metrics API: %w", err)
	}
	return nil
}

// apiserverConfig sets up serving with delegated authentication: the API
// server vouches for its callers by request headers, all others by TokenReview.
func apiserverConfig(cfg Config) (*genericapiserver.Config, error) {
	serving := genericoptions.NewSecureServingOptions().WithLoopback()
	serving.BindAddress = netip.MustParseAddr(cfg.Address).AsSlice()
	serving.BindPort = Port
	serving.ServerCert.CertKey = genericoptions.CertKey{CertFile: cfg.CertFile, KeyFile: cfg.KeyFile}

	authentication := genericoptions.NewDelegatingAuthenticationOptions()
	authentication.RemoteKubeConfigFile = cfg.Kubeconfig
	authorization := genericoptions.NewDelegatingAuthorizationOptions()
	authorization.RemoteKubeConfigFile = cfg.Kubeconfig

	config := genericapiserver.NewConfig(api.Codecs)
	config.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()
	namer := openapinamer.NewDefinitionNamer(api.Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(generatedopenapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(generatedopenapi.GetOpenAPIDefinitions, namer)
	config.EnableProfiling = false

	if err := serving.ApplyTo(&config.SecureServing, &config.LoopbackClientConfig); err != nil {
		return nil, err
	}
	if err := authentication.ApplyTo(&config.Authentication, config.SecureServing, nil); err != nil {
		return nil, err
	}
	if err := authorization.ApplyTo(&config.Authorization); err != nil {
		return nil, err
	}
	return config, nil
}

func kubeletConfig(restConfig *rest.Config) *client.KubeletClientConfig {
	return &client.KubeletClientConfig{
		Client:              *rest.CopyConfig(restConfig),
		AddressTypePriority: []corev1.NodeAddressType{corev1.NodeInternalIP},
		Scheme:              "https",
		DefaultPort:         kubeletPort,
		UseNodeStatusPort:   true,
	}
}

// protobuf halves the work of watching pods, compared with JSON.
func protobuf(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	return config
}
