package env

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
)

func newGet(c *command.Context) *cobra.Command {
	return &cobra.Command{
		Use:               "get NAME",
		Short:             "Show an environment: components, addresses, drift, what is wrong",
		Example:           "  landfall env get staging\n  landfall env get staging -o yaml",
		Args:              command.Args(cobra.ExactArgs(1)),
		ValidArgsFunction: completeOne(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			env, err := ask.Environment(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return ask.Print(c, env, func(w io.Writer) error { return show(c, w, env) })
		},
	}
}

func show(c *command.Context, w io.Writer, env *v1alpha1.Environment) error {
	facts := [][]string{
		{"Name", env.Name},
		{"Blueprint", env.Spec.Blueprint},
		{"Cluster", whereabouts(env) + ", namespace " + command.OrDash(env.Status.Namespace)},
		{"Phase", command.OrDash(string(env.Status.Phase))},
		{"Release", release(env)},
		{"Drift", driftWord(env.Status.Drift)},
		{"Baseline", baselineLine(c, env.Status.Baseline)},
		{"Expires", expires(c, env.Status.ExpiresAt)},
		{"Age", c.Age(env.CreationTimestamp.Time)},
	}
	for _, u := range env.Status.URLs {
		facts = append(facts, []string{"URL", u.URL + " (" + u.Component + ")"})
	}
	for _, condition := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionMoving, v1alpha1.ConditionExpiring} {
		if line := conditionLine(env, condition); line != "" {
			facts = append(facts, []string{condition, line})
		}
	}
	var text strings.Builder
	for _, f := range facts {
		fmt.Fprintf(&text, "%-12s %s\n", f[0], f[1])
	}
	if _, err := io.WriteString(w, text.String()+"\n"); err != nil {
		return err
	}
	if err := componentTable(w, env); err != nil {
		return err
	}
	return findings(w, env.Status.Baseline)
}

func baselineLine(c *command.Context, b *v1alpha1.BaselineStatus) string {
	if b == nil {
		return command.OrDash("")
	}
	line := b.Name + " " + string(b.Answer)
	if b.CheckedAt != nil {
		line += ", looked at " + c.Age(b.CheckedAt.Time) + " ago"
	}
	if b.Reason != "" {
		line += ": " + b.Reason
	}
	return line
}

// findings are what does not hold, and the objectives.
func findings(w io.Writer, b *v1alpha1.BaselineStatus) error {
	if b == nil || len(b.Findings)+len(b.Objectives) == 0 {
		return nil
	}
	var rows [][]string
	for _, f := range b.Findings {
		why := f.Reason
		if f.Expected != "" || f.Actual != "" {
			why = strings.TrimSpace("want " + f.Expected + ", is " + f.Actual + "  " + why)
		}
		rows = append(rows, []string{string(f.Answer), f.Part, f.Name, why})
	}
	for _, o := range b.Objectives {
		rows = append(rows, []string{string(o.Answer), "objective", o.Name, fmt.Sprintf("%d of %d runs held, %s%% of the error budget left", o.Good, o.Total, command.OrDash(o.BudgetLeft))})
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	return command.Rows(w, []string{"answer", "part of the baseline", "name", "why"}, rows)
}

func release(env *v1alpha1.Environment) string {
	text := command.OrDash(ask.Number(env.Status.Release))
	if env.Spec.RollbackTo != "" {
		text += ", rolled back to " + ask.Number(env.Spec.RollbackTo) + " until the next deploy"
	}
	return text
}

// conditionLine shows conditions that say something beyond "all is well".
func conditionLine(env *v1alpha1.Environment, name string) string {
	c := meta.FindStatusCondition(env.Status.Conditions, name)
	if c == nil || (name != v1alpha1.ConditionReady && c.Status != metav1.ConditionTrue) {
		return ""
	}
	line := string(c.Status) + ", " + c.Reason
	if c.Message != "" {
		line += ": " + c.Message
	}
	return line
}

func componentTable(w io.Writer, env *v1alpha1.Environment) error {
	var rows [][]string
	for _, component := range env.Status.Components {
		_, digest, _ := strings.Cut(component.Image, "@")
		rows = append(rows, []string{
			component.Name, command.OrDash(ask.ShortVersion(component.Version)), fmt.Sprintf("%d/%d", component.Ready, component.Desired),
			command.OrDash(ask.ShortVersion(digest)), component.Message,
		})
	}
	return command.Rows(w, []string{"component", "version", "ready", "digest", "message"}, rows)
}

func short(d time.Duration) string { return duration.HumanDuration(d) }
