// Package localhost knows where names below localhost lead: not every resolver
// does, and environments of a local cluster have such names.
package localhost

import (
	"net"
	"strings"
)

// Resolve gives host:port with the address 127.0.0.1 where the host is a name
// below localhost, whatever the resolver says (RFC 6761, section 6.3), and
// everything else as it is.
func Resolve(hostPort string) string {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil || !strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), ".localhost") {
		return hostPort
	}
	return net.JoinHostPort("127.0.0.1", port)
}
