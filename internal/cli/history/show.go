package history

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/cli/follow"
)

// show prints one release in full.
func show(w io.Writer, r *v1alpha1.Release) error {
	var text strings.Builder
	for _, fact := range [][2]string{
		{"Release", fmt.Sprintf("%d of %s", r.Spec.Number, r.Spec.Environment)},
		{"Cause", cause(r)},
		{"Author", command.OrDash(r.Spec.Author)},
		{"Message", command.OrDash(r.Spec.Message)},
		{"Outcome", command.OrDash(string(r.Status.Phase))},
		{"Took", duration(r)},
		{"Objects", r.Spec.ObjectsHash},
		{"Changes", changes(r.Status.Changes)},
		{"Proof", proof(r.Status.Proof)},
	} {
		fmt.Fprintf(&text, "%-8s %s\n", fact[0], fact[1])
	}
	text.WriteString("\n")
	if _, err := io.WriteString(w, text.String()); err != nil {
		return err
	}
	if err := components(w, r); err != nil {
		return err
	}
	return steps(w, r)
}

func changes(n *v1alpha1.ChangeCounts) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprintf("%d created, %d configured, %d unchanged, %d deleted", n.Created, n.Configured, n.Unchanged, n.Deleted)
}

func proof(d *v1alpha1.Drift) string {
	switch {
	case d == nil:
		return "-"
	case d.State == v1alpha1.DriftUnknown:
		return "unknown: " + d.Reason
	}
	return fmt.Sprintf("%s (%s)", d.State, english.Plural(int(d.Total), "difference", ""))
}

func components(w io.Writer, r *v1alpha1.Release) error {
	var rows [][]string
	for _, component := range r.Spec.Components {
		rows = append(rows, []string{component.Name, command.OrDash(component.Version), command.OrDash(component.Image)})
	}
	return command.Rows(w, []string{"component", "version", "image"}, rows)
}

func steps(w io.Writer, r *v1alpha1.Release) error {
	var rows [][]string
	for _, s := range r.Status.Steps {
		took := "under way"
		if s.FinishedAt != nil {
			took = s.FinishedAt.Sub(s.StartedAt.Time).Round(time.Second).String()
		}
		rows = append(rows, []string{s.Name, took, s.Message})
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	if err := command.Rows(w, []string{"step", "took", "what"}, rows); err != nil {
		return err
	}
	for _, f := range r.Status.Failures {
		if _, err := fmt.Fprintln(w, "\n"+strings.Join(follow.Lines(f), "\n")); err != nil {
			return err
		}
	}
	return nil
}
