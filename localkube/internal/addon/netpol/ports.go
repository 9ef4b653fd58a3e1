package netpol

import (
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// namedPort is a port by the name that containers give it.
type namedPort struct {
	protocol uint8
	name     string
}

// splitPorts separates the ports known by number from those that each pod
// decides by name. No ports at all means every packet.
func splitPorts(ports []networkingv1.NetworkPolicyPort) (numbers []portRange, names []namedPort) {
	if len(ports) == 0 {
		return []portRange{{}}, nil
	}
	for _, port := range ports {
		protocol := protocolNumber(port.Protocol)
		switch {
		case port.Port == nil:
			numbers = append(numbers, portRange{protocol: protocol})
		case port.Port.Type == intstr.String:
			names = append(names, namedPort{protocol: protocol, name: port.Port.StrVal})
		default:
			first, last := uint16(port.Port.IntVal), uint16(port.Port.IntVal)
			if port.EndPort != nil {
				last = uint16(*port.EndPort)
			}
			numbers = append(numbers, portRange{protocol: protocol, first: first, last: last})
		}
	}
	return numbers, names
}

func protocolNumber(protocol *corev1.Protocol) uint8 {
	if protocol == nil {
		return unix.IPPROTO_TCP
	}
	switch *protocol {
	case corev1.ProtocolUDP:
		return unix.IPPROTO_UDP
	case corev1.ProtocolSCTP:
		return unix.IPPROTO_SCTP
	default:
		return unix.IPPROTO_TCP
	}
}

// namedSockets finds the ports of those names at the endpoints.
func namedSockets(endpoints []endpoint, names []namedPort) []socket {
	var found []socket
	for _, name := range names {
		for _, e := range endpoints {
			for _, port := range e.ports {
				if port.Name == name.name && containerProtocol(port) == name.protocol {
					found = append(found, socket{addr: e.addr, protocol: name.protocol, port: uint16(port.ContainerPort)})
				}
			}
		}
	}
	return found
}

// hostSockets are the ports of the endpoints on the host that the ranges let
// through. Their address is shared with other processes, so only what is
// theirs may be reached.
func hostSockets(endpoints []endpoint, ranges []portRange) []socket {
	var found []socket
	for _, e := range endpoints {
		if !e.onHost {
			continue
		}
		for _, port := range e.ports {
			s := socket{addr: e.addr, protocol: containerProtocol(port), port: uint16(port.ContainerPort)}
			for _, r := range ranges {
				if r.contains(s) {
					found = append(found, s)
				}
			}
		}
	}
	return found
}

func containerProtocol(port corev1.ContainerPort) uint8 {
	if port.Protocol == "" {
		return unix.IPPROTO_TCP
	}
	return protocolNumber(&port.Protocol)
}

func (p portRange) contains(s socket) bool {
	if p == (portRange{}) {
		return true
	}
	return p.protocol == s.protocol && (p.last == 0 || p.first <= s.port && s.port <= p.last)
}
