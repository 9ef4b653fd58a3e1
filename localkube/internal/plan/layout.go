// Package plan computes, without any input or output, what a cluster is made
// of: its addresses, paths, names on the machine, processes and configuration
// files. Everything follows from state.Cluster and the folder it lives in, so
// that a later command finds what an earlier one made. Start reading at Layout.
package plan

import (
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/landfall-dev/landfall/localkube/internal/state"
)

const (
	// ClusterDomain is the DNS domain of every cluster.
	ClusterDomain = "cluster.local"
	// PauseImage is the image of the process that holds a pod's namespaces.
	PauseImage = "localkube.internal/pause:1"
	// CgroupRoot is the parent of the cgroups of all clusters.
	CgroupRoot = "localkube"
	// LinkPrefix begins the name of every host interface of a cluster.
	LinkPrefix = "lk"
	// EnvCluster marks every process of a cluster with the cluster's ID.
	EnvCluster = "LOCALKUBE_CLUSTER"

	// podBridge joins the pods in a node's namespace.
	podBridge = "cni0"

	apiServerPort     = 6443
	registryPort      = 5000
	dnsReadyPort      = 8181
	etcdPort          = 2379
	kubeletHealthPort = 10248
)

// Layout answers where everything of one cluster is.
type Layout struct {
	// Dir is the cluster's folder.
	Dir     string
	Cluster *state.Cluster
}

// New is the layout of the cluster c of the store.
func New(store state.Store, c *state.Cluster) Layout {
	return Layout{Dir: store.ClusterDir(c.Name), Cluster: c}
}

func (l Layout) path(elem ...string) string {
	return filepath.Join(append([]string{l.Dir}, elem...)...)
}

// Kubeconfig is the administrator's kubeconfig.
func (l Layout) Kubeconfig() string { return l.path("kubeconfig") }

// ContextName is the name of the cluster's context in its kubeconfig.
func (l Layout) ContextName() string { return "landfall-" + l.Cluster.Name }

// PKI is a file among the keys and certificates.
func (l Layout) PKI(file string) string { return l.path("pki", file) }

// ClientConfig is the kubeconfig of a component.
func (l Layout) ClientConfig(component string) string {
	return l.path("pki", component+".kubeconfig")
}

// LogDir holds one log file per component.
func (l Layout) LogDir() string { return l.path("logs") }

// Log is the log file of a component.
func (l Layout) Log(component string) string { return l.path("logs", component+".log") }

// RunDir holds what is of no worth after the processes end.
func (l Layout) RunDir() string { return l.path("run") }

// Socket is where the supervisor listens for commands.
func (l Layout) Socket() string { return l.path("run", "supervisor.sock") }

// NetpolSocket is where the network plugin reaches the network policy agent.
func (l Layout) NetpolSocket() string { return l.path("run", "netpol.sock") }

// CNIDir holds the network plugins of the nodes: links to the machine's and to
// our own.
func (l Layout) CNIDir() string { return l.path("cni-bin") }

// BinDir has the programs that the cluster runs: those of the build that
// started it last.
func (l Layout) BinDir() string { return l.path("bin") }

// VolumeDir holds the dynamic volumes.
func (l Layout) VolumeDir() string { return l.path("volumes") }

// PauseArchive is the image of the pause process, to be imported by nodes.
func (l Layout) PauseArchive() string { return l.path("pause.tar") }

// NodeDir holds all of one node.
func (l Layout) NodeDir(n state.Node) string { return l.path("nodes", n.Name) }

// NodePath is a path in the folder of a node.
func (l Layout) NodePath(n state.Node, elem ...string) string {
	return filepath.Join(append([]string{l.NodeDir(n)}, elem...)...)
}

// NodeRunDir holds the node's containerd state, of no worth after a stop.
func (l Layout) NodeRunDir(n state.Node) string { return l.NodePath(n, "run") }

// ContainerdSocket is where the node's containerd listens.
func (l Layout) ContainerdSocket(n state.Node) string {
	return l.NodePath(n, "containerd.sock")
}

// Bridge is the host interface that joins the namespaces of the cluster.
func (l Layout) Bridge() string { return LinkPrefix + l.Cluster.ID }

// ControlPlaneNetNS is the name of the control plane's network namespace.
func (l Layout) ControlPlaneNetNS() string { return "lk-" + l.Cluster.ID + "-cp" }

