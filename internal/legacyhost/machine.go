package legacyhost

import (
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// tools are the programs of this machine that hosts are made with, and the
// Debian packages that have them.
var tools = map[string]string{
	"mmdebstrap": "mmdebstrap",
	"ip":         "iproute2",
	"mount":      "mount",
	"nsenter":    "util-linux",
	"setpriv":    "util-linux",
	"ssh":        "openssh-client",
}

func checkRoot() error {
	if os.Geteuid() != 0 {
		return fault.New(fault.Refused, "Run it as root, for example with sudo.", "making legacy hosts: namespaces and networks of this machine need root")
	}
	return nil
}

// checkMachine says what is missing before anything is made.
func checkMachine() error {
	if err := checkRoot(); err != nil {
		return err
	}
	var missing []string
	for tool, pkg := range tools {
		if _, err := exec.LookPath(tool); err != nil && !slices.Contains(missing, pkg) {
			missing = append(missing, pkg)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		names := strings.Join(missing, " ")
		return fault.New(fault.Failed, "Run  apt-get install -y "+names, "making legacy hosts: Debian packages are missing: %s", names)
	}
	return nil
}
