package transfer

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/landfall-dev/landfall/internal/cluster/transfer/corpus"
	"github.com/landfall-dev/landfall/internal/kube/kubetest"
	"github.com/landfall-dev/landfall/internal/progress"
)

// pair is two real clusters, of which the first has the corpus.
type pair struct {
	t        *testing.T
	from, to *Cluster
	name     string
}

func newPair(t *testing.T) pair {
	t.Helper()
	p := pair{t: t, name: kubetest.Name(t)}
	p.from, p.to = connect(t, "blue", kubetest.Config(t)), connect(t, "green", kubetest.SecondConfig(t))
	t.Cleanup(func() { p.clean(p.from); p.clean(p.to) })
	served, unreadable, err := p.from.Resources(t.Context())
	if err != nil || len(unreadable) > 0 {
		t.Fatal(err, unreadable)
	}
	if err := corpus.Create(p.name, func(u *unstructured.Unstructured) (types.UID, error) {
		return p.create(served, u)
	}); err != nil {
		t.Fatal(err)
	}
	return p
}

func connect(t *testing.T, name string, config *rest.Config) *Cluster {
	t.Helper()
	config.WarningHandler = rest.NoWarnings{}
	c, err := Connect(name, config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// create creates an object, once its kind is served.
func (p pair) create(served map[schema.GroupKind]Resource, u *unstructured.Unstructured) (types.UID, error) {
	r, ok := served[u.GroupVersionKind().GroupKind()]
	if !ok {
		r.GroupVersionResource = u.GroupVersionKind().GroupVersion().WithResource(strings.ToLower(u.GetKind()) + "s")
	}
	r.Version = u.GroupVersionKind().Version
	var made *unstructured.Unstructured
	err := wait.PollUntilContextTimeout(p.t.Context(), 100*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (done bool, err error) {
		made, err = p.from.dynamic.Resource(r.GroupVersionResource).Namespace(u.GetNamespace()).Create(ctx, u, metav1.CreateOptions{FieldManager: "kubectl-create"})
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) && strings.Contains(err.Error(), "serviceaccount") {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return "", err
	}
	return made.GetUID(), nil
}

// clean removes what has the name, of the whole cluster and namespaces.
func (p pair) clean(c *Cluster) {
	ctx := context.Background()
	served, _, err := c.Resources(ctx)
	if err != nil {
		p.t.Error(err)
		return
	}
	for _, r := range served {
		if r.Namespaced && r.Kind.Kind != "Event" {
			continue
		}
		list, err := c.dynamic.Resource(r.GroupVersionResource).List(ctx, metav1.ListOptions{})
		if err != nil {
			continue // the kind has just gone
		}
		for _, u := range list.Items {
			if strings.Contains(u.GetName(), p.name) {
				_ = c.dynamic.Resource(r.GroupVersionResource).Namespace(u.GetNamespace()).Delete(ctx, u.GetName(), metav1.DeleteOptions{})
			}
		}
	}
}

// only leaves out what is not of the corpus.
func (p pair) only() Selection {
	return Selection{Skip: func(u *unstructured.Unstructured) string {
		if !strings.Contains(u.GetName()+" "+u.GetNamespace(), p.name) {
			return "is somebody else's"
		}
		return ""
	}}
}

func (p pair) plan(o Options) *Plan {
	p.t.Helper()
	plan, err := Make(p.t.Context(), p.from, p.to, p.only(), o, progress.Discard)
	if err != nil {
		p.t.Fatal(err)
	}
	return plan
}

// readOnly makes the source one that nobody can write through.
func (p *pair) readOnly() {
	p.t.Helper()
	c := kubetest.Client(p.t, "kubetest")
	user := p.name + "-reader"
	for _, text := range []string{
		"{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: " + user + "}, rules: [{apiGroups: ['*'], resources: ['*'], verbs: [get, list]}]}",
		"{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: " + user + "}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: " + user + "}, subjects: [{kind: User, name: " + user + "}]}",
	} {
		if err := c.Create(p.t.Context(), kubetest.Object(p.t, text)); err != nil {
			p.t.Fatal(err)
		}
	}
	config := kubetest.Config(p.t)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
	p.from = connect(p.t, "blue", config)
}

// TestEveryBuiltInKind transfers the corpus through credentials that can only
// read, and expects nothing different after it.
func TestEveryBuiltInKind(t *testing.T) {
	p := newPair(t)
	admin := p.from
	p.readOnly()
	p.covers(admin)
	plan := p.plan(Options{})
	result, err := plan.Execute(t.Context(), Execution{}, progress.Discard)
	if err != nil {
		t.Fatalf("%v\n%+v", err, result.Failed())
	}
	if result.Done() < 60 {
		t.Errorf("%d objects were written", result.Done())
	}
	p.done()
	time.Sleep(time.Second) // for the target's controllers to do what they do
	p.done()
	p.owners()
	p.from = admin
}

// done: a transfer has nothing more to do.
func (p pair) done() {
	p.t.Helper()
	for _, item := range p.plan(Options{}).Items {
		if item.Action != Unchanged && item.Action != Stay {
			p.t.Errorf("after the transfer: %s: %s %s", item.Action, item.Key, item.Reason)
		}
	}
}

// covers: the corpus has all kinds that the API server serves by itself.
func (p pair) covers(c *Cluster) {
	p.t.Helper()
	served, _, err := c.Resources(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	objects, err := corpus.Objects("any")
	if err != nil {
		p.t.Fatal(err)
	}
	has := map[schema.GroupKind]bool{}
	for _, u := range objects {
		has[u.GroupVersionKind().GroupKind()] = true
	}
	for k := range served {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(k.WithVersion("v1"))
		if builtIn(u) && !strings.HasPrefix(k.Group, "gateway.") && !strings.HasPrefix(k.Group, "metrics.") && !has[k] && corpus.Absent[k.String()] == "" {
			p.t.Errorf("the corpus has no %s", k)
		}
	}
}

// owners have the UIDs that they got in the target.
func (p pair) owners() {
	p.t.Helper()
	secrets := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	derived, err := p.to.dynamic.Resource(secrets).Namespace(p.name).Get(p.t.Context(), "derived", metav1.GetOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	widgets := schema.GroupVersionResource{Group: p.name + ".example.com", Version: "v1", Resource: "widgets"}
	widget, err := p.to.dynamic.Resource(widgets).Namespace(p.name).Get(p.t.Context(), "settings", metav1.GetOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	if got := derived.GetOwnerReferences(); len(got) != 1 || got[0].UID != widget.GetUID() || len(widget.GetOwnerReferences()) != 1 {
		p.t.Errorf("the owners are %+v and %+v", got, widget.GetOwnerReferences())
	}
}

// TestRenameFollowsTheName looks at every field of the corpus that means a
// namespace.
func TestRenameFollowsTheName(t *testing.T) {
	objects, err := corpus.Objects("old")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, u := range objects {
		c := Portable(u, Options{Namespaces: map[string]string{"old": "new", "old-limits": "new-limits"}})
		if c.Object == nil || !builtIn(u) {
			continue
		}
		visit("", c.Object.Object, func(path, text string) {
			if !meansNamespace(path) {
				return
			}
			seen++
			if strings.HasPrefix(text, "old") {
				t.Errorf("%s %s: %s is still %s", u.GetKind(), u.GetName(), path, text)
			}
		})
	}
	if seen < 50 {
		t.Errorf("only %d fields mean a namespace", seen)
	}
}

func meansNamespace(path string) bool {
	for _, end := range []string{".namespace", "namespaces[]", ".matchLabels." + nameLabel, "namespaceSelector.matchExpressions[].values[]"} {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}

func visit(path string, value any, each func(path, text string)) {
	switch v := value.(type) {
	case map[string]any:
		for name, next := range v {
			visit(path+"."+name, next, each)
		}
	case []any:
		for _, next := range v {
			visit(path+"[]", next, each)
		}
	default:
		each(path, fmt.Sprint(v))
	}
}
