package traffic

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// Timeline is what a migration will do and when at the earliest, before it
// begins: a dry run for people, and the skeleton of a runbook.
type Timeline struct {
	Name     string `json:"name"`
	Hostname string `json:"hostname"`
	From     string `json:"from"`
	To       string `json:"to"`
	// Router is its kind and place.
	Router string         `json:"router"`
	Steps  []TimelineStep `json:"steps"`
	// Earliest is when it completes if every guard always holds and every person
	// approves at once; preparing the router comes before that.
	Earliest  time.Duration `json:"earliest"`
	Approvals int           `json:"approvals"`
	Back      WayBack       `json:"back"`
	// Remarks are what people should know before they begin.
	Remarks []string `json:"remarks,omitempty"`
}

// TimelineStep is one step. Times count from when the router is prepared.
type TimelineStep struct {
	Weight Weight `json:"weight"`
	// Begins is when its weight is written, at the earliest.
	Begins time.Duration `json:"begins"`
	// Takes is how long the write takes to be in effect, and Residual how long
	// clients may then still remember an earlier weight.
	Takes    time.Duration `json:"takes"`
	Residual time.Duration `json:"residual"`
	// Hold follows, and ends at Ends.
	Hold     time.Duration `json:"hold"`
	Ends     time.Duration `json:"ends"`
	Approval bool          `json:"approval,omitempty"`
}

// WayBack is how traffic returns, at any time until finish.
type WayBack struct {
	// Notice is how long a guard takes at most to fail after things go bad, for
	// each guard.
	Notice []Notice `json:"notice,omitempty"`
	// Takes is how long the write takes to be in effect, and Residual how long
	// clients may then still remember the new side.
	Takes    time.Duration `json:"takes"`
	Residual time.Duration `json:"residual"`
	// Sessions: those that are left on the new side end within that, or are cut
	// where CutsSessions.
	Sessions     time.Duration `json:"sessions"`
	CutsSessions bool          `json:"cutsSessions"`
	// DeadMan is when traffic returns without Landfall; zero if it does not.
	DeadMan time.Duration `json:"deadMan,omitempty"`
	OnFail  OnFailure     `json:"onFailure"`
}

// Notice is how long a guard takes to see that something is wrong.
type Notice struct {
	Guard string `json:"guard"`
	// Failing and Unknown are how long until it fails by bad readings, or by
	// none; Unknown is negative if it never does.
	Failing time.Duration `json:"failing"`
	Unknown time.Duration `json:"unknown"`
}

// Plan says what a migration over a router will do. It asks nobody.
func Plan(d Definition, router Router) Timeline {
	d = d.WithDefaults()
	description := router.Describe()
	_, drains := router.(Drainer)
	line := Timeline{
		Name: d.Name, Hostname: d.Hostname, From: d.From.Name, To: d.To.Name,
		Router: strings.TrimSpace(description.Kind + " " + description.Place),
		Back: WayBack{
			Takes: description.Takes, Residual: description.Residual,
			Sessions: d.ResidualFor, CutsSessions: drains, DeadMan: d.DeadMan, OnFail: d.OnFailure,
		},
	}
	for _, rule := range d.Guards {
		line.Back.Notice = append(line.Back.Notice, Notice{
			Guard: rule.Name, Failing: time.Duration(max(1, rule.Failures)) * d.every(rule), Unknown: d.unknownFor(rule),
		})
	}
	for _, step := range d.Steps {
		line.add(step, description)
	}
	line.remarkOn(d, description)
	return line
}

func (t *Timeline) add(step Step, router Description) {
	planned := TimelineStep{Weight: step.Weight, Begins: t.Earliest, Takes: router.Takes, Residual: router.Residual, Hold: step.Hold, Approval: step.Approval}
	if step.Weight == None {
		planned.Takes, planned.Residual = 0, 0 // the router is there already
	}
	planned.Ends = planned.Begins + planned.Takes + planned.Residual + planned.Hold
	t.Earliest = planned.Ends
	if step.Approval {
		t.Approvals++
	}
	t.Steps = append(t.Steps, planned)
}

func (t *Timeline) remarkOn(d Definition, router Description) {
	remark := func(format string, args ...any) { t.Remarks = append(t.Remarks, fmt.Sprintf(format, args...)) }
	if len(d.Guards) == 0 {
		remark("no guard watches: only a person can send traffic back")
	}
	if d.OnFailure == Pause {
		remark("a guard that fails only pauses: traffic stays where it is until a person says abort")
	}
	if d.DeadMan == 0 {
		remark("there is no dead man: if Landfall dies for good, traffic stays where it is")
	}
	if router.ZeroIsNotNone != "" {
		remark("at weight 0 a side may still get requests: %s", router.ZeroIsNotNone)
	}
	for _, rule := range d.Guards {
		for i, step := range d.Steps {
			if every := d.every(rule); step.Hold < every {
				remark("step %d holds for %s, but guard %s is read every %s: it waits for that", i+1, rough(step.Hold), rule.Name, rough(every))
			}
		}
	}
}

// WriteText writes the timeline for people.
func (t Timeline) WriteText(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s from %s to %s, through %s\n\n", t.Name, t.Hostname, t.From, t.To, t.Router)
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "STEP\tWEIGHT\tBEGINS\tIN EFFECT\tRESIDUAL\tHOLDS\tENDS\tTHEN")
	for i, step := range t.Steps {
		then := "goes on"
		switch {
		case step.Approval:
			then = "waits for approval"
		case i == len(t.Steps)-1:
			then = "completed"
		}
		fmt.Fprintf(table, "%d\t%d %%\t+%s\t%s\t%s\t%s\t+%s\t%s\n", i+1, step.Weight, rough(step.Begins),
			about(step.Takes), rough(step.Residual), rough(step.Hold), rough(step.Ends), then)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&text, "\nCompleted after %s at the earliest%s, once the router is prepared.\n", rough(t.Earliest), approvals(t.Approvals))
	t.Back.write(&text)
	for _, remark := range t.Remarks {
		fmt.Fprintf(&text, "Note: %s.\n", remark)
	}
	_, err := io.WriteString(w, strings.Join(result.CleanLines(text.String()), "\n")+"\n")
	return err
}

func (b WayBack) write(text *strings.Builder) {
	fmt.Fprintf(text, "\nThe way back, until finish: one write, in effect after %s", about(b.Takes))
	if b.Residual > 0 {
		fmt.Fprintf(text, "; clients may remember the new side for %s", rough(b.Residual))
	}
	if b.CutsSessions {
		fmt.Fprintf(text, "; sessions left there are cut after %s, after a failure at once", rough(b.Sessions))
	}
	fmt.Fprintln(text, ".")
	for _, notice := range b.Notice {
		fmt.Fprintf(text, "  guard %s: fails after %s of bad readings", notice.Guard, rough(notice.Failing))
		if notice.Unknown >= 0 {
			fmt.Fprintf(text, ", or after %s of none", rough(notice.Unknown))
		}
		fmt.Fprintln(text)
	}
	if b.DeadMan > 0 {
		fmt.Fprintf(text, "  dead man: returns traffic when Landfall has been silent for %s\n", rough(b.DeadMan))
	}
}

func about(d time.Duration) string {
	if d == 0 {
		return "at once"
	}
	return "about " + rough(d)
}

func approvals(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return " and 1 approval"
	}
	return fmt.Sprintf(" and %d approvals", n)
}
