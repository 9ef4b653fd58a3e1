package provision_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/cluster/provision/leftovers"
	"github.com/landfall-dev/landfall/internal/cluster/terraform"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/progress"
)

// scene is one Cluster on a real management cluster, made by a real Terraform.
type scene struct {
	client client.Client
	name   string
	// made is the folder in which the module writes what it did; state, where
	// Landfall keeps what it downloads.
	made, state string
}

func newClient(t *testing.T) client.Client {
	t.Helper()
	log.SetLogger(logr.Discard())
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	cl, err := client.New(kubetest.Config(t), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// newScene puts a Cluster onto the management cluster. Its module takes so many
// seconds.
func newScene(t *testing.T, seconds int) *scene {
	t.Helper()
	if _, err := terraform.Find(os.Getenv); err != nil {
		t.Skipf("needs terraform or tofu: `make tofu` builds one (%v)", err)
	}
	kubetest.InstallKinds(t)
	s := &scene{client: newClient(t), name: kubetest.Name(t), made: t.TempDir(), state: t.TempDir()}
	ctx := t.Context()
	system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: provision.Namespace}}
	if err := s.client.Create(ctx, system); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	kubeconfig, err := os.ReadFile(os.Getenv(kubetest.EnvKubeconfig))
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: kubetest.Namespace(t), Name: "input"}, Data: map[string][]byte{"kubeconfig": kubeconfig}}
	module, err := filepath.Abs("testdata/module")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := json.Marshal(s.made)
	if err != nil {
		t.Fatal(err)
	}
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: s.name}, Spec: v1alpha1.ClusterSpec{
		KubeconfigSecret: provision.SecretRef(s.name),
		Terraform: &v1alpha1.Terraform{
			Module:          module,
			Variables:       map[string]apiextensionsv1.JSON{"folder": {Raw: folder}, "seconds": {Raw: fmt.Append(nil, seconds)}},
			SecretVariables: []v1alpha1.SecretVariable{{Variable: "kubeconfig", ValueFrom: v1alpha1.SecretKeyRef{Namespace: secret.Namespace, Name: "input", Key: "kubeconfig"}}},
		},
	}}
	for _, object := range []client.Object{secret, cluster} {
		if err := s.client.Create(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { s.tidy(t) })
	return s
}

// tidy removes what a test that failed has left.
func (s *scene) tidy(t *testing.T) {
	state := "tfstate-default-" + s.name + "-cluster"
	for _, name := range []string{"cluster-" + s.name, "cluster-" + s.name + "-terraform", state} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: provision.Namespace, Name: name}}
		if err := client.IgnoreNotFound(s.client.Delete(context.Background(), secret)); err != nil {
			t.Errorf("tidying: %v", err)
		}
	}
	cluster := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: s.name}}
	if err := client.IgnoreNotFound(s.client.Delete(context.Background(), cluster)); err != nil {
		t.Errorf("tidying: %v", err)
	}
}

func (s *scene) provisioner(t *testing.T, reached func(string)) *provision.Provisioner {
	t.Helper()
	tool, err := terraform.Find(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	hub, err := clientcmd.LoadFromFile(os.Getenv(kubetest.EnvKubeconfig))
	if err == nil {
		err = provision.Complete(hub)
	}
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return provision.New(provision.Options{
		Client: s.client, Tool: tool, Hub: hub, Dir: s.state, Holder: "root@" + host, Clock: time.Now, Reached: reached,
		// What is outside of the cluster for tests is other tests'.
		Find: func(context.Context, client.Client) ([]leftovers.Leftover, error) { return nil, nil },
	})
}

var applyOptions = provision.ApplyOptions{Wait: time.Minute}

func (s *scene) cluster(t *testing.T) *v1alpha1.Cluster {
	t.Helper()
	cluster := &v1alpha1.Cluster{}
	if err := s.client.Get(t.Context(), client.ObjectKey{Name: s.name}, cluster); err != nil {
		t.Fatal(err)
	}
	return cluster
}

// lines of what the module wrote down.
func (s *scene) lines(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.made, file))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

func (s *scene) checkApplied(t *testing.T) {
	t.Helper()
	status := s.cluster(t).Status.Terraform
	if status == nil || status.Phase != v1alpha1.TerraformApplied || status.Message != "" {
		t.Errorf("the status is %+v", status)
	}
	secret := &corev1.Secret{}
	if err := s.client.Get(t.Context(), client.ObjectKey{Namespace: provision.Namespace, Name: "cluster-" + s.name}, secret); err != nil {
		t.Errorf("the access is missing: %v", err)
	}
	planned, err := s.provisioner(t, nil).Apply(t.Context(), s.name, applyOptions, progress.Discard)
	if err != nil || !planned.Empty() {
		t.Errorf("there is still something to do: %+v, %v", planned, err)
	}
}

