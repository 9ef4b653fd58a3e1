package release_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func TestMeasure(t *testing.T) {
	const (
		deploy    = v1alpha1.CauseDeploy
		rollback  = v1alpha1.CauseRollback
		succeeded = v1alpha1.ReleaseSucceeded
		failed    = v1alpha1.ReleaseFailed
	)
	for _, tt := range []struct {
		name     string
		releases []v1alpha1.Release
		want     release.Stats
	}{
		{name: "nothing yet"},
		{
			name:     "one deploy under way counts for nothing",
			releases: []v1alpha1.Release{finished(1, deploy, v1alpha1.ReleaseProgress, 0)},
		},
		{
			name:     "all well, in any order",
			releases: []v1alpha1.Release{finished(2, deploy, succeeded, 10), finished(1, deploy, succeeded, 0)},
			want:     release.Stats{Deployments: 2, PerDay: 1},
		},
		{
			name: "a deploy that looked well but was rolled back has failed",
			releases: []v1alpha1.Release{
				finished(1, deploy, succeeded, 0), finished(2, deploy, succeeded, 60), finished(3, rollback, succeeded, 75),
			},
			want: release.Stats{Deployments: 2, Failed: 1, PerDay: 1, ChangeFailureRate: 0.5, Restored: 1, TimeToRestore: 15 * time.Minute},
		},
		{
			name: "broken from the first failure until something works",
			releases: []v1alpha1.Release{
				finished(1, deploy, failed, 0), finished(2, deploy, failed, 10), finished(3, deploy, succeeded, 30),
			},
			want: release.Stats{Deployments: 3, Failed: 2, PerDay: 1.5, ChangeFailureRate: 2. / 3, Restored: 1, TimeToRestore: 30 * time.Minute},
		},
		{
			name: "a failed rollback restores nothing; superseded releases do not count",
			releases: []v1alpha1.Release{
				finished(1, deploy, failed, 0), finished(2, deploy, v1alpha1.ReleaseSuperseded, 5), finished(3, rollback, failed, 10),
			},
			want: release.Stats{Deployments: 1, Failed: 1, PerDay: 0.5, ChangeFailureRate: 1},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := release.Measure(tt.releases, noon.Add(48*time.Hour))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func finished(number int32, cause v1alpha1.Cause, phase v1alpha1.ReleasePhase, minute int) v1alpha1.Release {
	at := metav1.NewTime(noon.Add(time.Duration(minute) * time.Minute))
	return v1alpha1.Release{
		Spec:   v1alpha1.ReleaseSpec{Number: number, Cause: cause},
		Status: v1alpha1.ReleaseStatus{Phase: phase, FinishedAt: &at},
	}
}
