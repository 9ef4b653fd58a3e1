package data

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

// TestSidesThatDoNotExist are usage errors, as addresses are that are none, and
// leave nothing behind.
func TestSidesThatDoNotExist(t *testing.T) {
	cl := fake.NewClientBuilder().WithScheme(command.Scheme()).WithObjects(environmentOf("staging"), environmentOf("pr-1")).Build()
	c := &command.Context{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Clock: time.Now, Getenv: func(string) string { return "" }}
	c.SetClient(cl)
	for _, line := range []string{
		"copy --from nosuch --to pr-1", "copy --from staging --to nosuch", "copy --from secret/old --to nosuch",
		"plan --from nosuch --to pr-1", "verify --from nosuch --to pr-1", "mask suggest --from nosuch",
	} {
		cmd := New(c)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(strings.Fields(line))
		err := cmd.ExecuteContext(t.Context())
		if fault.ExitCode(err) != fault.ExitUsage || !strings.Contains(err.Error(), "environment nosuch does not exist") {
			t.Errorf("%s: %v", line, err)
		}
		if hint := fault.HintOf(err); !strings.Contains(hint, "There are pr-1 and staging") {
			t.Errorf("%s: the hint is %q", line, hint)
		}
	}
	var made v1alpha1.DataCopyList
	if err := cl.List(t.Context(), &made); err != nil || len(made.Items) > 0 {
		t.Errorf("made %+v (%v)", made.Items, err)
	}
}

// TestExitCodesOfTheCluster: why the controller could not begin is told by its
// reason.
func TestExitCodesOfTheCluster(t *testing.T) {
	for reason, code := range map[string]int{
		v1alpha1.ReasonInvalid: fault.ExitUsage, v1alpha1.ReasonRefused: fault.ExitRefused, v1alpha1.ReasonCopyFailed: fault.ExitFailed,
	} {
		ended := interceptor.Funcs{Create: func(ctx context.Context, cl client.WithWatch, object client.Object, opts ...client.CreateOption) error {
			if dc, ok := object.(*v1alpha1.DataCopy); ok {
				dc.Name = "copy"
				dc.Status.Phase, dc.Status.Message = v1alpha1.DataCopyFailed, "no store is called nosuch"
				dc.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason}}
			}
			return cl.Create(ctx, object, opts...)
		}}
		c := &command.Context{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Clock: time.Now, Getenv: func(string) string { return "" }}
		c.SetClient(fake.NewClientBuilder().WithScheme(command.Scheme()).WithObjects(environmentOf("staging"), environmentOf("pr-1")).WithInterceptorFuncs(ended).Build())
		flags := askFlags{sideFlags: sideFlags{from: "staging", to: "pr-1", stores: []string{"nosuch"}}, waitFlags: waitFlags{wait: true, timeout: time.Minute}}
		err := flags.run(t.Context(), c, "copy")
		if fault.ExitCode(err) != code || !strings.Contains(err.Error(), "no store is called nosuch") {
			t.Errorf("%s: exit code %d, want %d: %v", reason, fault.ExitCode(err), code, err)
		}
	}
}
