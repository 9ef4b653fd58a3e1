// Package provisioner makes volumes for PersistentVolumeClaims: one folder a
// volume under one root, offered as a local PersistentVolume tied to the node
// that its first pod was scheduled to.
//
// All nodes of a cluster share the machine's file system, so one process beside
// the control plane makes and removes the folders of every node. It is built on
// sig-storage-lib-external-provisioner; start reading at Run. The StorageClass
// is in package objects.
package provisioner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const (
	// User is the name of the client certificate that package objects grants
	// the provisioner's access to.
	User = "localkube:provisioner"
	// Name is what StorageClasses name in their field provisioner.
	Name = "landfall.dev/local"
)

// A claim that failed is tried again after a time that doubles between these.
const (
	minRetry = time.Second
	maxRetry = time.Minute
)

// Config says where volumes live.
type Config struct {
	// Kubeconfig reaches the API server as User.
	Kubeconfig string
	// Root is the folder that holds one folder a volume; made as needed.
	Root string
}

// AddFlags registers the component's command-line flags.
func (c *Config) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&c.Kubeconfig, "kubeconfig", "", "kubeconfig to reach the API server with")
	fs.StringVar(&c.Root, "root", "", "folder that holds the volumes")
}

func (c *Config) validate() error {
	if c.Kubeconfig == "" {
		return errors.New("--kubeconfig is required")
	}
	if !filepath.IsAbs(c.Root) {
		return fmt.Errorf("--root %q: must be an absolute path", c.Root)
	}
	return nil
}

// Run makes and removes volumes until ctx ends.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return fmt.Errorf("configuring provisioner: %w", err)
	}
	restConfig, err := clientcmd.BuildConfigFromFlags("", cfg.Kubeconfig)
	if err != nil {
		return fmt.Errorf("reading kubeconfig for provisioner: %w", err)
	}
	client, err := kubernetes.NewForConfig(restConfig)
	if err != nil {
		return fmt.Errorf("connecting provisioner: %w", err)
	}
	folders, err := openFolders(cfg.Root)
	if err != nil {
		return err
	}
	defer folders.Close()

	newController(ctx, client, folders).Run(ctx)
	return nil
}

func newController(ctx context.Context, client kubernetes.Interface, folders *folders) *controller.ProvisionController {
	retry := workqueue.NewTypedItemExponentialFailureRateLimiter[string](minRetry, maxRetry)
	return controller.NewProvisionController(ctx, client, Name, folders,
		controller.LeaderElection(false),
		controller.RateLimiter(retry),
		controller.FailedProvisionThreshold(0),
		controller.FailedDeleteThreshold(0),
	)
}

// openFolders makes the root folder, private to this machine's administrator,
// and confines every later operation to it, symbolic links included.
func openFolders(root string) (*folders, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of volumes: %w", err)
	}
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("opening the folder of volumes: %w", err)
	}
	return &folders{path: filepath.Clean(root), root: dir}, nil
}
