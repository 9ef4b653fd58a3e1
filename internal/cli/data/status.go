package data

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// listed is one copy in the list.
type listed struct {
	Name     string    `json:"name"`
	Where    string    `json:"where"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Phase    string    `json:"phase"`
	Answer   string    `json:"answer,omitempty"`
	Progress string    `json:"progress,omitempty"`
	Message  string    `json:"message,omitempty"`
	Started  time.Time `json:"started,omitzero"`
}

func newStatus(c *command.Context) *cobra.Command {
	return &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show copies, or one of them: how far, how fast, what differs",
		Long: `List the copies of the project in the cluster, and those that were done on this
machine between addresses; or show one.`,
		Example:           "  landfall data status\n  landfall data status staging-to-pr-1-x7k2p",
		Args:              command.Args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: completeCopies(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return showOne(cmd.Context(), c, args[0])
			}
			return list(cmd.Context(), c)
		},
	}
}

func list(ctx context.Context, c *command.Context) error {
	found, err := onThisMachine(c)
	if err != nil {
		return err
	}
	there, err := inTheCluster(ctx, c)
	if err != nil && (c.Kube.Context != "" || len(found) == 0) {
		return command.Explain(err)
	}
	if err != nil {
		c.Progress().Note("copies in a cluster are not shown: %s", command.Explain(err))
	}
	found = append(found, there...)
	slices.SortFunc(found, func(a, b listed) int { return b.Started.Compare(a.Started) })
	return c.Print(found, func(w io.Writer) error {
		rows := make([][]string, len(found))
		for i, l := range found {
			rows[i] = []string{l.Name, l.Where, l.From, l.To, l.Phase, command.OrDash(l.Answer), command.OrDash(l.Progress), c.Age(l.Started)}
		}
		return command.Rows(w, []string{"name", "where", "from", "to", "phase", "answer", "progress", "age"}, rows)
	})
}

// onThisMachine lists the folders.
func onThisMachine(c *command.Context) ([]listed, error) {
	all, err := copies(c)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(all)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("listing copies: %w", err)
	}
	var found []listed
	for _, entry := range entries {
		f, err := folderOf(c, entry.Name())
		if err != nil {
			continue // not ours
		}
		state, err := f.state()
		if err != nil {
			return nil, err
		}
		found = append(found, listed{
			Name: entry.Name(), Where: "here", From: state.From, To: state.To, Phase: state.Phase, Answer: string(answered(state)),
			Progress: percent(state), Message: state.Message, Started: state.Started,
		})
	}
	return found, nil
}

func answered(state batch.State) datacopy.Answer {
	if len(state.Stores) == 0 {
		return ""
	}
	return state.Answer()
}

// percent is "" while nothing is known: of a copy that another process does, or
// that never came to do anything.
func percent(state batch.State) string {
	for _, store := range state.Stores {
		if len(store.Units) > 0 {
			return fmt.Sprintf("%.0f %%", state.Share()*100)
		}
	}
	return ""
}

// unfinished is the phase of a copy here that was ended from outside.
const unfinished = "unfinished"

// state reads how far a copy came: from its state, or, where it was killed,
// from its journals.
func (f folder) state() (batch.State, error) {
	var state batch.State
	if err := f.read(batch.StateFile, &state); err != nil {
		return state, err
	}
	if state.Phase != "" && state.Phase != batch.PhaseRunning {
		return state, nil
	}
	// Of what was killed the journal knows more than the last state.
	busy := f.idle() != nil
	if busy && state.Phase != "" {
		return state, nil
	}
	var job batch.Job
	if err := f.read(batch.JobFile, &job); err != nil {
		return state, err
	}
	state = batch.State{Name: job.Name, From: job.From, To: job.To, Phase: unfinished}
	if busy {
		state.Phase = batch.PhaseRunning
	}
	if about, err := os.Stat(f.path(batch.JobFile)); err == nil {
		state.Started = about.ModTime()
	}
	for _, store := range job.Stores {
		state.Stores = append(state.Stores, f.journaled(store))
	}
	return state, nil
}

// journaled says what a journal has of a store.
func (f folder) journaled(store batch.Store) batch.StoreState {
	s := batch.StoreState{Name: store.Name, State: unfinished}
	if from, err := datacopy.ParseAddress(store.From); err == nil {
		s.Kind, s.From = from.Kind(), from.String()
	}
	if to, err := datacopy.ParseAddress(store.To); err == nil {
		s.To = to.String()
	}
	journal, err := f.journal(store.Name)
	if err != nil {
		s.State = batch.StateCopying // another process works with it
		return s
	}
	defer journal.Close()
	plan := journal.Plan()
	if plan == nil {
		return s
	}
	for _, unit := range plan.Units {
		done := batch.UnitState{Name: unit.Name, Noun: unit.Noun, Total: unit.Count, Bytes: unit.Bytes}
		for entry := range journal.Entries(unit.Name) {
			done.Done += entry.Count
		}
		s.Units = append(s.Units, done)
	}
	return s
}

func inTheCluster(ctx context.Context, c *command.Context) ([]listed, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, command.QuickTimeout)
	defer cancel()
	var all v1alpha1.DataCopyList
	if err := cl.List(ctx, &all, client.InNamespace(c.Namespace())); err != nil {
		return nil, err
	}
	found := make([]listed, len(all.Items))
	for i, dc := range all.Items {
		found[i] = listed{
			Name: dc.Name, Where: "cluster", From: dc.Status.From, To: dc.Status.To, Phase: strings.ToLower(string(dc.Status.Phase)),
			Answer: dc.Status.Answer, Progress: dc.Status.Progress, Message: dc.Status.Message, Started: dc.CreationTimestamp.Time,
		}
	}
	return found, nil
}

// showOne shows a copy of this machine, else one of the cluster.
func showOne(ctx context.Context, c *command.Context, name string) error {
	f, err := folderOf(c, name)
	if err != nil {
		return err
	}
	if _, err := os.Stat(string(f)); err == nil {
		state, err := f.state()
		if err != nil {
			return err
		}
		return printStatus(c, state)
	}
	dc, err := dataCopy(ctx, c, name)
	if err != nil {
		return err
	}
	cl, err := c.Client()
	if err != nil {
		return err
	}
	state, _ := concluded(ctx, cl, dc) // what went wrong is in the state
	if state.Phase == "" {
		state.Phase = strings.ToLower(string(dc.Status.Phase))
	}
	return printStatus(c, state)
}

func printStatus(c *command.Context, state batch.State) error {
	return c.Print(state, func(w io.Writer) error {
		if _, err := fmt.Fprintf(w, "%s: %s → %s: %s\n", state.Name, state.From, command.OrDash(state.To), strings.TrimSuffix(state.Phase+", "+percent(state), ", ")); err != nil {
			return err
		}
		if state.Message != "" {
			fmt.Fprintf(w, "%s\n", state.Message)
		}
		for _, store := range state.Stores {
			if store.Outcome == nil {
				showProgress(w, store)
			}
		}
		return showState(w, state)
	})
}

func showProgress(w io.Writer, store batch.StoreState) {
	for _, unit := range store.Units {
		fmt.Fprintf(w, "  %s %s: %s of %s\n", store.Name, result.Clean(unit.Name), humanize.Comma(unit.Done), datacopy.Counted(unit.Total, unit.Noun))
	}
}

// dataCopy reads a copy of the project.
func dataCopy(ctx context.Context, c *command.Context, name string) (*v1alpha1.DataCopy, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, fault.New(fault.NotFound, "`landfall data status` shows what there is.", "copy %s: there is none on this machine, and no cluster: %w", name, err)
	}
	dc := &v1alpha1.DataCopy{}
	err = cl.Get(ctx, client.ObjectKey{Namespace: c.Namespace(), Name: name}, dc)
	if err != nil && client.IgnoreNotFound(err) == nil && !command.NotInstalled(err) {
		return nil, command.NotFound("copy", name, c.Namespace(), "data status")
	}
	return dc, command.Explain(err)
}

func completeCopies(c *command.Context) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found, _ := onThisMachine(c)
		there, _ := inTheCluster(cmd.Context(), c)
		var names []string
		for _, l := range append(found, there...) {
			names = append(names, l.Name+"\t"+l.Phase)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
