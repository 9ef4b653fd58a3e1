package metrics

import (
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

func TestRunRefusesWrongConfig(t *testing.T) {
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"no certificate":  {func(c *Config) { c.CertFile = "" }, "--tls-cert-file"},
		"no address":      {func(c *Config) { c.Address = "everywhere" }, "--address"},
		"too often":       {func(c *Config) { c.Resolution = time.Second }, "at least 10s"},
		"no such cluster": {func(c *Config) { c.Kubeconfig = "/absent" }, "reading kubeconfig"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := Config{
				Kubeconfig: "/absent", Address: "127.0.0.1", CertFile: "tls.crt", KeyFile: "tls.key", Resolution: defaultResolution,
			}
			test.change(&config)
			err := Run(t.Context(), config)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// Kubelets are spoken to with the cluster's own credentials, and verified.
func TestKubeletsAreVerified(t *testing.T) {
	cluster := &rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: []byte("ca"), CertData: []byte("cert")}}
	kubelet := kubeletConfig(cluster)
	tls := kubelet.Client.TLSClientConfig
	if kubelet.Scheme != "https" || tls.Insecure || string(tls.CAData) != "ca" || string(tls.CertData) != "cert" {
		t.Errorf("kubelets are scraped by %s with %+v", kubelet.Scheme, tls)
	}
}
