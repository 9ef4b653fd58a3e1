package change

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/fault"
)

func shop() *v1alpha1.Blueprint {
	return &v1alpha1.Blueprint{
		ObjectMeta: metav1.ObjectMeta{Name: "shop"},
		Spec: v1alpha1.BlueprintSpec{Components: []v1alpha1.Component{
			{Name: "web", Image: "localhost:5001/shop/web:1"},
			{Name: "worker", Image: "localhost:5001/shop/worker:1"},
			{Name: "board", Chart: &v1alpha1.Chart{Repository: "oci://example.org/board", Version: "0.3.0"}},
			{Name: "sign", Chart: &v1alpha1.Chart{Archive: []byte("…"), VersionPath: "image.tag"}},
		}},
	}
}

func TestDeploySetsVersionsAndEndsARollback(t *testing.T) {
	env := &v1alpha1.Environment{Spec: v1alpha1.EnvironmentSpec{
		RollbackTo: "staging-2",
		Versions:   map[string]string{"web": "3", "worker": "3"},
	}}
	current := &v1alpha1.Release{Spec: v1alpha1.ReleaseSpec{Components: []v1alpha1.ReleaseComponent{
		{Name: "web", Version: "2"}, {Name: "worker", Version: "1"}, {Name: "board", Version: "0.3.0"}, {Name: "gone", Version: "9"},
	}}}
	if err := Deploy(env, shop(), current, map[string]string{"web": "4"}); err != nil {
		t.Fatal(err)
	}
	want := v1alpha1.EnvironmentSpec{Versions: map[string]string{"web": "4", "worker": "1"}}
	if diff := cmp.Diff(want, env.Spec); diff != "" {
		t.Errorf("the worker must stay what the rollback brought back (-want +got)\n%s", diff)
	}
}

func TestDeployNamesUnknownComponents(t *testing.T) {
	err := Deploy(&v1alpha1.Environment{}, shop(), nil, map[string]string{"wbe": "4"})
	if fault.ClassOf(err) != fault.Invalid || !strings.Contains(err.Error(), "wbe") || !strings.Contains(fault.HintOf(err), "web, worker, board, sign") {
		t.Errorf("got %v (%s)", err, fault.HintOf(err))
	}
}

func TestDefaultVersion(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	tests := map[string]struct {
		component v1alpha1.Component
		want      string
	}{
		"tag behind a port": {v1alpha1.Component{Image: "localhost:5001/web:1.2"}, "1.2"},
		"port but no tag":   {v1alpha1.Component{Image: "localhost:5001/web"}, "latest"},
		"digest":            {v1alpha1.Component{Image: "web@" + digest}, digest},
		"tag and digest":    {v1alpha1.Component{Image: "web:1@" + digest}, digest},
		"chart":             {v1alpha1.Component{Chart: &v1alpha1.Chart{Version: "3"}}, "3"},
		"kustomization":     {v1alpha1.Component{Kustomize: &v1alpha1.Kustomize{}}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := DefaultVersion(&tt.component); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFromTakesWhatRuns(t *testing.T) {
	source := &v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Name: "staging", Namespace: "team", UID: "1"},
		Spec: v1alpha1.EnvironmentSpec{
			Blueprint: "shop", Cluster: "local", Hostname: "staging.example.org", Namespace: "s", Asleep: true, Adopt: true,
			TTL: &metav1.Duration{Duration: time.Hour}, RollbackTo: "staging-1",
			Versions: map[string]string{"web": "3"},
			Stores: []v1alpha1.StoreOverride{
				{Name: "db", StoreSource: v1alpha1.StoreSource{External: "the-real-one"}},
				{Name: "cache", StoreSource: v1alpha1.StoreSource{Server: "big"}},
			},
		},
		Status: v1alpha1.EnvironmentStatus{Components: []v1alpha1.ComponentStatus{
			{Name: "web", Version: "2", Image: "localhost:5001/shop/web@sha256:abc"},
			{Name: "board", Version: "0.3.0", Image: "board:0.3.0@sha256:def"},
			{Name: "sign", Version: "1.0.0", Image: "sign:1.0.0@sha256:fed"},
		}},
	}
	env, left := From(source, shop(), "pr-1")
	want := &v1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Name: "pr-1", Namespace: "team"},
		Spec: v1alpha1.EnvironmentSpec{
			Blueprint: "shop", Cluster: "local",
			Versions: map[string]string{"web": "2@sha256:abc", "board": "0.3.0"},
			Stores:   []v1alpha1.StoreOverride{{Name: "cache", StoreSource: v1alpha1.StoreSource{Server: "big"}}},
		},
	}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"db"}, left); diff != "" {
		t.Errorf("left out (-want +got)\n%s", diff)
	}
	if source.Spec.Versions["web"] != "3" {
		t.Error("the source was changed")
	}
}

