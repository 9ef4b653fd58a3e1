package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/environment/pullsecret"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// credentials reads the Secrets of the project with which images are pulled. An
// error that a person can do something about is a *problem.
func (r *Reconciler) credentials(ctx context.Context, s *scope, names []string) (*pullsecret.Credentials, error) {
	var sources []*corev1.Secret
	for _, name := range names {
		source, err := r.pullSecret(ctx, s, name)
		if err != nil {
			return nil, err
		}
		sources = append(sources, source)
	}
	credentials, err := pullsecret.Read(sources...)
	if err != nil {
		return nil, notReady(err)
	}
	return credentials, nil
}

// pullSecret reads one Secret that images are pulled with, and checks it.
func (r *Reconciler) pullSecret(ctx context.Context, s *scope, name string) (*corev1.Secret, error) {
	source, err := r.secrets.get(ctx, types.NamespacedName{Namespace: s.env.Namespace, Name: name})
	switch {
	case fault.ClassOf(err) == fault.NotFound:
		err = notReady(pullsecret.Absent(s.env.Namespace, name))
	case err == nil:
		if wrong := pullsecret.Check(source); wrong != nil {
			err = notReady(wrong)
		}
	}
	return source, err
}

// notReady waits for somebody to mend the Secret, which wakes the environment.
func notReady(err error) *problem {
	return stalled(v1alpha1.ReasonPullSecretNotReady, withHint(err))
}

// gatherCredentials reads what the copies of Secrets in the newest release are to
// hold now: those of a rollback, too, are today's. One that cannot be read is
// shown, and its copy stays as it is: an image that is on a node already needs
// none.
func (r *Reconciler) gatherCredentials(ctx context.Context, s *scope) error {
	var readable []*corev1.Secret
	for _, o := range s.copies() {
		name := environment.CopyOf(o)
		r.memory.of(s.key(), func(k *recollection) { k.uses(name) })
		source, err := r.pullSecret(ctx, s, name)
		var p *problem
		switch {
		case errors.As(err, &p):
			if s.problem == nil {
				s.problem = p
			}
		case err != nil:
			return err
		default:
			readable = append(readable, source)
		}
	}
	s.sources = readable
	return nil
}

// copies are the objects of the newest release that have the values of Secrets
// of the project.
func (s *scope) copies() []environment.Object {
	if s.contents == nil {
		return nil
	}
	return slices.DeleteFunc(s.contents.Desired.Objects(), func(o environment.Object) bool { return environment.CopyOf(o) == "" })
}

// source is the Secret of that name, nil where it cannot be read.
func (s *scope) source(name string) *corev1.Secret {
	for _, source := range s.sources {
		if source.Name == name {
			return source
		}
	}
	return nil
}

// renewCredentials brings what changed in the project's Secrets to the copies on
// the cluster, without a release: what runs has not changed. Pods that could not
// pull try again by themselves.
func (r *Reconciler) renewCredentials(ctx context.Context, s *scope) error {
	if !s.founded() || len(s.sources) == 0 {
		return nil
	}
	current, err := pullsecret.Read(s.sources...)
	if err != nil {
		return fmt.Errorf("reading credentials that were read before: %w", err)
	}
	values, renewed := s.env.Status.Cluster+" "+current.Fingerprint(), false
	r.memory.of(s.key(), func(k *recollection) { renewed = k.credentials == values })
	if renewed {
		return nil
	}
	changes, err := s.target.Apply(ctx, s.view(s.copies()), kube.ApplyOptions{Owner: s.owner(), Adopt: s.env.Spec.Adopt})
	var rejected *kube.RejectedError
	if errors.As(err, &rejected) {
		return waiting(v1alpha1.ReasonPullSecretNotReady, retryRare, fmt.Errorf("renewing credentials for registries: %w", err))
	}
	if err != nil {
		return targetError(err)
	}
	r.memory.of(s.key(), func(k *recollection) { k.credentials = values })
	if put := changes.Of(kube.Created, kube.Configured); len(put) > 0 {
		r.event(s, normal, "CredentialsRenewed", "Renew", "renewed credentials for registries: %s", listed(refsOfChanges(put)))
	}
	return nil
}

// founded tells whether the foundation of the newest release is on the cluster.
func (s *scope) founded() bool {
	if s.release == nil || len(s.contents.Desired.Stages) == 0 {
		return false
	}
	foundation := step{verbApply, &s.contents.Desired.Stages[0]}.String()
	return slices.ContainsFunc(s.release.Status.Steps, func(done v1alpha1.ReleaseStep) bool {
		return done.Name == foundation && done.FinishedAt != nil
	})
}
