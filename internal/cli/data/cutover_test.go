package data

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

func copyOf(name string, follow bool, phase v1alpha1.DataCopyPhase) *v1alpha1.DataCopy {
	return &v1alpha1.DataCopy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: v1alpha1.DataCopySpec{
			From: v1alpha1.DataCopySide{Environment: "staging"}, To: &v1alpha1.DataCopySide{Environment: "pr-1"}, Follow: follow,
		},
		Status: v1alpha1.DataCopyStatus{Phase: phase},
	}
}

func environmentOf(name string) *v1alpha1.Environment {
	return &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
}

// TestCutoverReachesTheJob asks by the command, and hears it as the Job does.
func TestCutoverReachesTheJob(t *testing.T) {
	cl := fake.NewClientBuilder().WithScheme(command.Scheme()).WithObjects(
		copyOf("follows", true, v1alpha1.DataCopyRunning), copyOf("plain", false, v1alpha1.DataCopyRunning), copyOf("ended", true, v1alpha1.DataCopySucceeded),
	).Build()
	state := t.TempDir()
	landfall := func(args ...string) error {
		var out bytes.Buffer
		c := &command.Context{In: strings.NewReader(""), Out: &out, Err: &out, Clock: time.Now, Getenv: func(name string) string {
			return map[string]string{"XDG_STATE_HOME": state}[name]
		}}
		c.SetClient(cl)
		root := &cobra.Command{Use: "landfall", SilenceErrors: true, SilenceUsage: true}
		c.AddFlags(root.PersistentFlags())
		root.AddCommand(New(c))
		root.SetArgs(append([]string{"data"}, args...))
		return root.ExecuteContext(t.Context())
	}
	now := cutoverOf(t.Context(), cl, client.ObjectKey{Namespace: "default", Name: "follows"})
	select {
	case <-now:
		t.Fatal("it is time before anybody asked")
	case <-time.After(50 * time.Millisecond):
	}
	for name, class := range map[string]fault.Class{"plain": fault.Invalid, "ended": fault.Refused, "none": fault.NotFound} {
		if err := landfall("cutover", name); fault.ClassOf(err) != class {
			t.Errorf("cutting %s over: %v, want %v", name, err, class)
		}
	}
	if err := landfall("cutover", "follows"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-now:
	case <-time.After(20 * time.Second):
		t.Error("the Job does not hear of it")
	}
}

// TestFollowIsAskedOfTheCluster looks at the object that the command makes.
func TestFollowIsAskedOfTheCluster(t *testing.T) {
	cl := fake.NewClientBuilder().WithScheme(command.Scheme()).WithObjects(environmentOf("staging"), environmentOf("pr-1")).Build()
	c := &command.Context{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Clock: time.Now, Getenv: func(string) string { return "" }}
	c.SetClient(cl)
	for _, tt := range []struct {
		flags   askFlags
		refused bool
	}{
		{flags: askFlags{follow: true, cutover: true}},
		{flags: askFlags{follow: true, stopWrites: true}, refused: true},
		{flags: askFlags{cutover: true}, refused: true},
	} {
		tt.flags.from, tt.flags.to = "staging", "pr-1"
		err := tt.flags.run(t.Context(), c, "copy")
		if (fault.ClassOf(err) == fault.Invalid) != tt.refused || err != nil && !tt.refused {
			t.Errorf("%+v: %v", tt.flags, err)
		}
	}
	var made v1alpha1.DataCopyList
	if err := cl.List(t.Context(), &made); err != nil {
		t.Fatal(err)
	}
	if len(made.Items) != 1 || !made.Items[0].Spec.Follow || made.Items[0].Annotations[v1alpha1.AnnotationCutoverRequested] == "" {
		t.Errorf("made %+v", made.Items)
	}
}