func TestExtendCountsFromNow(t *testing.T) {
	born := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(born)}}
	if err := Extend(env, 8*time.Hour, born.Add(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := env.Spec.TTL.Duration; got != 11*time.Hour {
		t.Errorf("ttl %s, want 11h: eight more after three lived", got)
	}
	if err := Extend(env, -time.Hour, born); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("a negative extension gives %v", err)
	}
}

func release(number int32, phase v1alpha1.ReleasePhase, objects, rollbackTo string) v1alpha1.Release {
	r := v1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{Name: "staging-" + string('0'+number)},
		Spec:       v1alpha1.ReleaseSpec{Number: number, ObjectsHash: objects, RollbackTo: rollbackTo, Cause: v1alpha1.CauseDeploy},
		Status:     v1alpha1.ReleaseStatus{Phase: phase},
	}
	if rollbackTo != "" {
		r.Spec.Cause = v1alpha1.CauseRollback
	}
	return r
}

func TestRollbackTarget(t *testing.T) {
	const ok, bad, running = v1alpha1.ReleaseSucceeded, v1alpha1.ReleaseFailed, v1alpha1.ReleaseProgress
	tests := map[string]struct {
		history []v1alpha1.Release
		to      int32
		want    string
		fails   string
	}{
		"the one before":              {[]v1alpha1.Release{release(1, ok, "a", ""), release(2, ok, "b", "")}, 0, "staging-1", ""},
		"order does not matter":       {[]v1alpha1.Release{release(2, ok, "b", ""), release(1, ok, "a", "")}, 0, "staging-1", ""},
		"failed ones are passed over": {[]v1alpha1.Release{release(1, ok, "a", ""), release(2, bad, "b", ""), release(3, bad, "c", "")}, 0, "staging-1", ""},
		"while a deploy is under way": {[]v1alpha1.Release{release(1, ok, "a", ""), release(2, running, "b", "")}, 0, "staging-1", ""},
		"redeploys of the same too":   {[]v1alpha1.Release{release(1, ok, "a", ""), release(2, ok, "b", ""), release(3, ok, "b", "")}, 0, "staging-1", ""},
		"twice goes back further":     {[]v1alpha1.Release{release(1, ok, "a", ""), release(2, ok, "b", ""), release(3, ok, "c", ""), release(4, ok, "b", "staging-2")}, 0, "staging-1", ""},
		"the original is not kept":    {[]v1alpha1.Release{release(5, ok, "a", "staging-1"), release(6, ok, "b", "")}, 0, "staging-5", ""},
		"chosen":                      {[]v1alpha1.Release{release(1, ok, "a", ""), release(2, bad, "b", "")}, 2, "staging-2", ""},
		"chosen but gone":             {[]v1alpha1.Release{release(4, ok, "a", ""), release(5, bad, "b", "")}, 2, "", "release 2 is not kept"},
		"nothing before":              {[]v1alpha1.Release{release(1, ok, "a", "")}, 0, "", "no release before 1 succeeded"},
		"no release":                  {nil, 0, "", "it has no release yet"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			env := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Name: "staging"}}
			newest := int32(0)
			for _, r := range tt.history {
				if r.Spec.Number > newest {
					newest, env.Status.Release = r.Spec.Number, r.Name
				}
			}
			got, err := RollbackTarget(env, tt.history, tt.to)
			switch {
			case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)):
				t.Errorf("error %v, want one with %q", err, tt.fails)
			case tt.fails == "" && err != nil:
				t.Error(err)
			case tt.fails == "" && got.Name != tt.want:
				t.Errorf("got %s, want %s", got.Name, tt.want)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	a := &v1alpha1.Environment{
		Spec: v1alpha1.EnvironmentSpec{Blueprint: "shop", Cluster: "blue", Overrides: []v1alpha1.Override{{Component: "web", Scale: &v1alpha1.Scale{Min: 3}}}},
		Status: v1alpha1.EnvironmentStatus{Components: []v1alpha1.ComponentStatus{
			{Name: "web", Version: "1", Image: "web@sha256:a"},
			{Name: "worker", Version: "1", Image: "worker@sha256:a"},
			{Name: "board", Version: "1", Image: "board@sha256:a"},
		}},
	}
	b := &v1alpha1.Environment{
		Spec: v1alpha1.EnvironmentSpec{Blueprint: "shop", Cluster: "green"},
		Status: v1alpha1.EnvironmentStatus{Components: []v1alpha1.ComponentStatus{
			{Name: "web", Version: "2", Image: "web@sha256:b"},
			{Name: "worker", Version: "1@sha256:a", Image: "worker@sha256:a"},
			{Name: "board", Version: "1", Image: "board@sha256:b"},
		}},
	}
	want := []Difference{
		{"cluster", "blue", "green"},
		{"versions.board", "board@sha256:a", "board@sha256:b"},
		{"versions.web", "1", "2"},
		{"overrides.web", `{"component":"web","scale":{"min":3}}`, ""},
	}
	if diff := cmp.Diff(want, Compare(a, b)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
