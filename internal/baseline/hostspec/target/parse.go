package target

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Options say how targets are reached.
type Options struct {
	// Sudo asks for root by `sudo -n` on local and ssh targets.
	Sudo bool
	SSH  SSHOptions
	// Pods makes the target of a pod. Nil means that pods cannot be reached.
	Pods func(PodRef) (Shell, error)
	// IsContext says whether the kubeconfig has a context of that name. Nil
	// means that none does.
	IsContext func(name string) bool
}

// PodRef names a container: pod://[context/]namespace/pod[/container].
type PodRef struct {
	// Context is a kubeconfig context, or empty for the current one.
	Context string
	// Container may be empty: the pod's default.
	Namespace, Pod, Container string
}

// String is the reference as written.
func (p PodRef) String() string {
	parts := []string{p.Namespace, p.Pod}
	if p.Context != "" {
		parts = append([]string{p.Context}, parts...)
	}
	if p.Container != "" {
		parts = append(parts, p.Container)
	}
	return "pod://" + strings.Join(parts, "/")
}

// Forms of targets, for help texts.
const Forms = "local, ssh://[user@]host[:port], pod://[context/]namespace/pod[/container], image://reference or tar://file"

// Parse reads one target as people write it. A context with slashes in its
// name is written with %2F. A word without scheme is a host for SSH.
func Parse(text string, options Options) (Target, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found && text != "local" {
		scheme, rest = "ssh", text
	}
	if rest == "" && text != "local" {
		return nil, invalid(text, "it names nothing")
	}
	switch {
	case text == "local":
		return Local{Sudo: options.Sudo}, nil
	case scheme == "ssh":
		return parseSSH(text, rest, options)
	case scheme == "pod":
		return parsePod(text, rest, options)
	case scheme == "image":
		return parseImage(text, rest)
	case scheme == "tar":
		return Archive{Path: rest}, nil
	}
	return nil, invalid(text, "unknown scheme "+strconv.Quote(scheme))
}

func invalid(text, why string) error {
	return fault.New(fault.Invalid, "Write "+Forms+".", "reading target %q: %s", text, why)
}

// Names as the client takes them: nothing that it would read as an option, and
// nothing that its configuration could hand to a shell.
var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9_:]([A-Za-z0-9_.:%-]*)$`)
	userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@\\-]*$`)
)

func parseSSH(text, rest string, options Options) (Target, error) {
	u, err := url.Parse("ssh://" + rest)
	switch {
	case err != nil:
		return nil, invalid(text, "it is no URL")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return nil, invalid(text, "nothing may follow the host and port")
	case !hostName.MatchString(u.Hostname()):
		return nil, invalid(text, "the host name has characters that none may have")
	case u.User.Username() != "" && !userName.MatchString(u.User.Username()):
		return nil, invalid(text, "the user name has characters that none may have")
	}
	if _, given := u.User.Password(); given {
		return nil, fault.New(fault.Invalid, "Use a key: in ssh-agent, or with --identity.", "reading target ssh://%s: passwords are not taken", u.Hostname())
	}
	host := SSH{User: u.User.Username(), Host: u.Hostname(), Options: options.SSH, Sudo: options.Sudo}
	if u.Port() != "" {
		if host.Port, err = strconv.Atoi(u.Port()); err != nil || host.Port < 1 || host.Port > 65535 {
			return nil, invalid(text, "the port is not from 1 to 65535")
		}
	}
	return host, nil
}

func parsePod(text, rest string, options Options) (Target, error) {
	parts := strings.Split(rest, "/")
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		if err != nil || plain == "" {
			return nil, invalid(text, "a part of it is empty or wrongly escaped")
		}
		parts[i] = plain
	}
	var ref PodRef
	switch len(parts) {
	case 2:
		ref = PodRef{Namespace: parts[0], Pod: parts[1]}
	case 3:
		// context/namespace/pod and namespace/pod/container look alike.
		if options.IsContext != nil && options.IsContext(parts[0]) {
			ref = PodRef{Context: parts[0], Namespace: parts[1], Pod: parts[2]}
			break
		}
		ref = PodRef{Namespace: parts[0], Pod: parts[1], Container: parts[2]}
	case 4:
		ref = PodRef{Context: parts[0], Namespace: parts[1], Pod: parts[2], Container: parts[3]}
	default:
		return nil, invalid(text, "it has not 2 to 4 parts")
	}
	if options.Pods == nil {
		return nil, fault.New(fault.Failed, "", "reading target %q: there is no way to pods here", text)
	}
	return options.Pods(ref)
}
