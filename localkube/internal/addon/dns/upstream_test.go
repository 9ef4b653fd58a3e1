package dns

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func TestUpstreamServers(t *testing.T) {
	tests := map[string]struct {
		file string
		want []string
	}{
		"some":                    {"search example.org\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n", []string{"192.0.2.1:53", "[2001:db8::1]:53"}},
		"loopback is unreachable": {"nameserver 127.0.0.53\nnameserver ::1\nnameserver 192.0.2.1\n", []string{"192.0.2.1:53"}},
		"none":                    {"search example.org\n", nil},
		"nonsense":                {"nameserver not-an-address\nnameserver\n\x00", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "resolv.conf")
			if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, upstreamServers(path)); diff != "" {
				t.Errorf("servers (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		if got := upstreamServers(filepath.Join(t.TempDir(), "absent")); got != nil {
			t.Errorf("got %v, want nothing", got)
		}
	})
}

func TestReachable(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// Whatever it answers, a server that answers can be asked.
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(r, dns.RcodeRefused))
	})}
	go server.ActivateAndServe()
	t.Cleanup(func() { server.Shutdown() })
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })

	answering, mute := conn.LocalAddr().String(), silent.LocalAddr().String()
	got := reachable(t.Context(), []string{mute, answering, "127.0.0.1:1"}, 500*time.Millisecond)
	if diff := cmp.Diff([]string{answering}, got); diff != "" {
		t.Errorf("reachable servers (-want +got):\n%s", diff)
	}
}
