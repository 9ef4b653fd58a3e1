// Package provision makes and removes clusters: it binds a Cluster object to a
// run of Terraform. One at a time works on a cluster, and the lock says who; a
// plan is shown before it is carried out, exactly; what the module puts out
// becomes the cluster's access; a crash anywhere is gone on from by asking
// again. It knows no commands. Start at New, then Apply and Destroy.
package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/hostname"
	"github.com/landfall-dev/landfall/internal/cluster/provision/leftovers"
	"github.com/landfall-dev/landfall/internal/cluster/terraform"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Namespace of everything that is kept about a cluster, on the management
// cluster: its lock, kubeconfig, plan and, by default, Terraform's state.
const Namespace = "landfall-system"

// Options are what a Provisioner works with.
type Options struct {
	// Client of the management cluster, which has the Cluster objects.
	Client client.Client
	Tool   *terraform.Tool
	// Hub is how Terraform reaches the management cluster, which keeps the state
	// unless the Cluster says otherwise: one context, complete in itself.
	Hub *clientcmdapi.Config
	// Dir holds a folder for each cluster, with what was downloaded for it.
	Dir string
	// Holder is who works, as USER@HOST.
	Holder string
	// Pod is the name of the pod that this runs in, in Namespace; "" for none.
	Pod string
	// Folder is where the module is that the Cluster names as a folder of another
	// machine; "" if it is there.
	Folder string
	Clock  func() time.Time
	// DNS opens the accounts with the zones of clusters; nil where there are none.
	DNS hostname.Open
	// Find says what a cluster made outside; leftovers.Find if nil.
	Find func(context.Context, client.Client) ([]leftovers.Leftover, error)
	// Reached is told of every point at which a crash would hurt, see
	// CrashPoints; may be nil.
	Reached func(point string)
}

// Provisioner creates, changes and destroys clusters. Safe for concurrent use.
type Provisioner struct{ Options }

// New makes a Provisioner.
func New(opts Options) *Provisioner {
	if opts.Reached == nil {
		opts.Reached = func(string) {}
	}
	if opts.Find == nil {
		opts.Find = leftovers.Find
	}
	return &Provisioner{opts}
}

// Points at which work is under way that is not written down yet.
const (
	pointLocked    = "locked"
	pointPrepared  = "prepared"
	pointPlanned   = "planned"
	pointStarted   = "started"
	pointApplied   = "applied"
	pointAccess    = "access"
	pointAnswers   = "answers"
	pointLeftovers = "leftovers"
	pointDestroyed = "destroyed"
	pointForgotten = "forgotten"
)

// CrashPoints names the points that Options.Reached is told of.
func CrashPoints() []string {
	return []string{pointLocked, pointPrepared, pointPlanned, pointStarted, pointApplied, pointAccess, pointAnswers, pointLeftovers, pointDestroyed, pointForgotten}
}

// cluster reads a Cluster that Terraform makes.
func (p *Provisioner) cluster(ctx context.Context, name string) (*v1alpha1.Cluster, error) {
	cluster := &v1alpha1.Cluster{}
	if err := p.Client.Get(ctx, client.ObjectKey{Name: name}, cluster); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, fault.New(fault.NotFound, "`landfall cluster list` shows what there is.", "cluster %s does not exist", name)
		}
		return nil, fmt.Errorf("reading cluster %s: %w", name, err)
	}
	if cluster.Spec.Terraform == nil {
		return nil, fault.New(fault.Refused, "Landfall only reaches it: `landfall cluster remove` forgets it.", "cluster %s was not made by Terraform", name)
	}
	if cluster.Spec.KubeconfigSecret == nil {
		return nil, fault.New(fault.Invalid, "Set spec.kubeconfigSecret: where to put the kubeconfig.", "cluster %s has no kubeconfigSecret: it would be the management cluster", name)
	}
	return cluster, nil
}

// open prepares Terraform for a cluster. With look, it does so in a folder of
// its own, as somebody else may be working.
func (p *Provisioner) open(ctx context.Context, cluster *v1alpha1.Cluster, look bool, reporter progress.Reporter) (*terraform.Run, error) {
	root, err := p.root(ctx, cluster)
	if err != nil {
		return nil, err
	}
	kept, err := p.kept(ctx, cluster.Name)
	if err != nil {
		return nil, err
	}
	dir, err := p.dir(ctx, cluster.Name)
	if err != nil {
		return nil, err
	}
	if look {
		dir += lookSuffix
	}
	hub, err := clientcmd.Write(*p.Hub)
	if err != nil {
		return nil, fmt.Errorf("writing the kubeconfig of the management cluster: %w", err)
	}
	return terraform.Open(ctx, p.Tool, root, terraform.Options{
		Dir: dir, Unpacked: filepath.Join(p.Dir, "modules"), Reporter: reporter,
		Files: map[string][]byte{hubFile: hub}, Lock: kept.Data[keyProviders],
	})
}

