package datacopy

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// world is a project with two environments of a blueprint with three stores.
type world struct {
	t   *testing.T
	api client.Client
	r   *Reconciler
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, batchv1.AddToScheme, rbacv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t}
	w.api = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.DataCopy{}).Build()
	w.r = New(Options{Client: w.api, Live: w.api, Recorder: events.NewFakeRecorder(100), Clock: func() time.Time { return noon }, Image: "landfall:test"})
	w.create(&v1alpha1.Blueprint{ObjectMeta: named("shop"), Spec: v1alpha1.BlueprintSpec{Stores: []v1alpha1.Store{
		{Name: "db", Type: v1alpha1.StoreMySQL}, {Name: "cache", Type: v1alpha1.StoreRedis}, {Name: "files", Type: v1alpha1.StoreS3},
	}}})
	w.secret("landfall-mysql", map[string]string{"url": "mysql://root:pw@db.svc:3306"})
	w.secret("landfall-redis", map[string]string{"url": "redis://default:pw@cache.svc:6379"})
	w.secret("landfall-s3", map[string]string{"url": "s3://KEY:pw@s3.svc:7070?tls=false&users=versitygw"})
	for _, env := range []string{"staging", "pr-1", "production"} {
		w.create(&v1alpha1.Environment{ObjectMeta: named(env), Spec: v1alpha1.EnvironmentSpec{Blueprint: "shop"}})
		w.secret("store."+env+".db", map[string]string{"database": env + "_db"})
		w.secret("store."+env+".cache", map[string]string{"database": "0", "prefix": env + ":"})
		w.secret("store."+env+".files", map[string]string{"bucket": env + "-files", "region": "us-east-1"})
	}
	return w
}

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "team", Name: name} }

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.api.Create(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) secret(name string, data map[string]string) {
	w.t.Helper()
	secret := &corev1.Secret{ObjectMeta: named(name), Data: map[string][]byte{}}
	for key, value := range data {
		secret.Data[key] = []byte(value)
	}
	w.create(secret)
}

// copy asks for a copy and reconciles it once.
func (w *world) copy(spec v1alpha1.DataCopySpec) *v1alpha1.DataCopy {
	w.t.Helper()
	w.create(&v1alpha1.DataCopy{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "c", UID: "uid-c"}, Spec: spec})
	return w.reconcile()
}

func (w *world) reconcile() *v1alpha1.DataCopy {
	w.t.Helper()
	key := client.ObjectKey{Namespace: "team", Name: "c"}
	if _, err := w.r.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		w.t.Fatal(err)
	}
	dc := &v1alpha1.DataCopy{}
	w.get(key.Name, dc)
	return dc
}

func (w *world) get(name string, o client.Object) {
	w.t.Helper()
	if err := w.api.Get(w.t.Context(), client.ObjectKey{Namespace: "team", Name: name}, o); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) absent(name string, o client.Object) bool {
	return apierrors.IsNotFound(w.api.Get(w.t.Context(), client.ObjectKey{Namespace: "team", Name: name}, o))
}

// publish is what the pod writes.
func (w *world) publish(state batch.State) {
	w.t.Helper()
	text, err := json.Marshal(state)
	if err != nil {
		w.t.Fatal(err)
	}
	kept := &corev1.ConfigMap{}
	w.get("c-copy", kept)
	kept.Data = map[string]string{batch.StateFile: string(text)}
	if err := w.api.Update(w.t.Context(), kept); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) end(condition batchv1.JobConditionType) {
	w.t.Helper()
	job := &batchv1.Job{}
	w.get("c-copy", job)
	job.Status.Conditions = []batchv1.JobCondition{{Type: condition, Status: corev1.ConditionTrue, Message: "Job has reached the specified backoff limit"}}
	if err := w.api.Status().Update(w.t.Context(), job); err != nil {
		w.t.Fatal(err)
	}
}

func between(from, to string) v1alpha1.DataCopySpec {
	return v1alpha1.DataCopySpec{Action: "copy", Mode: "full", From: v1alpha1.DataCopySide{Environment: from}, To: &v1alpha1.DataCopySide{Environment: to}}
}

