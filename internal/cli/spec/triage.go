package spec

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/triage"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

type triageFlags struct {
	rules      []string
	decide     []string
	ask        bool
	all        bool
	worksheets []string
}

func newTriage(c *command.Context) *cobra.Command {
	var flags triageFlags
	cmd := &cobra.Command{
		Use:   "triage FILE",
		Short: "Say what each item of a host means for Kubernetes",
		Long: `Say what each item of a host means for Kubernetes, with the reason and the remedy:

  decide    only a person knows
  store     local state that must move
  image     belongs to the container image
  config    becomes a ConfigMap, a Secret or an environment variable
  platform  the cluster does that
  node      a matter of the machines that run pods
  drop      of no use in a container

Decisions, by --decide or --ask, are kept in FILE, also when it is captured
again, so that the next run asks only what is new. A pattern such as cron/root*
decides for all items that match; the last decision that matches counts. Own
rules (--rules) come after those of Landfall, and of all rules that match an
item the last one counts.`,
		Example: `  landfall spec triage web1.yaml
  landfall spec triage web1.yaml --worksheet web1.html
  landfall spec triage web1.yaml --decide 'cron/www-data*report*=platform: takes a lock in the database'
  landfall spec triage web1.yaml --ask
  landfall spec triage web1.yaml --rules ours.yaml -o json`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.run(cmd.Context(), c, args[0])
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&flags.rules, "rules", nil, "`file` with rules of your own (repeatable)")
	f.StringArrayVar(&flags.decide, "decide", nil, "decision to keep, `PATTERN=CLASS[: reason]` (repeatable)")
	f.BoolVar(&flags.ask, "ask", false, "ask each open question, and keep the answers")
	f.BoolVar(&flags.all, "all", false, "list everything, also what needs nothing")
	f.StringArrayVar(&flags.worksheets, "worksheet", nil, "write a sheet to work through: `FILE.md` or FILE.html (repeatable)")
	return cmd
}

func (f *triageFlags) run(ctx context.Context, c *command.Context, file string) error {
	spec, err := readDocument(c, file)
	if err != nil {
		return err
	}
	rules, err := readTriageRules(f.rules)
	if err != nil {
		return err
	}
	asked, err := f.decisions(ctx, c, spec, rules)
	if len(asked) > 0 {
		if file == "-" {
			return fault.New(fault.Invalid, "Give the document as a file.", "keeping decisions: they are kept in the document, and standard input cannot be written")
		}
		if err := keepDecisions(spec, file, asked); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	report := triage.Run(spec, rules)
	for _, sheet := range f.worksheets {
		if err := writeWorksheet(report, sheet, file); err != nil {
			return err
		}
	}
	return c.Print(report, func(w io.Writer) error { return printTriage(w, report, file, f.all) })
}

// decisions are those of the flags, and the answers of a person.
func (f *triageFlags) decisions(ctx context.Context, c *command.Context, spec *hostspec.Spec, rules *triage.Rules) ([]hostspec.Decision, error) {
	var decisions []hostspec.Decision
	for _, text := range f.decide {
		d, err := triage.ParseDecision(text)
		if err != nil {
			return nil, err
		}
		decisions = append(decisions, d)
	}
	if !f.ask {
		return decisions, nil
	}
	if err := triage.Keep(spec, decisions...); err != nil {
		return nil, err
	}
	answers, err := triage.Ask(ctx, triage.Run(spec, rules), c.In, c.Err)
	return append(decisions, answers...), err
}

func keepDecisions(spec *hostspec.Spec, file string, decisions []hostspec.Decision) error {
	if err := triage.Keep(spec, decisions...); err != nil {
		return err
	}
	var document bytes.Buffer
	if err := spec.Encode(&document); err != nil {
		return err
	}
	return replaceFile(file, document.Bytes())
}

func readTriageRules(files []string) (*triage.Rules, error) {
	rules := triage.BuiltIn()
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading rules: %w", err), "")
		}
		if rules, err = rules.With(data, file); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

func writeWorksheet(report *triage.Report, sheet, file string) error {
	var content bytes.Buffer
	if err := report.WriteWorksheet(&content, filepath.Ext(sheet), file); err != nil {
		return err
	}
	return replaceFile(sheet, content.Bytes())
}

func printTriage(w io.Writer, report *triage.Report, file string, all bool) error {
	var rows [][]string
	for _, class := range triage.Classes {
		shown, total := 0, 0
		for _, group := range report.Groups(class) {
			total += len(group.Items)
			if !group.Quiet {
				shown += len(group.Items)
			}
		}
		rows = append(rows, []string{string(class), strconv.Itoa(shown), strconv.Itoa(total), class.Meaning()})
	}
	if err := command.Rows(w, []string{"class", "to look at", "of", "meaning"}, rows); err != nil {
		return err
	}
	for _, class := range triage.Classes {
		if !all && class != triage.Decide {
			continue
		}
		for _, group := range report.Groups(class) {
			printTriageGroup(w, group)
		}
	}
	for kind, reason := range report.Unknown {
		fmt.Fprintf(w, "\nnot captured: %s: %s\n", kind, reason)
	}
	for _, d := range report.Stale {
		fmt.Fprintf(w, "\ndecision on what is gone: %s=%s\n", d.Item, d.Class)
	}
	if len(report.Open()) > 0 {
		fmt.Fprintf(w, "\nnext: `landfall spec triage %s --ask`, or --worksheet FILE.html for the team\n", file)
	}
	return nil
}

func printTriageGroup(w io.Writer, group triage.Group) {
	decided := ""
	if group.Decided {
		decided = "decided: "
	}
	fmt.Fprintf(w, "\n%s: %s%s\n", group.Class, decided, group.Reason)
	if group.Remedy != "" {
		fmt.Fprintf(w, "  → %s\n", group.Remedy)
	}
	for _, item := range group.Items {
		fmt.Fprintf(w, "    %s", item.Key)
		if detail := triage.Detail(item); detail != "" {
			fmt.Fprintf(w, "  (%s)", detail)
		}
		fmt.Fprintln(w)
	}
}
