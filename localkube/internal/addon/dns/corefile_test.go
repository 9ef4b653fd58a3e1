package dns

import (
	"strings"
	"testing"

	"github.com/coredns/caddy/caddyfile"
	"gotest.tools/v3/golden"
)

func TestCorefile(t *testing.T) {
	config := Config{Kubeconfig: `/var/lib/my "cluster"/dns.kubeconfig`, Address: "10.20.0.2", Domain: "cluster.local"}
	tests := map[string][]string{
		"offline":  nil,
		"upstream": {"192.0.2.1:53", "192.0.2.2:53"},
	}
	for name, upstreams := range tests {
		t.Run(name, func(t *testing.T) {
			got := string(corefile(config, upstreams))
			golden.Assert(t, got, name+".golden")
		})
	}
}

// A path is one token for CoreDNS's parser, whatever characters it has.
func TestCorefileKeepsPathsWhole(t *testing.T) {
	for _, path := range []string{"/plain", "/with blank", `/with "quotes"`, "/with {brace}", "/with#hash"} {
		text := corefile(Config{Kubeconfig: path, Address: "10.20.0.2", Domain: "cluster.local"}, nil)
		blocks, err := caddyfile.Parse("test", strings.NewReader(string(text)), []string{
			"bind", "errors", "health", "ready", "loadbalance", "cache", "kubernetes", "forward", "template"})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		tokens := blocks[0].Tokens["kubernetes"]
		found := false
		for _, token := range tokens {
			found = found || token.Text == path
		}
		if !found {
			t.Errorf("%s is not a token of %v", path, tokens)
		}
	}
}
