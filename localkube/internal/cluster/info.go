package cluster

import (
	"context"
	"time"

	"github.com/landfall-dev/landfall/localkube/internal/fault"
	"github.com/landfall-dev/landfall/localkube/internal/plan"
	"github.com/landfall-dev/landfall/localkube/internal/state"
	"github.com/landfall-dev/landfall/localkube/internal/supervisor"
	"github.com/landfall-dev/landfall/localkube/internal/version"
)

// Status is what a cluster is doing.
type Status string

const (
	// Ready means that everything wished for runs.
	Ready Status = "ready"
	// Starting means that the supervisor is on the way there.
	Starting Status = "starting"
	// Failing means that the supervisor's last attempt failed.
	Failing Status = "failing"
	// Stopped means that nothing runs, as wished.
	Stopped Status = "stopped"
	// Unsupervised means that the cluster should run, but its supervisor has
	// died; starting it puts that right.
	Unsupervised Status = "unsupervised"
	// Deleting means that a deletion has begun and not finished.
	Deleting Status = "deleting"
)

// Info is what people are told of a cluster.
type Info struct {
	Name       string `json:"name"`
	Status     Status `json:"status"`
	Error      string `json:"error,omitempty"`
	Kubeconfig string `json:"kubeconfig"`
	Context    string `json:"context"`
	Server     string `json:"server"`
	Loopback   string `json:"loopback"`
	Registry   string `json:"registry"`
	// RegistryAddress is where pods reach the registry, over plain HTTP.
	RegistryAddress string     `json:"registryAddress"`
	Network         string     `json:"network"`
	Version         string     `json:"version"`
	Created         time.Time  `json:"created"`
	Nodes           []NodeInfo `json:"nodes"`
	Publish         []string   `json:"publish,omitempty"`
}

// NodeInfo is what people are told of a node.
type NodeInfo struct {
	Name  string `json:"name"`
	Phase string `json:"phase"`
	IP    string `json:"ip"`
	Pods  string `json:"pods"`
}

// List tells of every cluster.
func (m Manager) List() ([]*Info, error) {
	clusters, err := m.clusters()
	if err != nil {
		return nil, err
	}
	infos := []*Info{}
	for _, c := range clusters {
		infos = append(infos, m.Inspect(c))
	}
	return infos, nil
}

// clusters reads the state of all. One that is unreadable is an error: what it
// uses of the machine is unknown.
func (m Manager) clusters() ([]*state.Cluster, error) {
	clusters, err := m.Store.List()
	return clusters, fault.New(fault.ClassOf(err), err, "Delete the cluster that cannot be read: localkube delete NAME")
}

// Get tells of one cluster.
func (m Manager) Get(name string) (*Info, error) {
	c, err := m.Store.Load(name)
	if err != nil {
		return nil, notFound(name, err)
	}
	return m.Inspect(c), nil
}

// Inspect tells of a cluster whose state is at hand.
func (m Manager) Inspect(c *state.Cluster) *Info {
	l := plan.New(m.Store, c)
	info := &Info{
		Name: c.Name, Kubeconfig: l.Kubeconfig(), Context: l.ContextName(),
		Server: "https://" + l.APIServer().String(), Loopback: "https://" + l.APIForward().String(),
		Registry: l.RegistryHost(), RegistryAddress: l.Registry().String(), Network: c.Network.String(),
		Version: version.Kubernetes, Created: c.Created,
	}
	for _, n := range c.Nodes {
		info.Nodes = append(info.Nodes, NodeInfo{
			Name: n.Name, Phase: string(n.Phase), IP: l.NodeIP(n).String(), Pods: l.NodePods(n).String(),
		})
	}
	for _, p := range c.Publish {
		info.Publish = append(info.Publish, p.String())
	}
	info.Status, info.Error = status(l)
	return info
}

func status(l plan.Layout) (Status, string) {
	switch l.Cluster.Phase {
	case state.Stopped:
		return Stopped, ""
	case state.Deleting:
		return Deleting, ""
	}
	supervised, err := Supervised(l)
	if err != nil {
		return Failing, err.Error()
	}
	if !supervised {
		return Unsupervised, ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	report, err := supervisor.NewClient(l.Socket()).Report(ctx)
	switch {
	case err != nil:
		return Starting, ""
	case report.Error != "":
		return Failing, report.Error
	case report.Converged < report.Generation:
		return Starting, ""
	}
	return Ready, ""
}