func (s *scene) checkGone(t *testing.T) {
	t.Helper()
	var secrets corev1.SecretList
	if err := s.client.List(t.Context(), &secrets, client.InNamespace(provision.Namespace)); err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets.Items {
		if strings.Contains(secret.Name, s.name) {
			t.Errorf("secret %s is left", secret.Name)
		}
	}
	cluster := &v1alpha1.Cluster{}
	if err := s.client.Get(t.Context(), client.ObjectKey{Name: s.name}, cluster); !apierrors.IsNotFound(err) {
		t.Errorf("the object is left: %v", err)
	}
	gone := s.lines(t, "gone")
	if !slices.Contains(gone, "network") || !slices.Contains(gone, "cluster") {
		t.Errorf("destroyed were only %v", gone)
	}
}

func TestAPlanIsCarriedOutExactlyOrRefused(t *testing.T) {
	t.Parallel()
	s := newScene(t, 0)
	p := s.provisioner(t, nil)
	planned, err := p.Plan(t.Context(), s.name, provision.PlanOptions{}, progress.Discard)
	if err != nil || planned.Add != 2 || !planned.Kept {
		t.Fatalf("planned %+v, %v", planned, err)
	}
	cluster := s.cluster(t)
	cluster.Spec.Terraform.Variables["seconds"] = apiextensionsv1.JSON{Raw: []byte("1")}
	if err := s.client.Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context(), s.name, applyOptions, progress.Discard); fault.ClassOf(err) != fault.Refused {
		t.Errorf("a plan of something else is applied: %v", err)
	}
	if _, err := p.Plan(t.Context(), s.name, provision.PlanOptions{}, progress.Discard); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context(), s.name, applyOptions, progress.Discard); err != nil {
		t.Fatal(err)
	}
	s.checkApplied(t)
	if err := p.Destroy(t.Context(), s.name, provision.DestroyOptions{Patience: time.Minute}, progress.Discard); err != nil {
		t.Fatal(err)
	}
	s.checkGone(t)
}

func TestNothingIsDoneWithoutApproval(t *testing.T) {
	t.Parallel()
	s := newScene(t, 0)
	p := s.provisioner(t, nil)
	opts := applyOptions
	opts.Approve = func(context.Context, *provision.Planned) error { return provision.ErrNotApproved }
	if _, err := p.Apply(t.Context(), s.name, opts, progress.Discard); !errors.Is(err, provision.ErrNotApproved) {
		t.Errorf("without approval: %v", err)
	}
	if made := s.lines(t, "made"); len(made) > 0 {
		t.Errorf("made without approval: %v", made)
	}
}

// envVictim names the cluster that a copy of this program works on, to be
// killed at the point that envPoint names.
const (
	envVictim = "LANDFALL_TEST_VICTIM"
	envPoint  = "LANDFALL_TEST_POINT"
	envDo     = "LANDFALL_TEST_DO"
	envState  = "LANDFALL_TEST_STATE"
)

// TestVictim is that copy.
func TestVictim(t *testing.T) {
	name := os.Getenv(envVictim)
	if name == "" {
		t.Skip("runs as a part of others")
	}
	s := &scene{client: newClient(t), name: name, state: os.Getenv(envState)}
	p := s.provisioner(t, func(point string) {
		if point == os.Getenv(envPoint) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	})
	var err error
	switch os.Getenv(envDo) {
	case "apply":
		_, err = p.Apply(t.Context(), name, applyOptions, progress.Discard)
	case "destroy":
		err = p.Destroy(t.Context(), name, provision.DestroyOptions{Patience: time.Minute}, progress.Discard)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// victim starts the copy.
func (s *scene) victim(t *testing.T, do, point string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), envVictim+"="+s.name, envPoint+"="+point, envDo+"="+do, envState+"="+s.state)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// killed waits for its end, which has to be a violent one.
func killed(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the victim was not killed: %v", err)
	}
}

