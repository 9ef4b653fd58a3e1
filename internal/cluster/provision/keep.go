package provision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/terraform"
)

// Keys of the Secret with what one run keeps for the next, wherever that is.
const (
	keyProviders = "terraform.lock.hcl"
	keyPlan      = "plan"
	keyAbout     = "plan.json"
)

// largestPlan that fits into a Secret beside the rest.
const largestPlan = 900 << 10

// Planned is a plan as it was shown.
type Planned struct {
	Cluster string `json:"cluster"`
	terraform.Summary
	// Made is when; By, who planned.
	Made time.Time `json:"made"`
	By   string    `json:"by"`
	// Inputs is a digest of what was planned from.
	Inputs string `json:"inputs"`
	// Kept says that apply carries out exactly this one.
	Kept bool `json:"kept"`
}

func keptName(cluster string) string { return "cluster-" + cluster + "-terraform" }

// kept reads what earlier runs keep; an empty Secret if nothing.
func (p *Provisioner) kept(ctx context.Context, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: Namespace, Name: keptName(name), Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.FieldManager},
	}}
	if err := p.Client.Get(ctx, client.ObjectKeyFromObject(secret), secret); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading what was planned for cluster %s: %w", name, err)
	}
	return secret, nil
}

// keep changes what is kept.
func (p *Provisioner) keep(ctx context.Context, name string, change func(map[string][]byte)) error {
	secret, err := p.kept(ctx, name)
	if err != nil {
		return err
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	change(secret.Data)
	if secret.ResourceVersion == "" {
		err = p.Client.Create(ctx, secret)
	} else {
		err = p.Client.Update(ctx, secret)
	}
	if err != nil {
		return fmt.Errorf("keeping the plan of cluster %s: %w", name, err)
	}
	return nil
}

// keepPlan keeps a plan for apply, where it fits.
func (p *Provisioner) keepPlan(ctx context.Context, run *terraform.Run, planned *Planned, plan []byte) error {
	planned.Kept = len(plan) <= largestPlan
	about, err := json.Marshal(planned)
	if err != nil {
		return err
	}
	return p.keep(ctx, planned.Cluster, func(data map[string][]byte) {
		keepProviders(data, run)
		delete(data, keyPlan)
		delete(data, keyAbout)
		if planned.Kept {
			data[keyPlan], data[keyAbout] = plan, about
		}
	})
}

func keepProviders(data map[string][]byte, run *terraform.Run) {
	if lock := run.Lock(); lock != nil {
		data[keyProviders] = lock
	}
}

// dropPlan forgets the plan that is kept: it is being carried out, and can be
// only once.
func (p *Provisioner) dropPlan(ctx context.Context, run *terraform.Run, name string) error {
	return p.keep(ctx, name, func(data map[string][]byte) {
		keepProviders(data, run)
		delete(data, keyPlan)
		delete(data, keyAbout)
	})
}

// keptPlan gives the plan that was kept, and nil if there is none.
func (p *Provisioner) keptPlan(ctx context.Context, name string) (*Planned, []byte, error) {
	secret, err := p.kept(ctx, name)
	if err != nil || secret.Data[keyPlan] == nil {
		return nil, nil, err
	}
	planned := &Planned{}
	if err := json.Unmarshal(secret.Data[keyAbout], planned); err != nil {
		return nil, nil, fmt.Errorf("reading the plan of cluster %s: %w", name, err)
	}
	return planned, secret.Data[keyPlan], nil
}

// inputs is a digest of what a plan is made from.
func inputs(spec *v1alpha1.Terraform) (string, error) {
	planned := *spec
	planned.Job = nil // where it runs makes no difference
	text, err := json.Marshal(planned)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}

// forget removes all that is kept of a cluster that is destroyed: access, plan,
// and the state, which is empty now, where it is ours.
func (p *Provisioner) forget(ctx context.Context, cluster *v1alpha1.Cluster) error {
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: Namespace, Name: name} }
	kept := []client.Object{&corev1.Secret{ObjectMeta: named(keptName(cluster.Name))}}
	if ref := cluster.Spec.KubeconfigSecret; ref != nil && *ref == *SecretRef(cluster.Name) {
		kept = append(kept, &corev1.Secret{ObjectMeta: named(ref.Name)})
	}
	if cluster.Spec.Terraform.Backend == nil {
		// Names as Terraform's backend makes them.
		state := "tfstate-default-" + backend(cluster).Config["secret_suffix"]
		kept = append(kept, &corev1.Secret{ObjectMeta: named(state)}, &coordinationv1.Lease{ObjectMeta: named("lock-" + state)})
	}
	var failed []error
	for _, object := range kept {
		if err := client.IgnoreNotFound(p.Client.Delete(ctx, object)); err != nil {
			failed = append(failed, fmt.Errorf("removing %T %s: %w", object, object.GetName(), err))
		}
	}
	return errors.Join(failed...)
}
