package plan

import (
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/localkube/internal/state"
)

// Process is one supervised process.
type Process struct {
	// Name is unique in the cluster and names the log file.
	Name string
	// Program is the path of the executable, or empty for localkube itself.
	Program string
	Args    []string
	Env     []string
	// NetNS is the name of the network namespace.
	NetNS string
	// Grace is how long the process may take to end when asked.
	Grace time.Duration
}

// Programs is where the executables of others are on this machine.
type Programs struct {
	Containerd string
	CNIDir     string
}

// memory bounds the Go heap of a component: soft limit and collector pace.
// A small cluster idles far below; a busy one is slowed, never killed.
func memory(limitMiB, gogc int) []string {
	return []string{fmt.Sprintf("GOMEMLIMIT=%dMiB", limitMiB), fmt.Sprintf("GOGC=%d", gogc)}
}

// Etcd keeps the objects. It listens on loopback in the control plane's own
// network namespace, where only the control plane can reach it.
func (l Layout) Etcd() Process {
	return l.controlPlane("etcd", memory(512, 100),
		"--data-dir", l.path("etcd"),
		"--listen", fmt.Sprintf("127.0.0.1:%d", etcdPort))
}

// APIServerProcess serves the Kubernetes API on the bridge.
func (l Layout) APIServerProcess() Process {
	return l.controlPlane("kube-apiserver", memory(1536, 100),
		"--advertise-address="+l.ControlPlaneIP().String(),
		"--bind-address="+l.ControlPlaneIP().String(),
		fmt.Sprintf("--secure-port=%d", apiServerPort),
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", etcdPort),
		"--service-cluster-ip-range="+l.ServiceNetwork().String(),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged",
		"--anonymous-auth=false",
		"--enable-aggregator-routing",
		"--kubelet-preferred-address-types=InternalIP",
		"--client-ca-file="+l.PKI("ca.crt"),
		"--tls-cert-file="+l.PKI("apiserver.crt"),
		"--tls-private-key-file="+l.PKI("apiserver.key"),
		"--kubelet-certificate-authority="+l.PKI("ca.crt"),
		"--kubelet-client-certificate="+l.PKI("apiserver-kubelet-client.crt"),
		"--kubelet-client-key="+l.PKI("apiserver-kubelet-client.key"),
		"--requestheader-client-ca-file="+l.PKI("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file="+l.PKI("front-proxy-client.crt"),
		"--proxy-client-key-file="+l.PKI("front-proxy-client.key"),
		"--service-account-issuer=https://kubernetes.default.svc."+ClusterDomain,
		"--service-account-key-file="+l.PKI("service-account.pub"),
		"--service-account-signing-key-file="+l.PKI("service-account.key"),
		"--profiling=false",
	)
}

// ControllerManager runs the built-in controllers. There is one of it, so it
// needs no election.
func (l Layout) ControllerManager() Process {
	return l.controlPlane("kube-controller-manager", memory(512, 100),
		"--kubeconfig="+l.ClientConfig("kube-controller-manager"),
		"--authentication-kubeconfig="+l.ClientConfig("kube-controller-manager"),
		"--authorization-kubeconfig="+l.ClientConfig("kube-controller-manager"),
		"--bind-address=127.0.0.1",
		"--leader-elect=false",
		"--use-service-account-credentials",
		"--service-account-private-key-file="+l.PKI("service-account.key"),
		"--root-ca-file="+l.PKI("ca.crt"),
		"--cluster-signing-cert-file="+l.PKI("ca.crt"),
		"--cluster-signing-key-file="+l.PKI("ca.key"),
		// A dead node is noticed in seconds, as one watches a test.
		"--node-monitor-period=2s",
		"--node-monitor-grace-period=20s",
		"--horizontal-pod-autoscaler-sync-period=5s",
		"--horizontal-pod-autoscaler-cpu-initialization-period=30s",
		"--horizontal-pod-autoscaler-initial-readiness-delay=5s",
		"--profiling=false",
	)
}

// Scheduler binds pods to nodes.
func (l Layout) Scheduler() Process {
	return l.controlPlane("kube-scheduler", memory(384, 100),
		"--kubeconfig="+l.ClientConfig("kube-scheduler"),
		"--authentication-kubeconfig="+l.ClientConfig("kube-scheduler"),
		"--authorization-kubeconfig="+l.ClientConfig("kube-scheduler"),
		"--bind-address=127.0.0.1",
		"--leader-elect=false",
		"--profiling=false",
	)
}

// Containerd runs the node's containers. Its shims outlive it.
func (l Layout) Containerd(n state.Node, programs Programs) Process {
	return Process{
		Name:    "containerd@" + n.Name,
		Program: programs.Containerd,
		Args:    []string{"--config", l.NodePath(n, "containerd.toml")},
		Env:     l.env(memory(256, 50)),
		NetNS:   l.NodeNetNS(n),
		Grace:   10 * time.Second,
	}
}

// Kubelet is the node's agent.
func (l Layout) Kubelet(n state.Node) Process {
	return l.node("kubelet", n, memory(384, 100),
		"--config="+l.NodePath(n, "kubelet.yaml"),
		"--kubeconfig="+l.ClientConfig("kubelet@"+n.Name),
		"--hostname-override="+n.Name,
		"--node-ip="+l.NodeIP(n).String(),
		"--root-dir="+l.NodePath(n, "kubelet"),
		"--cert-dir="+l.NodePath(n, "kubelet", "pki"),
		"--node-labels=kubernetes.io/hostname="+n.Name,
		// cAdvisor's own connection to containerd, for container metrics.
		"--containerd="+l.ContainerdSocket(n),
	)
}

// KubeProxy leads ClusterIPs and NodePorts to pods, in the node's namespace.
func (l Layout) KubeProxy(n state.Node) Process {
	return l.node("kube-proxy", n, memory(256, 100),
		"--kubeconfig="+l.ClientConfig("kube-proxy"),
		"--hostname-override="+n.Name,
		"--proxy-mode=iptables",
		"--cluster-cidr="+l.PodNetwork().String(),
		// The limits of the machine are not the cluster's to change.
		"--conntrack-max-per-core=0",
		"--conntrack-tcp-timeout-established=0",
		"--conntrack-tcp-timeout-close-wait=0",
		"--iptables-min-sync-period=100ms",
	)
}

// NodeAgents are the node's processes besides containerd.
func (l Layout) NodeAgents(n state.Node) []Process {
	return []Process{l.Kubelet(n), l.KubeProxy(n)}
}

// Addons are the processes of the control plane that run as part of no node.
func (l Layout) Addons(m Machine) []Process {
	ip := l.ControlPlaneIP().String()
	return []Process{
		l.controlPlane("dns", memory(128, 50),
			"--kubeconfig="+l.ClientConfig("dns"),
			"--address="+ip,
			"--domain="+ClusterDomain,
			"--resolv-conf="+m.ResolvConf),
		l.controlPlane("metrics", memory(128, 50),
			"--kubeconfig="+l.ClientConfig("metrics"),
			"--address="+ip,
			"--tls-cert-file="+l.PKI("metrics-serving.crt"),
			"--tls-private-key-file="+l.PKI("metrics-serving.key")),
		l.controlPlane("registry", memory(256, 50),
			"--listen="+l.Registry().String(),
			"--root="+l.path("registry")),
		l.controlPlane("provisioner", memory(128, 50),
			"--kubeconfig="+l.ClientConfig("provisioner"),
			"--root="+l.VolumeDir()),
		l.controlPlane("netpol", memory(128, 50),
			"--kubeconfig="+l.ClientConfig("netpol"),
			"--node-namespaces="+l.nodeNetNSPattern(),
			"--pod-interface="+podBridge,
			"--trusted="+l.NodeNetwork().String(),
			"--dns-address="+ip,
			"--socket="+l.NetpolSocket()),
	}
}

// AddonHealth maps add-ons to what answers 200 once they work.
func (l Layout) AddonHealth() map[string]string {
	return map[string]string{
		"dns":      fmt.Sprintf("http://%s:%d/ready", l.ControlPlaneIP(), dnsReadyPort),
		"registry": fmt.Sprintf("http://%s/v2/", l.Registry()),
	}
}

func (l Layout) controlPlane(component string, env []string, args ...string) Process {
	return Process{
		Name:  component,
		Args:  append([]string{component}, args...),
		Env:   l.env(env),
		NetNS: l.ControlPlaneNetNS(),
		Grace: 10 * time.Second,
	}
}

func (l Layout) node(component string, n state.Node, env []string, args ...string) Process {
	return Process{
		Name:  component + "@" + n.Name,
		Args:  append([]string{component}, args...),
		Env:   l.env(env),
		NetNS: l.NodeNetNS(n),
		Grace: 5 * time.Second,
	}
}

func (l Layout) env(extra []string) []string {
	return append([]string{
		EnvCluster + "=" + l.Cluster.ID,
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
		"TZ=UTC",
	}, extra...)
}