func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	applying := []string{"locked", "prepared", "planned", "started", "applied", "access", "answers"}
	destroying := []string{"locked", "prepared", "planned", "leftovers", "started", "destroyed", "forgotten"}
	for _, point := range provision.CrashPoints() {
		if !slices.Contains(applying, point) && !slices.Contains(destroying, point) {
			t.Errorf("nobody is killed at %q", point)
		}
	}
	s := newScene(t, 0)
	for _, point := range applying {
		killed(t, s.victim(t, "apply", point))
	}
	if _, err := s.provisioner(t, nil).Apply(t.Context(), s.name, applyOptions, progress.Discard); err != nil {
		t.Fatal(err)
	}
	s.checkApplied(t)
	if made := s.lines(t, "made"); len(made) != 3 {
		t.Errorf("made more than once: %v", made)
	}
	for _, point := range destroying {
		killed(t, s.victim(t, "destroy", point))
	}
	if err := s.provisioner(t, nil).Destroy(t.Context(), s.name, provision.DestroyOptions{Patience: time.Minute}, progress.Discard); err != nil {
		t.Fatal(err)
	}
	s.checkGone(t)
}

func TestKilledWhileTerraformApplies(t *testing.T) {
	t.Parallel()
	s := newScene(t, 600)
	cmd := s.victim(t, "apply", "")
	kubetest.Eventually(t, func() string {
		if slices.Contains(s.lines(t, "made"), "begun") {
			return ""
		}
		return "the apply has not begun"
	})
	s.checkHeld(t)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed(t, cmd)
	if err := s.provisioner(t, nil).Destroy(t.Context(), s.name, provision.DestroyOptions{Patience: time.Minute}, progress.Discard); fault.ClassOf(err) != fault.Refused {
		t.Errorf("destroyed although the state may not know everything: %v", err)
	}
	cluster := s.cluster(t)
	cluster.Spec.Terraform.Variables["seconds"] = apiextensionsv1.JSON{Raw: []byte("0")}
	if err := s.client.Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	if _, err := s.provisioner(t, nil).Apply(t.Context(), s.name, applyOptions, progress.Discard); err != nil {
		t.Fatalf("going on after the crash: %v", err)
	}
	s.checkApplied(t)
}

// checkHeld says that nobody else gets in while somebody works.
func (s *scene) checkHeld(t *testing.T) {
	t.Helper()
	p := s.provisioner(t, nil)
	if _, err := p.Plan(t.Context(), s.name, provision.PlanOptions{}, progress.Discard); fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), "applying since") {
		t.Errorf("a second one gets in: %v", err)
	}
	if _, err := p.Unlock(t.Context(), s.name, false, progress.Discard); fault.ClassOf(err) != fault.Refused {
		t.Errorf("the living are unlocked: %v", err)
	}
	if _, err := p.Drift(t.Context(), s.name, progress.Discard); err != nil {
		t.Errorf("looking for drift while somebody works: %v", err)
	}
}

func TestTheDeadAreUnlockedAndTheLivingByForce(t *testing.T) {
	t.Parallel()
	s := newScene(t, 0)
	killed(t, s.victim(t, "apply", "started"))
	found, err := s.provisioner(t, nil).Unlock(t.Context(), s.name, false, progress.Discard)
	if err != nil || found.Holder == nil || found.Holder.Alive || !found.Released {
		t.Errorf("unlocking the dead: %+v, %v", found, err)
	}
	stopped := make(chan error, 1)
	slow := s.provisioner(t, func(point string) {
		if point != "planned" {
			return
		}
		_, err := s.provisioner(t, nil).Unlock(t.Context(), s.name, true, progress.Discard)
		stopped <- err
		time.Sleep(6 * time.Second) // until the next beat
	})
	_, err = slow.Apply(t.Context(), s.name, applyOptions, progress.Discard)
	if err := <-stopped; err != nil {
		t.Errorf("unlocking the living by force: %v", err)
	}
	if err == nil || !strings.Contains(err.Error(), "the lock was lost") {
		t.Errorf("who lost the lock goes on: %v", err)
	}
	if made := s.lines(t, "made"); len(made) > 0 {
		t.Errorf("who lost the lock made %v", made)
	}
}

func TestAClusterInUseIsNotDestroyed(t *testing.T) {
	t.Parallel()
	s := newScene(t, 0)
	env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: kubetest.Namespace(t), Name: "staging"}}
	env.Spec.Blueprint, env.Spec.Cluster = "shop", s.name
	if err := s.client.Create(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	destroy := func() error {
		return s.provisioner(t, nil).Destroy(t.Context(), s.name, provision.DestroyOptions{Patience: time.Minute}, progress.Discard)
	}
	if err := destroy(); fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), "/staging") {
		t.Errorf("a cluster that environments run on: %v", err)
	}
	if err := s.client.Delete(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if err := destroy(); err != nil {
		t.Errorf("an unused cluster that never was made: %v", err)
	}
	if err := destroy(); err != nil {
		t.Errorf("a cluster that is gone: %v", err)
	}
}