// dir is the cluster's folder. Clusters of one name on two management clusters
// have one each.
func (p *Provisioner) dir(ctx context.Context, name string) (string, error) {
	system := &corev1.Namespace{}
	if err := p.Client.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, system); err != nil {
		return "", fmt.Errorf("telling the management cluster from others: %w", err)
	}
	return filepath.Join(p.Dir, name+"."+string(system.UID)[:8]), nil
}

// removeFolders forgets what was downloaded for a cluster.
func (p *Provisioner) removeFolders(ctx context.Context, name string) error {
	dir, err := p.dir(ctx, name)
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(dir), os.RemoveAll(dir+lookSuffix))
}

// lookSuffix is that of the folder for looking.
const lookSuffix = ".look"

// hubFile is how the state's backend calls the management cluster's kubeconfig.
const hubFile = "hub.kubeconfig"

// root is what Terraform is run with for a cluster.
func (p *Provisioner) root(ctx context.Context, cluster *v1alpha1.Cluster) (terraform.Root, error) {
	spec := cluster.Spec.Terraform
	root := terraform.Root{
		Module: spec.Module, Version: spec.Version, Backend: backend(cluster),
		Variables: map[string]json.RawMessage{}, Secrets: map[string]string{},
	}
	if p.Folder != "" && terraform.IsFolder(spec.Module) {
		root.Module = p.Folder
	}
	for name, value := range spec.Variables {
		root.Variables[name] = value.Raw
	}
	for _, v := range spec.SecretVariables {
		value, err := p.secretValue(ctx, v.ValueFrom)
		if err != nil {
			return root, fault.Wrap(fault.Invalid, fmt.Errorf("reading variable %s of cluster %s: %w", v.Variable, cluster.Name, err), "Create the Secret, or correct spec.terraform.secretVariables.")
		}
		root.Secrets[v.Variable] = value
	}
	return root, nil
}

func (p *Provisioner) secretValue(ctx context.Context, ref v1alpha1.SecretKeyRef) (string, error) {
	secret := &corev1.Secret{}
	if err := p.Client.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, secret); err != nil {
		return "", err
	}
	value, there := secret.Data[ref.Key]
	if !there {
		return "", fmt.Errorf("secret %s/%s has no key %s", ref.Namespace, ref.Name, ref.Key)
	}
	return string(value), nil
}

// backendKubernetes keeps the state in a Secret of the management cluster.
const backendKubernetes = "kubernetes"

// backend is the Cluster's, or a Secret beside its kubeconfig. Names of states
// must not end with a number: it could be one of several parts.
func backend(cluster *v1alpha1.Cluster) terraform.Backend {
	chosen := cluster.Spec.Terraform.Backend
	if chosen == nil {
		return terraform.Backend{Type: backendKubernetes, Config: map[string]string{
			"namespace": Namespace, "secret_suffix": cluster.Name + "-cluster", "config_path": hubFile,
		}}
	}
	config := maps.Clone(chosen.Config)
	if chosen.Type == backendKubernetes && config["config_path"] == "" && config["host"] == "" && config["in_cluster_config"] == "" {
		if config == nil {
			config = map[string]string{}
		}
		config["config_path"] = hubFile
	}
	return terraform.Backend{Type: chosen.Type, Config: config}
}

// note writes down what Terraform has done, also after an interrupt.
func (p *Provisioner) note(ctx context.Context, cluster *v1alpha1.Cluster, change func(*v1alpha1.TerraformStatus)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	before := cluster.DeepCopy()
	if cluster.Status.Terraform == nil {
		cluster.Status.Terraform = &v1alpha1.TerraformStatus{}
	}
	change(cluster.Status.Terraform)
	if err := p.Client.Status().Patch(ctx, cluster, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("writing the status of cluster %s: %w", cluster.Name, err)
	}
	return nil
}

const noteTimeout = 10 * time.Second

func (p *Provisioner) now() *metav1.Time {
	now := metav1.NewTime(p.Clock())
	return &now
}
