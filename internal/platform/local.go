package platform

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/localcluster"
	"github.com/landfall-dev/landfall/internal/progress"
)

const (
	// frontDoorPort of a node leads to the front door.
	frontDoorPort = 80
	// registryPort is where localkube's registry listens beside the API server,
	// and where pods reach it.
	registryPort = "5000"
)

// Local is a cluster of localkube's, made when it is not there.
type Local struct {
	Tool *localcluster.Tool
	Name string
	// Port of 127.0.0.1 that leads to the front door, for a new cluster.
	Port int
	// Nodes of a new cluster.
	Nodes int
	Wait  time.Duration
}

// Check finds out, before any work is done, whether an existing cluster of the
// name would do.
func (l Local) Check(ctx context.Context) error {
	cluster, err := l.find(ctx)
	if err != nil || cluster == nil {
		return err
	}
	return l.checkPort(*cluster)
}

// Ensure makes, starts or finds the cluster.
func (l Local) Ensure(ctx context.Context, report progress.Reporter) (localcluster.Ready, error) {
	cluster, err := l.find(ctx)
	if err != nil {
		return localcluster.Ready{}, err
	}
	if cluster == nil {
		return l.run(report, "create cluster "+l.Name, func(say func(string)) (localcluster.Ready, error) {
			return l.Tool.Create(ctx, l.Name, localcluster.CreateOptions{
				Nodes: l.Nodes, Wait: l.Wait, Publish: []string{fmt.Sprintf("127.0.0.1:%d:%d", l.Port, frontDoorPort)},
			}, say)
		})
	}
	if cluster.Status == localcluster.StatusReady {
		report.Step("cluster " + l.Name).Done("runs already")
		return localcluster.Ready{Name: cluster.Name, Kubeconfig: cluster.Kubeconfig, Registry: cluster.Registry, Version: cluster.Version}, nil
	}
	return l.run(report, "start cluster "+l.Name, func(say func(string)) (localcluster.Ready, error) {
		return l.Tool.Start(ctx, l.Name, say)
	})
}

// find gives nil where there is no cluster of the name.
func (l Local) find(ctx context.Context) (*localcluster.Cluster, error) {
	clusters, err := l.Tool.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, cluster := range clusters {
		if cluster.Name == l.Name {
			return &cluster, nil
		}
	}
	return nil, nil
}

// checkPort refuses a port that the existing cluster does not publish.
func (l Local) checkPort(cluster localcluster.Cluster) error {
	wanted := fmt.Sprintf("127.0.0.1:%d:%d", l.Port, frontDoorPort)
	if slices.Contains(cluster.Publish, wanted) {
		return nil
	}
	return fault.New(fault.Refused,
		fmt.Sprintf("Choose another name with --name, or make it anew: `landfall down --delete-cluster --name %s`.", l.Name),
		"setting up: cluster %s is there, but does not publish port %d of 127.0.0.1 for the front door (it has %v)", l.Name, l.Port, cluster.Publish)
}

func (l Local) run(report progress.Reporter, name string, do func(say func(string)) (localcluster.Ready, error)) (localcluster.Ready, error) {
	step := report.Step(name)
	ready, err := do(func(line string) { step.Update("%s", line) })
	if err != nil {
		step.Fail(err)
		return ready, err
	}
	step.Done("Kubernetes %s", ready.Version)
	return ready, nil
}

// AccessTo reads how to reach a ready local cluster.
func AccessTo(ctx context.Context, ready localcluster.Ready) (Access, error) {
	config, err := clientcmd.BuildConfigFromFlags("", ready.Kubeconfig)
	if err != nil {
		return Access{}, fmt.Errorf("reading the kubeconfig of cluster %s: %w", ready.Name, err)
	}
	access := Access{Cluster: ready.Name, Config: config, Registry: ready.Registry}
	access.Mirror, err = registryForPods(ctx, config.Host)
	return access, err
}

// registryForPods is the registry beside the API server. It is asked, so that
// a wrong guess fails here and not at the first deploy.
func registryForPods(ctx context.Context, apiServer string) (string, error) {
	server, err := url.Parse(apiServer)
	if err != nil {
		return "", fmt.Errorf("reading the API server's address: %w", err)
	}
	mirror := "http://" + net.JoinHostPort(server.Hostname(), registryPort)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, mirror+"/v2/", nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("reaching the cluster's registry as pods do: %w", err)
	}
	_ = response.Body.Close()
	return mirror, nil
}
