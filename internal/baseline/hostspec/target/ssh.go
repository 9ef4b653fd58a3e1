package target

import (
	"context"
	"errors"
	"fmt"
	"github.com/landfall-dev/landfall/internal/result"
	"io"
	"net/url"
	"os/exec"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// SSH is a host reached by the OpenSSH client on PATH, which brings its
// configuration, agent, keys, jump hosts and known_hosts along (ADR 0057).
type SSH struct {
	// User, Host and Port as written; User and Port may be empty: then the
	// client's configuration decides. Host may be an alias from there.
	User, Host string
	Port       int
	// Options of the connection.
	Options SSHOptions
	// Sudo runs the collector as root where `sudo -n` allows it.
	Sudo bool
}

// SSHOptions are what the command line says about connections. Empty fields
// leave it to the client's configuration.
type SSHOptions struct {
	// Config stands in for ~/.ssh/config.
	Config string
	// KnownHosts stands in for the known_hosts files.
	KnownHosts string
	// Identity is the only key file to use.
	Identity string
	// Jump is a list of hosts to go through, as for ssh -J.
	Jump string
	// Program is the client; empty means "ssh".
	Program string
}

// Name is the host as a URL.
func (s SSH) Name() string {
	u := url.URL{Scheme: "ssh", Host: s.Host}
	if s.User != "" {
		u.User = url.User(s.User)
	}
	if strings.Contains(s.Host, ":") {
		u.Host = "[" + s.Host + "]"
	}
	if s.Port != 0 {
		u.Host += ":" + strconv.Itoa(s.Port)
	}
	return u.String()
}

// Compress: it travels over a network.
func (SSH) Compress() bool { return true }

// Run implements Shell in one session. It never asks: keys come from the agent
// or files, and hosts have to be known.
func (s SSH) Run(ctx context.Context, script io.Reader, stdout io.Writer) error {
	program := s.Options.Program
	if program == "" {
		program = "ssh"
	}
	err := run(exec.CommandContext(ctx, program, s.args()...), script, stdout)
	var exit *exitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fault.Wrap(fault.Failed, err, "Install the OpenSSH client: Landfall uses it for ssh:// targets.")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &exit) && exit.code == sshFailed:
		return s.explain(exit.stderr)
	}
	return err
}

// sshFailed is the exit code by which ssh tells its own failure from that of
// the remote command.
const sshFailed = 255

func (s SSH) args() []string {
	args := []string{
		"-T", "-a", "-x",
		"-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10",
		"-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3",
		"-o", "RemoteCommand=none", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no",
	}
	add := func(value string, words ...string) {
		if value != "" {
			args = append(args, words...)
		}
	}
	add(s.Options.Config, "-F", s.Options.Config)
	add(s.Options.KnownHosts, "-o", `UserKnownHostsFile="`+s.Options.KnownHosts+`"`, "-o", "GlobalKnownHostsFile=none")
	add(s.Options.Identity, "-i", s.Options.Identity, "-o", "IdentitiesOnly=yes")
	add(s.Options.Jump, "-J", s.Options.Jump)
	add(s.User, "-l", s.User)
	if s.Port != 0 {
		args = append(args, "-p", strconv.Itoa(s.Port))
	}
	// A login shell that knows no "exec a && exec b" still knows sh.
	return append(args, "--", s.Host, "exec sh -c '"+bootstrap(s.Sudo)+"'")
}

// explain turns the client's words into a cause and a next step. The texts are
// those of OpenSSH (sshconnect.c, ssh.c, packet.c).
func (s SSH) explain(stderr string) error {
	for _, known := range []struct{ text, cause, hint string }{
		{"REMOTE HOST IDENTIFICATION HAS CHANGED", "its host key is not the one in known_hosts",
			"Find out why: a new host, or somebody in between. If it is right, remove the old key: ssh-keygen -R " + s.knownName()},
		{"REVOKED", "its host key is revoked in known_hosts", "Do not connect before you know why."},
		{"Host key verification failed", "its host key is not in known_hosts",
			"Check its fingerprint, then add it: ssh-keyscan " + s.scanWords() + " >> ~/.ssh/known_hosts, or connect once with ssh."},
		{"Permission denied", "it accepts none of the keys" + s.asUser(),
			"Load the key into ssh-agent, name it with --identity or in ~/.ssh/config; `ssh " + s.Host + "` must work without asking."},
		{"Too many authentication failures", "it gave up before the right key was tried", "Name the key with --identity."},
		{"Could not resolve hostname", "its name does not resolve", "Check the name, or give it a HostName in ~/.ssh/config."},
		{"Connection refused", "nothing listens on its SSH port", "Is sshd running there, on that port?"},
		{"timed out", "it does not answer", "Check the address, the port and firewalls in between."},
		{"No route to host", "there is no route to it", "Check the address and the network."},
		{"Connection closed by", "it closed the connection", "Its SSH log says why (MaxStartups, hosts.deny, a full disk)."},
		{"Connection reset by", "it closed the connection", "Its SSH log says why (MaxStartups, hosts.deny, a full disk)."},
		{"Timeout, server", "it stopped answering half-way", "Is the host overloaded or gone? Capture it again."},
		{"not responding", "it stopped answering half-way", "Is the host overloaded or gone? Capture it again."},
		{"Bad configuration option", "the client's configuration is wrong: " + lastLine(stderr), "Correct the file, or choose another with --ssh-config."},
		{"Can't open user config file", "the client's configuration cannot be opened", "Check --ssh-config."},
	} {
		if strings.Contains(stderr, known.text) {
			return fault.New(fault.Failed, known.hint, "connecting: %s", known.cause)
		}
	}
	if stderr == "" {
		return errors.New("the connection broke")
	}
	return fmt.Errorf("connecting: %s", result.Clean(lastLine(stderr)))
}

func (s SSH) asUser() string {
	if s.User == "" {
		return ""
	}
	return " for user " + s.User
}

func (s SSH) knownName() string {
	if s.Port != 0 && s.Port != 22 {
		return fmt.Sprintf("'[%s]:%d'", s.Host, s.Port)
	}
	return s.Host
}

func (s SSH) scanWords() string {
	if s.Port != 0 && s.Port != 22 {
		return fmt.Sprintf("-p %d %s", s.Port, s.Host)
	}
	return s.Host
}
