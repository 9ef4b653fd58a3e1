// Package logs is `landfall logs`. Start at New; run.go is what it does.
package logs

import (
	"regexp"
	"time"

	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/logs"
	"github.com/spf13/cobra"
)

// flags of the command.
type flags struct {
	follow     bool
	since      string
	until      string
	tail       int
	grep       string
	ignoreCase bool
	pod        string
	container  string
	previous   bool
	archived   bool
	timestamps bool
	color      string
	loki       lokiFlags
}

// What is shown without --since and --tail.
const (
	defaultSince = 24 * time.Hour
	// followTail is how many lines of the past -f begins with.
	followTail = 100
)

// New makes the command.
func New(c *command.Context) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "logs ENV [COMPONENT...]",
		Short: "Show what the containers of an environment print",
		Long: `Show the output of all containers of an environment in order of time, each line
behind COMPONENT/POD. Output of pods that are gone comes from Landfall's log
archive, or from Loki, and is put in its place; nothing is shown twice.

With -f it goes on with new lines, and with new pods. A stream that breaks is
taken up where it broke. What cannot be had (a container restarted meanwhile, a
log rotated away, a node that does not answer) is marked in the flow, on the
error stream; one dead node does not hold up the rest.

Without --since and --tail it shows the last 24 hours, and with -f the last 100
lines.

Exit code: 0 when everything asked for was shown, 3 when some of it could not
be read.`,
		Example: `  # follow all components
  landfall logs staging -f

  # what the web component printed about one order in the last hour
  landfall logs staging web --since 1h --grep 'order.*4711'

  # why did it crash?
  landfall logs staging worker --previous --tail 50

  # of an environment that is deleted, as JSON
  landfall logs pr-1 --archived -o json`,
		Args:              command.Args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: complete(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), c, args[0], args[1:], &f)
		},
	}
	set := cmd.Flags()
	set.BoolVarP(&f.follow, "follow", "f", false, "go on with what is printed from now on")
	set.StringVar(&f.since, "since", "", "only from `TIME` on: 10m, 3h, 2d, or 2026-11-21T10:00:00Z")
	set.StringVar(&f.until, "until", "", "only up to `TIME`, written like --since")
	set.IntVar(&f.tail, "tail", 0, "only the newest `N` lines of all together")
	set.StringVar(&f.grep, "grep", "", "only lines that match the `REGEX` (Go's syntax)")
	set.BoolVarP(&f.ignoreCase, "ignore-case", "i", false, "--grep does not tell upper from lower case")
	set.StringVar(&f.pod, "pod", "", "only the pod of this `name`")
	set.StringVarP(&f.container, "container", "c", "", "only containers of this `name`")
	set.BoolVarP(&f.previous, "previous", "p", false, "the instance of each container before its last restart")
	set.BoolVar(&f.archived, "archived", false, "only gathered logs; works for deleted environments too")
	set.BoolVar(&f.timestamps, "timestamps", false, "put each line's time before it")
	set.StringVar(&f.color, "color", "auto", "colour by component: auto, always or never")
	f.loki.addTo(set, c.Getenv)
	cmd.MarkFlagsMutuallyExclusive("follow", "previous")
	cmd.MarkFlagsMutuallyExclusive("follow", "until")
	cmd.MarkFlagsMutuallyExclusive("follow", "archived")
	cmd.MarkFlagsMutuallyExclusive("previous", "archived")
	cmd.RegisterFlagCompletionFunc("color", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// complete completes the environment's name, then its components.
func complete(c *command.Context) cobra.CompletionFunc {
	environments := ask.CompleteEnvironments(c, 1)
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return environments(cmd, args, typed)
		}
		env, err := ask.Environment(cmd.Context(), c, args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, component := range env.Status.Components {
			names = append(names, component.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// query turns arguments and flags into what to look for.
func (f *flags) query(c *command.Context, env string, components []string) (q logs.Query, err error) {
	q = logs.Query{
		Project: c.Namespace(), Environment: env, Components: components,
		Pod: f.pod, Container: f.container, Tail: f.tail,
	}
	now := c.Clock()
	if q.Since, err = parseTime("since", f.since, now); err != nil {
		return q, err
	}
	if q.Until, err = parseTime("until", f.until, now); err != nil {
		return q, err
	}
	if f.tail < 0 {
		return q, fault.New(fault.Invalid, "Give a number of lines, for example --tail 50.", "reading --tail %d: less than nothing", f.tail)
	}
	if f.grep != "" {
		expression := f.grep
		if f.ignoreCase {
			expression = "(?i)" + expression
		}
		if q.Grep, err = regexp.Compile(expression); err != nil {
			return q, fault.Wrap(fault.Invalid, err, "Write --grep in the syntax of https://pkg.go.dev/regexp/syntax; quote it for the shell.")
		}
	}
	if q.Since.IsZero() && q.Tail == 0 {
		if f.follow {
			q.Tail = followTail
		} else {
			q.Since = now.Add(-defaultSince)
		}
	}
	return q, nil
}

// print says how lines are printed.
func (f *flags) print(c *command.Context) (logs.PrintOptions, error) {
	opts := logs.PrintOptions{Timestamps: f.timestamps}
	switch c.Output {
	case command.JSON:
		opts.JSON = true
		return opts, nil
	case command.YAML:
		return opts, fault.New(fault.Invalid, "Use -o json: one object a line.", "printing logs: there is no YAML form of them")
	}
	opts.Remarks = c.Err
	switch f.color {
	case "always":
		opts.Color = true
	case "auto":
		opts.Color = c.Color(c.Out)
	case "never":
	default:
		return opts, fault.New(fault.Invalid, "Use auto, always or never.", "reading --color %q: unknown", f.color)
	}
	return opts, nil
}