// TestTheJobIsGivenWhatItNeeds and no more rights than that.
func TestTheJobIsGivenWhatItNeeds(t *testing.T) {
	w := newWorld(t)
	spec := between("staging", "pr-1")
	spec.Mask = &v1alpha1.DataMask{Rules: "version: landfall.dev/mask/v1\nrules: []\n"}
	spec.Follow = true
	dc := w.copy(spec)
	if dc.Status.Phase != v1alpha1.DataCopyPending || dc.Status.Job != "c-copy" {
		t.Errorf("phase %s, Job %s: %s", dc.Status.Phase, dc.Status.Job, dc.Status.Message)
	}
	secret := &corev1.Secret{}
	w.get("c-copy", secret)
	var job batch.Job
	if err := json.Unmarshal(secret.Data[batch.JobFile], &job); err != nil {
		t.Fatal(err)
	}
	want := []batch.Store{
		{Name: "db", From: "mysql://root:pw@db.svc:3306/staging_db", To: "mysql://root:pw@db.svc:3306/pr-1_db"},
		{Name: "cache", From: "redis://default:pw@cache.svc:6379/0?prefix=staging%3A", To: "redis://default:pw@cache.svc:6379/0?prefix=pr-1%3A"},
		{Name: "files", From: "s3://KEY:pw@s3.svc:7070/staging-files?region=us-east-1&tls=false", To: "s3://KEY:pw@s3.svc:7070/pr-1-files?region=us-east-1&tls=false"},
	}
	if diff := cmp.Diff(want, job.Stores); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, store := range job.Stores {
		for _, address := range []string{store.From, store.To} {
			if _, err := datacopy.ParseAddress(address); err != nil {
				t.Errorf("%s: %v", store.Name, err)
			}
		}
	}
	if !job.Follow {
		t.Error("the Job does not know that it is to follow")
	}
	kept := &corev1.Secret{}
	w.get("landfall-mask-key", kept)
	if job.Key == "" || job.Key != string(kept.Data["key"]) {
		t.Error("the mask key is not the project's")
	}
	role := &rbacv1.Role{}
	w.get("c-copy", role)
	for i, names := range []int{batch.Segments + 1, 1} {
		if len(role.Rules) != 2 || len(role.Rules[i].ResourceNames) != names || !cmp.Equal(role.Rules[i].Resources, []string{[]string{"configmaps", "datacopies"}[i]}) {
			t.Errorf("the pod may: %+v", role.Rules)
		}
	}
	if verbs := role.Rules[len(role.Rules)-1].Verbs; !cmp.Equal(verbs, []string{"get"}) {
		t.Errorf("the pod may %v its copy", verbs)
	}
	made := &batchv1.Job{}
	w.get("c-copy", made)
	if pod := made.Spec.Template.Spec; pod.Containers[0].Image != "landfall:test" || pod.RestartPolicy != corev1.RestartPolicyNever || !metav1.IsControlledBy(made, dc) {
		t.Errorf("the Job is %+v", made.Spec)
	}
	if text, _ := json.Marshal(dc); strings.Contains(string(text), "pw@") {
		t.Error("the status shows a password")
	}
}

func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		spec v1alpha1.DataCopySpec
		want string
	}{
		"into production":     {between("staging", "production"), "the target is production"},
		"out of production":   {between("production", "pr-1"), "leaves it masked only"},
		"no such environment": {between("stagging", "pr-1"), "environment stagging does not exist"},
		"no such store":       {func() v1alpha1.DataCopySpec { s := between("staging", "pr-1"); s.Stores = []string{"dbx"}; return s }(), "do not both have a store dbx"},
		"no such mask": {func() v1alpha1.DataCopySpec {
			s := between("staging", "pr-1")
			s.Mask = &v1alpha1.DataMask{ConfigMap: &corev1.ConfigMapKeySelector{}}
			s.Mask.ConfigMap.Name = "rules"
			return s
		}(), "ConfigMap rules does not exist"},
		"which store of three?": {v1alpha1.DataCopySpec{Action: "copy", From: v1alpha1.DataCopySide{Secret: "landfall-gone"}, To: &v1alpha1.DataCopySide{Environment: "pr-1"}}, "Secret landfall-gone does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			dc := w.copy(tt.spec)
			if dc.Status.Phase != v1alpha1.DataCopyFailed || !strings.Contains(dc.Status.Message, tt.want) {
				t.Errorf("%s: %s", dc.Status.Phase, dc.Status.Message)
			}
			if !w.absent("c-copy", &batchv1.Job{}) {
				t.Error("a Job was made all the same")
			}
		})
	}
}

// TestOneStoreByAddress finds its counterpart by type.
func TestOneStoreByAddress(t *testing.T) {
	w := newWorld(t)
	w.secret("old-db", map[string]string{"url": "mysql://reader:pw@old/shop"})
	w.copy(v1alpha1.DataCopySpec{Action: "copy", From: v1alpha1.DataCopySide{Secret: "old-db", Stage: "staging"}, To: &v1alpha1.DataCopySide{Environment: "pr-1"}})
	secret := &corev1.Secret{}
	w.get("c-copy", secret)
	var job batch.Job
	if err := json.Unmarshal(secret.Data[batch.JobFile], &job); err != nil {
		t.Fatal(err)
	}
	want := []batch.Store{{Name: "db", From: "mysql://reader:pw@old/shop", To: "mysql://root:pw@db.svc:3306/pr-1_db"}}
	if diff := cmp.Diff(want, job.Stores); diff != "" || job.FromStage != "staging" {
		t.Errorf("stage %s, -want +got:\n%s", job.FromStage, diff)
	}
}

