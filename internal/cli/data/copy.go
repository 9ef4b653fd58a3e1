package data

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/fault"
)

// askFlags are all that a job is made of.
type askFlags struct {
	sideFlags
	maskFlags
	choiceFlags
	waitFlags
	evidence string
	dryRun   bool
	anew     bool
	// follow goes on with the source's changes; cutover ends that as soon as
	// the first copy is done.
	follow, cutover, stopWrites bool
}

func (f *askFlags) add(c *command.Context, cmd *cobra.Command) {
	f.sideFlags.add(c, cmd)
	f.maskFlags.add(cmd)
	f.choiceFlags.add(cmd)
	f.waitFlags.add(cmd)
}

func (f *askFlags) addFollow(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.follow, "follow", false, "go on with the source's changes until landfall data cutover says enough (s3: what differs by then)")
}

func newCopy(c *command.Context) *cobra.Command {
	var flags askFlags
	cmd := &cobra.Command{
		Use:   "copy --from SIDE --to SIDE",
		Short: "Copy stores from one side to the other, and verify",
		Long: `Copy the stores of an environment into those of another, or one store by its
address, and verify that both sides are equal: counts and checksums of every
table, database and bucket.

The source is only read. A target that is not empty is refused without --replace
or --incremental. What is killed goes on where it stopped: ask for the same copy
again, or use ` + "`landfall data resume`" + `. Data of production leaves it masked only
(--mask), unless --unmasked states otherwise, and nothing goes into production
without --into-production.

An incremental copy replaces what differs: single keys and objects, and of tables
a range of rows, with those that only the target has in it. What is gone from the
source elsewhere stays without --delete, and then both sides differ.

Between environments a Job near the data does the work; a mask key is kept in
the Secret landfall-mask-key, made at the first use. Between addresses this
process does.

Exit code 0: both sides are equal. 1: they differ. 3: the copy failed, or the
answer is unknown. 4: refused.`,
		Example: `  landfall data copy --from staging --to pr-1 --mask rules.yaml
  landfall data copy --from staging --to pr-1 --store db --incremental --delete
  landfall data copy --from mysql://shop:$OLD@10.0.0.7/shop --to mysql://shop:$NEW@db.example/shop --max-bytes 50M
  landfall data copy --from s3://media --to 's3://KEY:SECRET@minio:9000/media?tls=false' --dry-run`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			action := batch.Copy
			if flags.dryRun {
				action = batch.Plan
			}
			return flags.run(cmd.Context(), c, action)
		},
	}
	flags.add(c, cmd)
	flags.addFollow(cmd)
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "show the plan and change nothing")
	cmd.Flags().BoolVar(&flags.anew, "anew", false, "forget how far an unfinished copy between the same addresses came")
	cmd.Flags().BoolVar(&flags.cutover, "cutover", false, "with --follow: cut over as soon as everything is copied")
	cmd.Flags().BoolVar(&flags.stopWrites, "stop-writes", false, "with --follow, between addresses of mysql or redis: make the source read-only at cut-over, instead of trusting that nothing writes")
	cmd.Flags().StringVar(&flags.evidence, "evidence", "", "write the evidence to this `file`: a page, or JSON where it ends in .json")
	return cmd
}

func newPlan(c *command.Context) *cobra.Command {
	var flags askFlags
	cmd := &cobra.Command{
		Use:   "plan --from SIDE --to SIDE",
		Short: "Say what copying would do: what, how much, what would be overwritten",
		Long: `Look at both sides and say what ` + "`landfall data copy`" + ` with the same flags would
do, and whether it would be refused. Nothing is changed.`,
		Example: `  landfall data plan --from staging --to pr-1 --mask rules.yaml
  landfall data plan --from redis://old:6379/0 --to redis://new:6379/0 -o json`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.run(cmd.Context(), c, batch.Plan) },
	}
	flags.add(c, cmd)
	flags.addFollow(cmd)
	return cmd
}

func newVerify(c *command.Context) *cobra.Command {
	var flags askFlags
	cmd := &cobra.Command{
		Use:   "verify --from SIDE --to SIDE",
		Short: "Compare both sides as they are now",
		Long: `Read both sides and compare them: counts and checksums, the source masked again
where --mask says how it was. What differs is listed by key. Nothing is changed.

Exit code 0: equal. 1: different. 3: the answer is unknown.`,
		Example: `  landfall data verify --from staging --to pr-1 --mask rules.yaml
  landfall data verify --from mysql://root:$OLD@old/shop --to mysql://root:$NEW@new/shop`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.run(cmd.Context(), c, batch.Verify) },
	}
	flags.sideFlags.add(c, cmd)
	flags.maskFlags.add(cmd)
	flags.waitFlags.add(cmd)
	cmd.Flags().StringSliceVar(&flags.include, "include", nil, "`glob` of tables, keys or objects to compare; repeatable, all by default")
	cmd.Flags().StringSliceVar(&flags.exclude, "exclude", nil, "`glob` of tables, keys or objects to leave out; repeatable")
	flags.addOptions(cmd)
	cmd.Flags().StringVar(&flags.evidence, "evidence", "", "write the evidence to this `file`: a page, or JSON where it ends in .json")
	return cmd
}

// run does what is asked, here or in the cluster, and prints what came of it.
func (f *askFlags) run(ctx context.Context, c *command.Context, action batch.Action) error {
	if err := f.check(true); err != nil {
		return err
	}
	choices, err := f.choices()
	if err != nil {
		return err
	}
	if (f.cutover || f.stopWrites) && !f.follow {
		return fault.New(fault.Invalid, "Give --follow as well.", "reading the flags: --cutover and --stop-writes belong to --follow")
	}
	if f.stopWrites && !f.here() {
		return fault.New(fault.Invalid, "Let the source's services sleep before the cut-over: `landfall env sleep`.",
			"reading the flags: --stop-writes is for addresses, an environment's server may be others' too")
	}
	choices.StopWrites = f.stopWrites
	if !f.here() {
		return f.runThere(ctx, c, action, choices)
	}
	rules, key, err := f.maskFlags.read(c)
	if err != nil {
		return err
	}
	job, err := f.job(action, choices, rules, key)
	if err != nil {
		return err
	}
	job.Follow = f.follow
	ctx, cancel, err := f.within(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	state, err := runHere(ctx, c, job, f.how())
	return f.finish(c, state, err)
}

// how a job is run here.
func (f *askFlags) how() how { return how{anew: f.anew, follow: f.follow, cutover: f.cutover} }

// finish prints a state, writes the evidence, and gives the error of the job.
func (f *askFlags) finish(c *command.Context, state batch.State, failed error) error {
	if f.evidence != "" && len(state.Stores) > 0 {
		if err := state.Evidence().WriteFile(f.evidence); err != nil && failed == nil {
			failed = err
		}
	}
	if len(state.Stores) == 0 {
		return failed
	}
	shown := state
	if failed != nil {
		shown = withoutMessages(state) // the error says the same
	}
	if err := c.Print(state, func(w io.Writer) error { return showState(w, shown) }); err != nil {
		return err
	}
	return failed
}
