package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"text/template"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubelet "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/localkube/internal/state"
)

// File is a configuration file to be written before a process starts.
type File struct {
	Path string
	Data []byte
}

// Machine is what a node's configuration depends on besides the plan.
type Machine struct {
	Programs Programs
	// Snapshotter is containerd's storage driver: overlayfs or native.
	Snapshotter string
	// ResolvConf is the file that pods with the DNS policy Default get.
	ResolvConf string
}

// NodeFiles are the configuration files of the node.
func (l Layout) NodeFiles(n state.Node, m Machine) ([]File, error) {
	kubeletConfig, err := yaml.Marshal(l.kubeletConfig(n, m))
	if err != nil {
		return nil, fmt.Errorf("writing kubelet configuration of %s: %w", n.Name, err)
	}
	containerdConfig, err := l.containerdConfig(n, m)
	if err != nil {
		return nil, fmt.Errorf("writing containerd configuration of %s: %w", n.Name, err)
	}
	cniConfig, err := json.MarshalIndent(l.cniConfig(n), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing network configuration of %s: %w", n.Name, err)
	}
	files := []File{
		{Path: l.NodePath(n, "kubelet.yaml"), Data: kubeletConfig},
		{Path: l.NodePath(n, "containerd.toml"), Data: containerdConfig},
		{Path: l.NodePath(n, "cni", "net.d", "10-localkube.conflist"), Data: cniConfig},
		{Path: l.NodePath(n, "registries", l.RegistryHost(), "hosts.toml"), Data: registryConfig(l.Registry())},
	}
	for _, r := range l.Cluster.Registries {
		files = append(files, File{Path: l.NodePath(n, "registries", r.Host, "hosts.toml"), Data: registryConfig(r.Address)})
	}
	return files, nil
}

func (l Layout) kubeletConfig(n state.Node, m Machine) kubelet.KubeletConfiguration {
	return kubelet.KubeletConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: "kubelet.config.k8s.io/v1beta1", Kind: "KubeletConfiguration"},

		Address:            l.NodeIP(n).String(),
		TLSCertFile:        l.PKI("kubelet-serving@" + n.Name + ".crt"),
		TLSPrivateKeyFile:  l.PKI("kubelet-serving@" + n.Name + ".key"),
		HealthzBindAddress: "127.0.0.1",
		Authentication: kubelet.KubeletAuthentication{
			X509:      kubelet.KubeletX509Authentication{ClientCAFile: l.PKI("ca.crt")},
			Webhook:   kubelet.KubeletWebhookAuthentication{Enabled: new(true)},
			Anonymous: kubelet.KubeletAnonymousAuthentication{Enabled: new(false)},
		},
		Authorization: kubelet.KubeletAuthorization{Mode: kubelet.KubeletAuthorizationModeWebhook},

		ContainerRuntimeEndpoint: "unix://" + l.ContainerdSocket(n),
		ClusterDomain:            ClusterDomain,
		ClusterDNS:               []string{l.DNSServiceIP().String()},
		ResolverConfig:           &m.ResolvConf,
		PodLogsDir:               l.NodePath(n, "pods"),
		VolumePluginDir:          l.NodePath(n, "plugins"),
		SerializeImagePulls:      new(false),
		RuntimeRequestTimeout:    metav1.Duration{Duration: 2 * time.Minute},

		// The machine's memory and swap belong to others as well: the kubelet
		// sets limits on pods, never on a node as a whole. All its pods are
		// in one cgroup, by which they are found when the node goes.
		CgroupDriver:           "cgroupfs",
		CgroupRoot:             "/" + l.NodeCgroup(n),
		CgroupsPerQOS:          new(true),
		EnforceNodeAllocatable: []string{"none"},
		FailSwapOn:             new(false),
		FailCgroupV1:           new(false),
		OOMScoreAdj:            new(int32(0)),

		// The disk is shared too: evict only when it is really full, and
		// keep images, which a rollback may need after its tag has gone.
		EvictionHard: map[string]string{
			"memory.available": "100Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%",
		},
		ImageGCHighThresholdPercent: new(int32(100)),
		ImageGCLowThresholdPercent:  new(int32(99)),
	}
}

var containerdTemplate = template.Must(template.New("containerd.toml").Parse(`version = 2
root = {{printf "%q" .Root}}
state = {{printf "%q" .State}}
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
]

[grpc]
  address = {{printf "%q" .Socket}}

[plugins."io.containerd.internal.v1.opt"]
  path = {{printf "%q" .Opt}}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {{printf "%q" .Pause}}
  disable_apparmor = true
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  max_concurrent_downloads = 8

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = {{printf "%q" .Snapshotter}}
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = {{printf "%q" .Runc}}
        SystemdCgroup = false

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = {{printf "%q" .CNIBin}}
    conf_dir = {{printf "%q" .CNIConf}}

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = {{printf "%q" .Registries}}
`))

func (l Layout) containerdConfig(n state.Node, m Machine) ([]byte, error) {
	var out bytes.Buffer
	err := containerdTemplate.Execute(&out, map[string]string{
		"Root":        l.NodePath(n, "containerd"),
		"State":       l.NodeRunDir(n),
		"Socket":      l.ContainerdSocket(n),
		"Opt":         l.NodePath(n, "opt"),
		"Pause":       PauseImage,
		"Snapshotter": m.Snapshotter,
		"Runc":        l.NodePath(n, "run", "runc"),
		"CNIBin":      l.CNIDir(),
		"CNIConf":     l.NodePath(n, "cni", "net.d"),
		"Registries":  l.NodePath(n, "registries"),
	})
	return out.Bytes(), err
}

// cniConfig joins pods by a bridge in the node's namespace. The host routes
// between nodes, so nothing is masqueraded inside the cluster.
func (l Layout) cniConfig(n state.Node) map[string]any {
	return map[string]any{
		"cniVersion": "0.4.0",
		"name":       l.CNINetwork(),
		"plugins": []map[string]any{{
			"type": "bridge", "bridge": podBridge, "isGateway": true, "hairpinMode": true, "ipMasq": false,
			"ipam": map[string]any{
				"type":    "host-local",
				"dataDir": l.NodePath(n, "cni", "addresses"),
				"ranges":  [][]map[string]string{{{"subnet": l.NodePods(n).String()}}},
				"routes":  []map[string]string{{"dst": "0.0.0.0/0"}},
			},
		}, {
			// A pod starts only once its network policies are in force.
			"type": "localkube-netpol", "socket": l.NetpolSocket(),
		}, {
			"type": "portmap", "capabilities": map[string]bool{"portMappings": true}, "snat": true,
		}},
	}
}

// registryConfig makes references to the loopback address of the host lead to
// the registry in the control plane, so that one reference works on both sides.
func registryConfig(registry netip.AddrPort) []byte {
	return fmt.Appendf(nil, "server = \"http://%[1]s\"\n\n[host.\"http://%[1]s\"]\n  capabilities = [\"pull\", \"resolve\"]\n", registry)
}
