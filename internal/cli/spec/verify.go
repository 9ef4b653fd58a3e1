package spec

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/capture"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/triage"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/verify"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

type verifyFlags struct {
	targetFlags
	target []string
	only   []string
	exact  bool
	all    bool
	// triaged leaves only what must hold in a container.
	triaged bool
	format  result.Format
}

func newVerify(c *command.Context) *cobra.Command {
	var flags verifyFlags
	cmd := &cobra.Command{
		Use:   "verify FILE --target TARGET...",
		Short: "Check that hosts, pods or images are as a host spec says",
		Long: `Check that hosts, pods or images are as a host spec says: every item holds, fails
or is unknown. The exit code is 0 if all hold, 1 if something fails, and 3 if
nothing fails but something could not be found out.

` + targetHelp + ` A captured document can stand in for a target.

Only the facts that the document asks for are read, in one session a target.
What the document does not mention is not asked, unless --exact says that
nothing else of its kinds may be there. Of several targets, the table shows only
the items that do not hold everywhere.`,
		Example: `  landfall spec verify web1.yaml --target ssh://deploy@web2
  landfall spec verify web1.yaml --target 'web{2..4}' --only package --only 'php-*/*'
  landfall spec verify web1.yaml --targets hosts.txt --parallel 40
  landfall spec verify web1.yaml --triaged --target pod://shop/shop-7d9f/php
  landfall spec verify web1.yaml --target image://registry.example.org/shop:1.4 --format junit`,
		Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.target = append(flags.target, args[1:]...)
			return flags.run(cmd.Context(), c, args[0], cmd.Flags().Changed("format"))
		},
	}
	flags.add(cmd.Flags())
	cmd.Flags().StringArrayVar(&flags.target, "target", nil, "`target` to verify; may be given again")
	cmd.Flags().StringArrayVar(&flags.only, "only", nil, "verify only items like this `pattern`: package, package/nginx, 'file//etc/*'; may be given again")
	cmd.Flags().BoolVar(&flags.exact, "exact", false, "what the document does not mention of its kinds fails, too")
	cmd.Flags().BoolVar(&flags.triaged, "triaged", false, "verify only what must hold in a container made of the host: what triage calls image or config")
	cmd.Flags().BoolVar(&flags.all, "all", false, "show also what holds")
	cmd.Flags().Var(&flags.format, "format", "`format` of the results: table, json, junit or tap")
	cmd.RegisterFlagCompletionFunc("format", ask.CompleteWords(result.Formats...))
	return cmd
}

func (f *verifyFlags) run(ctx context.Context, c *command.Context, path string, formatted bool) error {
	expected, err := readDocument(c, path)
	if err != nil {
		return err
	}
	if f.triaged {
		expected = triage.Expectation(expected, triage.Run(expected, triage.BuiltIn()), nil)
	}
	verifier := verify.New(expected, f.only...)
	if verifier.Size() == 0 {
		return fault.New(fault.Invalid, "Look at the rules of the document, and at --only.", "verifying %s: nothing in it is to be verified", path)
	}
	sides, err := f.sides(c, f.target)
	if err != nil {
		return err
	}
	switch {
	case c.Output.Machine() && !formatted:
		f.format = result.JSON
	case f.format.String() == string(result.Table):
		label(sides)
	}
	out := newOutcome(c, f, len(sides) > 1)
	beyond := 0
	options := capture.Options{Salt: verifier.Salt(), Kinds: verifier.Kinds(), Paths: verifier.Paths()}
	digest := func(facts *hostspec.Spec, err error) digested { return answers(verifier, facts, err, f.exact) }
	err = eachSide(ctx, c, sides, f.parallel, options, digest, func(name string, d digested) error {
		beyond += d.beyond
		return out.add(name, d.results)
	})
	if err != nil {
		return err
	}
	if err := out.close(); err != nil {
		return err
	}
	if beyond > 0 && !f.exact && out.counts.Fails > 0 {
		c.Progress().Note("%d items there are not in the document: --exact shows them", beyond)
	}
	return out.counts.Err()
}

// digested is what one target's facts say.
type digested struct {
	results []result.Result
	// beyond is the number of items there that the document lacks.
	beyond int
}

// answers are those of one target. One that could not be read is unknown as a
// whole.
func answers(verifier *verify.Verifier, facts *hostspec.Spec, err error, exact bool) digested {
	if err != nil {
		reason := err.Error()
		if hint := fault.HintOf(err); hint != "" {
			reason += "\n" + hint
		}
		return digested{results: []result.Result{{Group: "target", Name: "facts", Answer: result.Unknown, Reason: reason}}}
	}
	results := verifier.Verify(facts)
	beyond := verifier.Beyond(facts)
	if exact {
		for _, item := range beyond {
			results = append(results, result.Result{
				Group: string(item.Kind), Name: item.Name, Answer: result.Fails,
				Expected: "not there", Actual: verify.Describe(item), Reason: "the document does not mention it",
			})
		}
	}
	return digested{results, len(beyond)}
}

// outcome writes results as they come; for people, those of several targets as
// a matrix.
type outcome struct {
	c      *command.Context
	began  time.Time
	counts result.Counts
	writer result.Writer
	matrix *verify.Matrix
	report *result.Report
}

func newOutcome(c *command.Context, f *verifyFlags, several bool) *outcome {
	o := &outcome{c: c, began: c.Clock()}
	switch {
	case c.Output == command.YAML && f.format == result.JSON:
		o.report = &result.Report{}
	case several && f.format.String() == string(result.Table):
		o.matrix = &verify.Matrix{}
	default:
		o.writer = result.NewWriter(c.Out, f.format, result.Options{
			Color: c.Color(c.Out), All: f.all, Name: "landfall spec verify",
			Took: o.took,
		})
	}
	return o
}

func (o *outcome) took() time.Duration { return o.c.Clock().Sub(o.began) }

func (o *outcome) add(name string, results []result.Result) error {
	for i := range results {
		results[i].Target = name
		o.counts.Add(results[i].Answer)
		if o.writer != nil {
			if err := o.writer.Write(results[i]); err != nil {
				return err
			}
		}
	}
	switch {
	case o.matrix != nil:
		o.matrix.Add(name, results)
	case o.report != nil:
		o.report.Add(results...)
	}
	return nil
}

func (o *outcome) close() error {
	switch {
	case o.matrix != nil:
		return o.matrix.Write(o.c.Out, o.c.Color(o.c.Out), o.took())
	case o.report != nil:
		text, err := yaml.Marshal(map[string]any{"results": o.report.Results, "counts": o.counts, "answer": o.counts.Answer()})
		if err != nil {
			return err
		}
		_, err = o.c.Out.Write(text)
		return err
	}
	return o.writer.Close()
}
