// Package netpol enforces NetworkPolicies, which the bridge network plugin
// does not: it watches pods, namespaces and policies and keeps one nftables
// table in the network namespace of every node.
//
// One process serves all nodes of a cluster, since their namespaces are on one
// machine: rules change everywhere at once, and there is one watch to pay for.
// Every node checks both ends of every connection, not only its own pods', so
// that the checks come before a Service's node port masquerades a sender.
//
//   - compile: objects → rules, pure (compile.go, ports.go, ruleset.go)
//   - program: rules → one nftables transaction (kernel.go)
//   - agent: when to do which (agent.go)
//   - the network plugin localkube-netpol tells the agent each pod's address
//     before the pod starts, and waits for its rules (assign.go, assign/)
//
// When the agent is away, the rules that were set stay in force and no pod can
// start: it fails closed. Pods whose address was assigned without the plugin
// are not isolated until their status names it. Traffic between a pod and its
// own node, and from the control plane, the nodes and the host, is always
// allowed; established connections outlive a new policy.
package netpol

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// User is the name of the client certificate that package objects grants the
// agent's reads to.
const User = "localkube:netpol"

// dnsPort is where the cluster's name server answers, by UDP and TCP.
const dnsPort = 53

// Config says for which nodes the agent works.
type Config struct {
	// Kubeconfig reaches the API server as User.
	Kubeconfig string
	// NodeNamespaces is a pattern, as of path.Match, for the names of the
	// nodes' network namespaces below /run/netns. They may come and go.
	NodeNamespaces string
	// PodInterface is the bridge of the pods in each node's namespace.
	PodInterface string
	// Trusted is the network of the nodes, the control plane and the host.
	Trusted string
	// DNSAddress is where the cluster's name server listens outside of any
	// pod. Policies see it as a pod labelled k8s-app=kube-dns in kube-system.
	DNSAddress string
	// Socket is where the network plugin reaches the agent.
	Socket string
}

// AddFlags registers the component's command-line flags.
func (c *Config) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&c.Kubeconfig, "kubeconfig", "", "kubeconfig to reach the API server with")
	fs.StringVar(&c.NodeNamespaces, "node-namespaces", "", "pattern for the names of the nodes' network namespaces")
	fs.StringVar(&c.PodInterface, "pod-interface", "cni0", "bridge of the pods in each node's namespace")
	fs.StringVar(&c.Trusted, "trusted", "", "network of the nodes, the control plane and the host")
	fs.StringVar(&c.DNSAddress, "dns-address", "", "address of the cluster's name server")
	fs.StringVar(&c.Socket, "socket", "", "unix socket to take the network plugin's word at")
}

func (c *Config) surroundings() (surroundings, error) {
	trusted, err := netip.ParsePrefix(c.Trusted)
	if err != nil || !trusted.Addr().Is4() {
		return surroundings{}, fmt.Errorf("--trusted %q: must be an IPv4 network", c.Trusted)
	}
	if c.Kubeconfig == "" || c.PodInterface == "" || c.Socket == "" {
		return surroundings{}, errors.New("--kubeconfig, --pod-interface and --socket are required")
	}
	if _, err := filepath.Match(c.NodeNamespaces, ""); err != nil || c.NodeNamespaces == "" {
		return surroundings{}, fmt.Errorf("--node-namespaces %q: must be a pattern", c.NodeNamespaces)
	}
	return surroundings{podInterface: c.PodInterface, trusted: trusted.Masked()}, nil
}

func (c *Config) hostPods() ([]hostPod, error) {
	addr, err := netip.ParseAddr(c.DNSAddress)
	if err != nil {
		return nil, fmt.Errorf("--dns-address: %w", err)
	}
	return []hostPod{{
		namespace: "kube-system",
		labels:    labels.Set{"k8s-app": "kube-dns"},
		addr:      addr,
		ports: []corev1.ContainerPort{
			{Name: "dns", ContainerPort: dnsPort, Protocol: corev1.ProtocolUDP},
			{Name: "dns-tcp", ContainerPort: dnsPort, Protocol: corev1.ProtocolTCP},
		},
	}}, nil
}

// Run enforces policies until ctx ends; the rules stay. It waits for an API
// server that is away, and returns an error when its configuration is wrong or
// the socket cannot be had.
func Run(ctx context.Context, cfg Config) error {
	around, err := cfg.surroundings()
	if err != nil {
		return fmt.Errorf("configuring netpol: %w", err)
	}
	hostPods, err := cfg.hostPods()
	if err != nil {
		return fmt.Errorf("configuring netpol: %w", err)
	}
	restConfig, err := clientcmd.BuildConfigFromFlags("", cfg.Kubeconfig)
	if err != nil {
		return fmt.Errorf("reading kubeconfig for netpol: %w", err)
	}
	restConfig.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(restConfig)
	if err != nil {
		return fmt.Errorf("connecting netpol: %w", err)
	}
	a := newAgent(client, around, hostPods, namedNamespaces(cfg.NodeNamespaces))
	return a.run(ctx, cfg.Socket)
}
