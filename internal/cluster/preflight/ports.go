package preflight

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// hostPort is a port of a node.
type hostPort struct {
	protocol corev1.Protocol
	port     int32
}

func (p hostPort) String() string { return fmt.Sprintf("%d/%s", p.port, p.protocol) }

// hostPorts that a pod takes on its node. In the host's network those are what
// its containers listen on; the API server fills that in for pods, but not for
// templates.
func hostPorts(spec *corev1.PodSpec) []hostPort {
	var ports []hostPort
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			for _, p := range containers[i].Ports {
				port := p.HostPort
				if port == 0 && spec.HostNetwork {
					port = p.ContainerPort
				}
				if port == 0 {
					continue
				}
				protocol := p.Protocol
				if protocol == "" {
					protocol = corev1.ProtocolTCP
				}
				ports = append(ports, hostPort{protocol, port})
			}
		}
	}
	return ports
}

// findPorts looks for ports of nodes that somebody else has.
func findPorts(w *world) []Finding {
	taken := w.takenPorts()
	var found []Finding
	for _, wl := range w.in.workloads {
		nodes, _ := w.place(wl)
		if len(nodes) == 0 {
			continue
		}
		for _, port := range hostPorts(&wl.pod.Spec) {
			found = append(found, w.hostPortFor(wl, port, nodes, taken)...)
		}
	}
	return append(found, w.nodePorts()...)
}

// takenPorts are the host ports in use by node, with a pod that uses each.
func (w *world) takenPorts() map[string]map[hostPort]string {
	ours := w.ours()
	taken := map[string]map[hostPort]string{}
	for i := range w.to.pods {
		p := &w.to.pods[i]
		if over(p) || ours(p) || p.Spec.NodeName == "" {
			continue
		}
		for _, port := range hostPorts(&p.Spec) {
			if taken[p.Spec.NodeName] == nil {
				taken[p.Spec.NodeName] = map[hostPort]string{}
			}
			taken[p.Spec.NodeName][port] = p.Namespace + "/" + p.Name
		}
	}
	return taken
}

func (w *world) hostPortFor(wl *workload, port hostPort, nodes []*corev1.Node, taken map[string]map[hostPort]string) []Finding {
	free, by := 0, ""
	for _, n := range nodes {
		if pod, used := taken[n.Name][port]; used {
			by = pod
		} else {
			free++
		}
	}
	wants := wl.max
	if wl.perNode {
		wants = len(nodes)
	}
	if wants <= free {
		return nil
	}
	f := Finding{
		Severity: wl.blocks(), Objects: []string{wl.key.String()}, Source: "https://kubernetes.io/docs/concepts/configuration/overview/",
		What:   fmt.Sprintf("host port %s is free on %d of %s its pods, and %d %s needed", port, free, taking(len(nodes)), wants, is(wants)),
		Remedy: "Add nodes, or use a Service instead of the host's port.",
	}
	if by != "" {
		f.What += "; pod " + by + " has it"
		f.Remedy = "Move one of both to other nodes or another port."
	}
	if wl.replicas <= free && !wl.perNode {
		f.Severity = Warn
	}
	return []Finding{f}
}

// taking counts nodes: "1 node that takes", "2 nodes that take".
func taking(nodes int) string {
	if nodes == 1 {
		return "1 node that takes"
	}
	return fmt.Sprintf("%d nodes that take", nodes)
}

func is(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// nodePorts that come with a Service and are another's on the target. Those
// that a cluster chose itself are chosen anew.
func (w *world) nodePorts() []Finding {
	taken := map[hostPort]string{}
	for i := range w.to.services {
		s := &w.to.services[i]
		for _, p := range s.Spec.Ports {
			taken[hostPort{p.Protocol, p.NodePort}] = s.Namespace + "/" + s.Name
		}
	}
	var found []Finding
	for i := range w.in.services {
		s := &w.in.services[i]
		for _, p := range s.Spec.Ports {
			by := taken[hostPort{p.Protocol, p.NodePort}]
			if p.NodePort == 0 || by == "" || by == s.Namespace+"/"+s.Name {
				continue
			}
			found = append(found, Finding{
				Severity: Block, Objects: []string{"Service " + s.Namespace + "/" + s.Name},
				What:   fmt.Sprintf("node port %d is that of Service %s on %s", p.NodePort, by, w.to.name),
				Remedy: "Take another port in one of both, or let the target choose.",
				Source: "https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport",
			})
		}
	}
	return found
}
