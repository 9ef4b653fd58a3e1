// Package host looks at the machine: what it offers to a cluster, and what a
// person has to do when something is missing. It changes nothing. Start
// reading at Inspect and Check.
package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/localkube/internal/fault"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
)

// Install is the command that installs all that localkube needs on Debian.
const Install = "apt-get install -y containerd runc containernetworking-plugins iptables ipset conntrack"

// minFree is the free disk space below which nothing is begun.
const minFree = 2 << 30

// tools are the programs that a cluster runs, and who wants them.
var tools = []string{"containerd", "containerd-shim-runc-v2", "ctr", "runc", "iptables", "ipset", "mount"}

// cniDirs are where distributions put the CNI plugins.
var cniDirs = []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}

// CNIPlugins are the network plugins that nodes use.
var CNIPlugins = []string{"bridge", "host-local", "loopback", "portmap"}

// Inspect returns what the configuration of nodes depends on. dir is the
// folder where the nodes will keep containers.
func Inspect(dir string) (plan.Machine, error) {
	containerd, err := exec.LookPath("containerd")
	if err != nil {
		return plan.Machine{}, missing([]string{"containerd"})
	}
	cni, ok := findCNI()
	if !ok {
		return plan.Machine{}, missing([]string{"the CNI plugins bridge, host-local and portmap"})
	}
	return plan.Machine{
		Programs:    plan.Programs{Containerd: containerd, CNIDir: cni},
		Snapshotter: snapshotter(dir),
		ResolvConf:  resolvConf(),
	}, nil
}

// Check says whether a cluster can run on this machine, with its data in dir.
func Check(dir string) error {
	if os.Geteuid() != 0 {
		return fault.New(fault.Refused, errors.New("checking privileges: not root: namespaces, bridges and mounts need it"),
			"Run the command with sudo, or use a cluster that exists with --kubeconfig.")
	}
	if err := checkTools(); err != nil {
		return err
	}
	return CheckDisk(dir)
}

func checkTools() error {
	var absent []string
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			absent = append(absent, tool)
		}
	}
	if _, ok := findCNI(); !ok {
		absent = append(absent, "the CNI plugins bridge, host-local and portmap")
	}
	if len(absent) > 0 {
		return missing(absent)
	}
	return nil
}

func missing(what []string) error {
	return fault.New(fault.Refused,
		fmt.Errorf("looking for programs: not found: %s", strings.Join(what, ", ")),
		"Install them: "+Install)
}

// CheckDisk says whether dir has room for images and volumes.
func CheckDisk(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if errors.Is(err, unix.ENOENT) && dir != "/" {
			continue
		}
		if err != nil {
			return fmt.Errorf("looking at the disk of %s: %w", dir, err)
		}
		free := st.Bavail * uint64(st.Bsize)
		if free >= minFree {
			return nil
		}
		return fault.New(fault.Refused,
			fmt.Errorf("looking at the disk of %s: %d MiB free, at least %d MiB needed", dir, free>>20, minFree>>20),
			"Free some space, or choose another disk with --state-dir.")
	}
}

// Companions are the small programs that are installed beside localkube.
type Companions struct {
	// Pause is the process of a pod's sandbox.
	Pause string
	// Netpol is the network plugin that has network policies set up.
	Netpol string
}

// FindCompanions looks beside our own executable.
func FindCompanions() (Companions, error) {
	self, err := os.Executable()
	if err != nil {
		return Companions{}, fmt.Errorf("finding own executable: %w", err)
	}
	dir := filepath.Dir(self)
	c := Companions{Pause: filepath.Join(dir, "pause"), Netpol: filepath.Join(dir, "localkube-netpol")}
	for _, path := range []string{c.Pause, c.Netpol} {
		if _, err := os.Stat(path); err != nil {
			return Companions{}, fault.New(fault.Refused, fmt.Errorf("looking for a program of localkube: %w", err),
				fmt.Sprintf("Build it beside localkube: CGO_ENABLED=0 go build -o %s ./cmd/%s", path, filepath.Base(path)))
		}
	}
	return c, nil
}

func findCNI() (string, bool) {
	for _, dir := range cniDirs {
		complete := true
		for _, plugin := range CNIPlugins {
			if _, err := os.Stat(filepath.Join(dir, plugin)); err != nil {
				complete = false
			}
		}
		if complete {
			return dir, true
		}
	}
	return "", false
}

// snapshotter is overlayfs where the disk of dir can hold an overlay, as most
// can; an overlay (a container's own disk) cannot, and gets plain copies.
func snapshotter(dir string) string {
	tmp, err := os.MkdirTemp(dir, ".overlay-")
	if err != nil {
		return "native"
	}
	defer os.RemoveAll(tmp)
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		if os.Mkdir(filepath.Join(tmp, d), 0o700) != nil {
			return "native"
		}
	}
	merged := filepath.Join(tmp, "merged")
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", tmp)
	if unix.Mount("overlay", merged, "overlay", 0, options) != nil {
		return "native"
	}
	_ = unix.Unmount(merged, unix.MNT_DETACH)
	return "overlayfs"
}

// resolvConf prefers the real servers to the stub on loopback that
// systemd-resolved offers, which pods cannot reach.
func resolvConf() string {
	const resolved = "/run/systemd/resolve/resolv.conf"
	if _, err := os.Stat(resolved); err == nil {
		return resolved
	}
	return "/etc/resolv.conf"
}
