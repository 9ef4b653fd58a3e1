package legacyhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Fleet is what there is, and how to get at it.
type Fleet struct {
	Hosts []Host `json:"hosts"`
	// SSHConfig is a client configuration for all hosts: ssh -F FILE web1.
	SSHConfig string `json:"sshConfig"`
	// KnownHosts has the hosts' keys, Key opens them.
	KnownHosts string `json:"knownHosts"`
	Key        string `json:"key"`
}

// List gives the fleet; one without hosts where there is none.
func (m *Manager) List() (*Fleet, error) {
	hosts, err := m.hosts()
	if err != nil {
		return nil, err
	}
	return &Fleet{
		Hosts: hosts, SSHConfig: m.path("ssh_config"),
		KnownHosts: m.path("known_hosts"), Key: m.path("key"),
	}, nil
}

// Enter is the command that runs args as root in a host, without SSH; streams
// are the caller's to set.
func (m *Manager) Enter(ctx context.Context, name string, args []string) (*exec.Cmd, error) {
	h, err := m.running(name)
	if err != nil {
		return nil, err
	}
	if err := checkRoot(); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{
		"--target", strconv.Itoa(h.Init.PID), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--",
	}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "TERM=" + os.Getenv("TERM")}
	return cmd, nil
}

// SSH is the command that logs in to a host as the named login.
func (m *Manager) SSH(ctx context.Context, name, login string, args []string) (*exec.Cmd, error) {
	if _, err := m.running(name); err != nil {
		return nil, err
	}
	words := []string{"-F", m.path("ssh_config"), "-l", login, name}
	if len(args) > 0 {
		words = append(append(words, "--"), args...)
	}
	return exec.CommandContext(ctx, "ssh", words...), nil
}

func (m *Manager) running(name string) (Host, error) {
	hosts, err := m.hosts()
	if err != nil {
		return Host{}, err
	}
	i := slices.IndexFunc(hosts, func(h Host) bool { return h.Name == name })
	switch {
	case i < 0:
		return Host{}, fault.New(fault.NotFound, "`landfall local legacy list` shows what there is.", "host %s does not exist", name)
	case !hosts[i].Running:
		return Host{}, fault.New(fault.Failed, "Start it: landfall local legacy create.", "host %s does not run", name)
	}
	return hosts[i], nil
}

// key makes the fleet's key where there is none and gives its public half.
func (m *Manager) key() (string, error) {
	path := m.path("key")
	if _, err := os.Stat(path + ".pub"); errors.Is(err, fs.ErrNotExist) {
		_ = os.Remove(path)
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "landfall-legacy", "-f", path).CombinedOutput() //nolint:noctx // takes no time
		if err != nil {
			return "", fmt.Errorf("making a key for the legacy hosts: %w: %s", err, out)
		}
	}
	public, err := os.ReadFile(path + ".pub")
	if err != nil {
		return "", fmt.Errorf("reading the key of the legacy hosts: %w", err)
	}
	return strings.TrimSpace(string(public)), nil
}

// writeAccess writes what an SSH client needs: the hosts' keys and how to find
// them by name.
func (m *Manager) writeAccess(r *Recipe) error {
	hosts, err := m.hosts()
	if err != nil {
		return err
	}
	login := "root"
	if len(r.Logins) > 0 {
		login = r.Logins[0]
	}
	var config, known strings.Builder
	fmt.Fprintf(&config, "# Written by landfall local legacy create. Use it: ssh -F %s %s\n", m.path("ssh_config"), hosts[0].Name)
	for _, h := range hosts {
		fmt.Fprintf(&config, "Host %s %s\n\tHostName %[2]s\n", h.Name, h.Address)
		for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
			public, err := os.ReadFile(m.path("hosts", h.Name, "files/etc/ssh/ssh_host_"+kind+"_key.pub"))
			if err != nil {
				return fmt.Errorf("reading the SSH key of host %s: %w", h.Name, err)
			}
			words := strings.Fields(string(public))
			fmt.Fprintf(&known, "%s,%s %s\n", h.Name, h.Address, strings.Join(words[:min(2, len(words))], " "))
		}
	}
	fmt.Fprintf(&config, "Host %s\n\tUser %s\n\tIdentityFile %s\n\tIdentitiesOnly yes\n\tUserKnownHostsFile %s\n\tGlobalKnownHostsFile none\n\tStrictHostKeyChecking yes\n",
		names(hosts), login, m.path("key"), m.path("known_hosts"))
	if err := m.writeFile("known_hosts", []byte(known.String()), 0o644); err != nil {
		return err
	}
	return m.writeFile("ssh_config", []byte(config.String()), 0o644)
}

// names are the patterns of the hosts in ssh_config.
func names(hosts []Host) string {
	var all []string
	for _, h := range hosts {
		all = append(all, h.Name, h.Address.String())
	}
	return strings.Join(all, " ")
}

// hostsFile is the part of /etc/hosts that names the fleet.
func (s spot) hostsFile() string {
	var lines []string
	for _, h := range s.members {
		lines = append(lines, s.network.address(h.last).String()+"\t"+h.name)
	}
	return strings.Join(lines, "\n")
}

// sameRecipe refuses to lay hosts that there are onto layers of another
// recipe, and notes the recipe for the next time.
func (m *Manager) sameRecipe(r *Recipe, members []member) error {
	identity, err := r.whole()
	if err != nil {
		return err
	}
	hosts, err := m.hosts()
	if err != nil {
		return err
	}
	var noted struct{ Recipe, Identity string }
	if text, err := os.ReadFile(m.path("fleet.json")); err == nil {
		if err := json.Unmarshal(text, &noted); err != nil {
			return fmt.Errorf("reading fleet.json of the legacy hosts: %w", err)
		}
	}
	if len(hosts) > 0 && noted.Identity != "" && noted.Identity != identity {
		return fault.New(fault.Refused, "Delete them first: landfall local legacy delete.",
			"creating legacy hosts from the recipe %s: the hosts in %s are of another version or recipe (%s)", r.Name, m.Dir, noted.Recipe)
	}
	for _, h := range hosts {
		if !slices.ContainsFunc(members, func(w member) bool { return w.name == h.Name }) {
			return fault.New(fault.Refused, "Ask for as many hosts as there are, or delete them first: landfall local legacy delete.",
				"creating legacy hosts: host %s is there and would be one too many", h.Name)
		}
	}
	noted.Recipe, noted.Identity = r.Name, identity
	return m.writeJSON("fleet.json", noted)
}