// NodeNetNS is the name of the node's network namespace.
func (l Layout) NodeNetNS(n state.Node) string {
	return fmt.Sprintf("lk-%s-%d", l.Cluster.ID, n.Index)
}

// nodeNetNSPattern matches the namespaces of the cluster's nodes.
func (l Layout) nodeNetNSPattern() string { return "lk-" + l.Cluster.ID + "-[0-9]*" }

// ControlPlaneVeth is the host's end of the control plane's cable.
func (l Layout) ControlPlaneVeth() string { return LinkPrefix + l.Cluster.ID + "cp" }

// NodeVeth is the host's end of the node's cable.
func (l Layout) NodeVeth(n state.Node) string {
	return fmt.Sprintf("%s%s%d", LinkPrefix, l.Cluster.ID, n.Index)
}

// NatTable is the nftables table of the cluster on the host.
func (l Layout) NatTable() string { return "localkube-" + l.Cluster.ID }

// CNINetwork is the name of the pod network in the nodes' CNI configuration.
func (l Layout) CNINetwork() string { return "lk-" + l.Cluster.ID }

// Cgroup is the parent of the cluster's cgroups, below the mount point.
func (l Layout) Cgroup() string { return CgroupRoot + "/" + l.Cluster.ID }

// NodeCgroup is the parent of the cgroups of the node's pods.
func (l Layout) NodeCgroup(n state.Node) string {
	return fmt.Sprintf("%s/%d", l.Cgroup(), n.Index)
}

// Address plan of a cluster's /16 (a.b.0.0):
//
//	a.b.0.0/24    the bridge (.1), the control plane (.2), nodes (.11 …)
//	a.b.16.0/20   services: the API server is the first, DNS the tenth
//	a.b.128.0/17  pods, a /24 per node

// HostIP is the host's address on the bridge and the gateway of all nodes.
func (l Layout) HostIP() netip.Addr { return l.addr(0, 1) }

// ControlPlaneIP is where the API server and the add-ons listen.
func (l Layout) ControlPlaneIP() netip.Addr { return l.addr(0, 2) }

// NodeIP is the address of the node.
func (l Layout) NodeIP(n state.Node) netip.Addr { return l.addr(0, byte(10+n.Index)) }

// NodeNetwork is the network of the bridge.
func (l Layout) NodeNetwork() netip.Prefix { return netip.PrefixFrom(l.addr(0, 0), 24) }

// ServiceNetwork is where ClusterIPs come from.
func (l Layout) ServiceNetwork() netip.Prefix { return netip.PrefixFrom(l.addr(16, 0), 20) }

// APIServiceIP is the ClusterIP of the service "kubernetes".
func (l Layout) APIServiceIP() netip.Addr { return l.addr(16, 1) }

// DNSServiceIP is the ClusterIP of the cluster's DNS.
func (l Layout) DNSServiceIP() netip.Addr { return l.addr(16, 10) }

// PodNetwork is where all pods are.
func (l Layout) PodNetwork() netip.Prefix { return netip.PrefixFrom(l.addr(128, 0), 17) }

// NodePods is where the pods of the node are.
func (l Layout) NodePods(n state.Node) netip.Prefix {
	return netip.PrefixFrom(l.addr(byte(128+n.Index-1), 0), 24)
}

func (l Layout) addr(third, fourth byte) netip.Addr {
	a := l.Cluster.Network.Addr().As4()
	return netip.AddrFrom4([4]byte{a[0], a[1], third, fourth})
}

// APIServer is the API server's address on the bridge.
func (l Layout) APIServer() netip.AddrPort {
	return netip.AddrPortFrom(l.ControlPlaneIP(), apiServerPort)
}

// Registry is the registry's address on the bridge.
func (l Layout) Registry() netip.AddrPort {
	return netip.AddrPortFrom(l.ControlPlaneIP(), registryPort)
}

// RegistryHost is how image references name the registry, on the host and in
// the nodes alike.
func (l Layout) RegistryHost() string {
	return fmt.Sprintf("localhost:%d", l.Cluster.RegistryPort)
}

// APIForward is the loopback address that leads to the API server.
func (l Layout) APIForward() netip.AddrPort { return loopback(l.Cluster.APIPort) }

// RegistryForward is the loopback address that leads to the registry.
func (l Layout) RegistryForward() netip.AddrPort { return loopback(l.Cluster.RegistryPort) }

func loopback(port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
}