// TestFromPodToStatus follows a copy to its end, and forgets its secrets then.
func TestFromPodToStatus(t *testing.T) {
	w := newWorld(t)
	w.copy(between("staging", "pr-1"))
	state := batch.State{Name: "c", Phase: batch.PhaseRunning, Stores: []batch.StoreState{{
		Name: "db", Kind: "mysql", State: batch.StateCopying, Units: []batch.UnitState{{Name: "orders", Noun: "rows", Done: 25, Total: 100, Bytes: 1000}},
	}}}
	w.publish(state)
	dc := w.reconcile()
	if dc.Status.Phase != v1alpha1.DataCopyRunning || dc.Status.Progress != "25 %" || dc.Status.Message != "db copying" {
		t.Errorf("%s %s %q", dc.Status.Phase, dc.Status.Progress, dc.Status.Message)
	}
	state.Phase, state.Ended = batch.PhaseSucceeded, noon
	state.Stores[0].State, state.Stores[0].Answer = batch.StateDone, datacopy.Equal
	w.publish(state)
	w.end(batchv1.JobComplete)
	dc = w.reconcile()
	if dc.Status.Phase != v1alpha1.DataCopySucceeded || dc.Status.Answer != "equal" || dc.Status.Message != "staging and pr-1 are equal" {
		t.Errorf("%s %s %q", dc.Status.Phase, dc.Status.Answer, dc.Status.Message)
	}
	if !w.absent("c-copy", &corev1.Secret{}) {
		t.Error("addresses and mask key are still there")
	}
}

// TestADifferenceIsNoFailure, and no success.
func TestADifferenceIsNoFailure(t *testing.T) {
	w := newWorld(t)
	w.copy(between("staging", "pr-1"))
	w.publish(batch.State{Phase: batch.PhaseDifferent, Message: "1 of 3 parts differ: orders", Ended: noon, Stores: []batch.StoreState{{Name: "db", State: batch.StateFailed, Answer: datacopy.Different}}})
	w.end(batchv1.JobFailed)
	dc := w.reconcile()
	if dc.Status.Phase != v1alpha1.DataCopyDifferent || dc.Status.Answer != "different" {
		t.Errorf("%s %s", dc.Status.Phase, dc.Status.Answer)
	}
}

// TestResume keeps the journal and makes the Job anew.
func TestResume(t *testing.T) {
	w := newWorld(t)
	w.copy(between("staging", "pr-1"))
	segment := &corev1.ConfigMap{}
	w.get("c-copy-journal-0", segment)
	segment.BinaryData = map[string][]byte{"journal.gz": []byte("chunks")}
	if err := w.api.Update(t.Context(), segment); err != nil {
		t.Fatal(err)
	}
	w.end(batchv1.JobFailed) // killed too often, without a word
	dc := w.reconcile()
	if dc.Status.Phase != v1alpha1.DataCopyFailed || !strings.Contains(dc.Status.Message, "backoff limit") {
		t.Fatalf("%s: %s", dc.Status.Phase, dc.Status.Message)
	}
	dc.Annotations = map[string]string{v1alpha1.AnnotationResumeRequested: "now"}
	if err := w.api.Update(t.Context(), dc); err != nil {
		t.Fatal(err)
	}
	w.reconcile() // deletes the Job
	w.reconcile() // sees that it is gone
	dc = w.reconcile()
	if dc.Status.Phase != v1alpha1.DataCopyPending || dc.Status.ResumedRequest != "now" {
		t.Errorf("%s, resumed %q: %s", dc.Status.Phase, dc.Status.ResumedRequest, dc.Status.Message)
	}
	if w.absent("c-copy", &batchv1.Job{}) || w.absent("c-copy", &corev1.Secret{}) {
		t.Error("no new Job or no new Secret")
	}
	w.get("c-copy-journal-0", segment)
	if string(segment.BinaryData["journal.gz"]) != "chunks" {
		t.Error("the journal is lost")
	}
}

// TestSomebodyElsesObjectIsLeftAlone.
func TestSomebodyElsesObjectIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.secret("c-copy", map[string]string{"mine": "x"})
	dc := w.copy(between("staging", "pr-1"))
	if dc.Status.Phase != v1alpha1.DataCopyFailed || !strings.Contains(dc.Status.Message, "not this copy's") {
		t.Errorf("%s: %s", dc.Status.Phase, dc.Status.Message)
	}
	w.reconcile()
	if w.absent("c-copy", &corev1.Secret{}) {
		t.Error("the Secret was deleted")
	}
}
