package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/fault"
)

// TestLegacyShop runs the shop's own checks against its servers, of which web3
// has drifted.
func TestLegacyShop(t *testing.T) {
	config := os.Getenv("LANDFALL_LEGACY_SSH_CONFIG")
	if os.Getenv("LANDFALL_LEGACY") == "" || config == "" {
		t.Skip("needs the servers of `landfall local legacy create`: LANDFALL_LEGACY=1 and LANDFALL_LEGACY_SSH_CONFIG, as in `hack/test.sh legacy`")
	}
	checks := "../../../examples/legacy-shop/checks.yaml"
	web1, web3 := hostName(t, config, "web1"), hostName(t, config, "web3")

	out, other, code := landfall(t, "", "check", "run", checks, "--address", web1)
	if code != fault.ExitOK {
		t.Errorf("web1: exit code %d\n%s\n%s", code, out, other)
	}
	out, other, code = landfall(t, "", "check", "run", checks, "--address", web3, "--format", "tap")
	if code != fault.ExitNotHolding || !strings.Contains(out, "nothing is told about PHP › GET /info.php\n  ---\n  answer: fails") {
		t.Errorf("web3: exit code %d\n%s\n%s", code, out, other)
	}
	dump, err := exec.CommandContext(t.Context(), "ssh", "-F", config, "root@web1", "nginx -T 2>/dev/null").Output()
	if err != nil {
		t.Fatal(err)
	}
	out, other, code = landfall(t, string(dump), "check", "cover", checks, "--nginx", "-")
	if code != fault.ExitNotHolding || !strings.Contains(out, "location /export/\n    no check touches it") || !strings.Contains(out, "1 fails, 10 hold") {
		t.Errorf("coverage: exit code %d\n%s\n%s", code, out, other)
	}
	draft := filepath.Join(t.TempDir(), "draft.yaml")
	if _, other, code := landfall(t, "", "check", "record", "http://"+web1, "--host", "shop.example", "-o", draft, "--user", "customer@shop.example", "--password-env", "SHOP_CUSTOMER"); code != fault.ExitOK {
		t.Errorf("recording web1: exit code %d: %s", code, other)
	}
	if out, other, code := landfall(t, "", "check", "run", draft, "--address", web1); code != fault.ExitOK {
		t.Errorf("web1 does not hold what was recorded of it: exit code %d\n%s\n%s", code, out, other)
	}
}

// hostName is the address that OpenSSH's configuration gives a server.
func hostName(t *testing.T, config, server string) string {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), "ssh", "-F", config, "-G", server).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "hostname "); ok {
			return name
		}
	}
	t.Fatalf("%s has no HostName", server)
	return ""
}
