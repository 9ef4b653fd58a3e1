// Package platform is what `landfall up` installs: the controller, the front
// door, and a server each for MySQL, Redis and S3 stores, as pods in the
// namespace landfall-system, and what a project needs to use them. Kubernetes
// keeps them running. The package must not know commands. Start at Up; the
// objects are made in objects.go and its neighbours, without a cluster.
package platform

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Namespace holds the platform.
const Namespace = "landfall-system"

// Access is how to reach the cluster to install into.
type Access struct {
	// Cluster is its name for people.
	Cluster string `json:"cluster"`
	Config  *rest.Config
	// Registry is HOST:PORT as written in image references, which this machine
	// pushes to and the cluster's nodes pull from.
	Registry string `json:"registry"`
	// Mirror is the registry's address as pods reach it, where that is another
	// one: http://HOST:PORT.
	Mirror string `json:"mirror,omitempty"`
}

// Options of Up.
type Options struct {
	// Access makes or finds the cluster. It runs while images are built.
	Access func(ctx context.Context) (Access, error)
	// Client reaches that cluster.
	Client func(Access) (client.WithWatch, error)
	// Builder makes the images.
	Builder Builder
	// Project is the namespace that gets the default store servers.
	Project string
	// Stores are the servers to run: mysql, redis, s3.
	Stores []string
	// StoresByNode lets store servers be reached at a node's address, as pods of
	// other clusters can: for clusters whose nodes keep their addresses.
	StoresByNode bool
	// ClusterName is the name of the Cluster object.
	ClusterName string
	Routing     Routing
	// FrontDoor is the address at which this machine reaches the front door, to
	// wait until it answers; empty where it cannot be told.
	FrontDoor string
	// Timeout bounds the wait until everything is ready.
	Timeout  time.Duration
	Progress progress.Reporter
}

// Routing says how hostnames lead to public components.
type Routing struct {
	// Domain below which they are.
	Domain string
	// Port that people put into URLs; 0 for the scheme's own.
	Port int32
	// IngressClass of an ingress controller that the cluster has already; the
	// front door is installed where it is empty.
	IngressClass string
}

// StoreTypes are the store servers that the platform can run.
var StoreTypes = []string{"mysql", "redis", "s3"}

// Result is what Up did.
type Result struct {
	Access
	// Namespace of the platform.
	Namespace string `json:"namespace"`
	// URL of the front door, where there is one.
	URL    string            `json:"url,omitempty"`
	Images map[string]string `json:"images"`
	// Changes counts objects by what happened to them: created, configured,
	// unchanged.
	Changes map[string]int `json:"changes"`
}

// Check says whether the options make sense, before anything is done.
func (o Options) Check() error {
	for _, store := range o.Stores {
		if !slices.Contains(StoreTypes, store) {
			return fault.New(fault.Invalid, fmt.Sprintf("Choose among %v.", StoreTypes), "setting up: store server %q is unknown", store)
		}
	}
	return nil
}

// Up installs the platform or brings it up to date, and waits until it is
// ready. A second run finds nothing to do. Interrupted, it can be run again.
func Up(ctx context.Context, o Options) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	access, images, err := prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	references, err := pushAll(ctx, o, access, images)
	if err != nil {
		return nil, err
	}
	c, err := o.Client(access)
	if err != nil {
		return nil, err
	}
	install, err := newInstall(ctx, c, o, access, references)
	if err != nil {
		return nil, err
	}
	changes, err := install.apply(ctx)
	if err != nil {
		return nil, err
	}
	if err := awaitReady(ctx, c, access, install.objects, o); err != nil {
		return nil, err
	}
	return &Result{
		Access: access, Namespace: Namespace, URL: o.Routing.url(),
		Images: references, Changes: changes,
	}, nil
}

// prepare builds images while the cluster is made: neither needs the other.
func prepare(ctx context.Context, o Options) (Access, []builtImage, error) {
	var access Access
	var images []builtImage
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		access, err = o.Access(ctx)
		return err
	})
	group.Go(func() (err error) {
		step := o.Progress.Step("build images")
		if images, err = o.Builder.build(ctx, o.imageNames(), step); err != nil {
			step.Fail(err)
			return err
		}
		step.Done("%d", len(images))
		return nil
	})
	return access, images, group.Wait()
}

func pushAll(ctx context.Context, o Options, access Access, images []builtImage) (map[string]string, error) {
	step := o.Progress.Step("push images to " + access.Registry)
	references, sent, err := push(ctx, access.Registry, images, step)
	if err != nil {
		step.Fail(err)
		return nil, err
	}
	step.Done("%d new, %d there already", sent, len(images)-sent)
	return references, nil
}

func awaitReady(ctx context.Context, c client.Client, access Access, objects []*unstructured.Unstructured, o Options) error {
	logs, err := kubernetes.NewForConfig(access.Config)
	if err != nil {
		return fmt.Errorf("reaching cluster %s: %w", access.Cluster, err)
	}
	w := wait{client: c, logs: logs, workloads: workloadsOf(objects), restarts: map[types.UID]int32{}}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	step := o.Progress.Step("wait until ready")
	if err := w.all(ctx, o.FrontDoor, step); err != nil {
		step.Fail(err)
		return err
	}
	step.Done("%d workloads", len(w.workloads))
	return nil
}

// imageNames lists the images that the options need.
func (o Options) imageNames() []string {
	names := []string{imageController}
	if o.Routing.IngressClass == "" {
		names = append(names, imageFrontDoor)
	}
	for _, store := range o.Stores {
		names = append(names, storeImages[store])
	}
	return names
}

func (r Routing) url() string {
	if r.IngressClass != "" {
		return ""
	}
	if r.Port == 0 {
		return "http://" + r.Domain
	}
	return "http://" + net.JoinHostPort(r.Domain, fmt.Sprint(r.Port))
}

// Planned is what Up would do, as far as it can be said without a cluster.
type Planned struct {
	Images []string `json:"images"`
	// Objects as KIND NAMESPACE/NAME, in order.
	Objects []string `json:"objects"`
}

// Plan says what Up would do. It touches nothing.
func Plan(o Options, scheme *runtime.Scheme) (Planned, error) {
	p := plan{
		project: o.Project, clusterName: o.ClusterName, routing: o.Routing, stores: o.Stores,
		images: map[string]string{}, passwords: passwords{},
	}
	objects, err := p.objects(scheme)
	if err != nil {
		return Planned{}, err
	}
	planned := Planned{Images: o.imageNames()}
	for _, object := range objects {
		name := object.GetName()
		if object.GetNamespace() != "" {
			name = object.GetNamespace() + "/" + name
		}
		planned.Objects = append(planned.Objects, object.GetKind()+" "+name)
	}
	return planned, nil
}
