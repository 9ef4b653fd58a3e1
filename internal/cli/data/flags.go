package data

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
	"github.com/landfall-dev/landfall/internal/datacopy/mask"
	"github.com/landfall-dev/landfall/internal/fault"
)

// sideFlags say between which stores.
type sideFlags struct {
	from, to           string
	fromStage, toStage string
	stores             []string
}

func (f *sideFlags) add(c *command.Context, cmd *cobra.Command) {
	f.addFrom(c, cmd)
	cmd.Flags().StringVar(&f.to, "to", "", "`environment`, secret/NAME of the project, or address to copy to")
	cmd.Flags().StringVar(&f.toStage, "to-stage", "", "`stage` of the target where it is given by address: production, staging, test or development")
	completeSides(c, cmd, "to")
	cmd.RegisterFlagCompletionFunc("to-stage", ask.CompleteStages())
}

func (f *sideFlags) addFrom(c *command.Context, cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.from, "from", "", "`environment`, secret/NAME of the project, or address (mysql://…, redis://…, s3://…) to read from")
	cmd.Flags().StringVar(&f.fromStage, "from-stage", "", "`stage` of the source where it is given by address")
	cmd.Flags().StringSliceVar(&f.stores, "store", nil, "`name` of a store of the blueprint, repeatable; of stores given by address, what the mask's rules call it")
	completeSides(c, cmd, "from")
	cmd.RegisterFlagCompletionFunc("store", ask.CompleteStores(c, f.environment))
	cmd.RegisterFlagCompletionFunc("from-stage", ask.CompleteStages())
}

func completeSides(c *command.Context, cmd *cobra.Command, flag string) {
	cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return ask.CompleteEnvironments(c, 1)(cmd, nil, typed)
	})
}

// environment is the side whose stores have names.
func (f *sideFlags) environment([]string) (environment, blueprint string) {
	for _, named := range []string{f.from, f.to} {
		if environment = side(named, "").Environment; environment != "" && !isAddress(named) {
			return environment, ""
		}
	}
	return "", ""
}

// isAddress tells an address from the name of an environment.
func isAddress(side string) bool { return strings.Contains(side, "://") }

// here says that both sides are addresses, so that this process does the work.
func (f *sideFlags) here() bool { return isAddress(f.from) && (f.to == "" || isAddress(f.to)) }

// check says what is wrong with the sides.
func (f *sideFlags) check(target bool) error {
	switch {
	case f.from == "":
		return fault.New(fault.Invalid, "Give --from ENVIRONMENT or --from ADDRESS.", "reading the flags: where from?")
	case target && f.to == "":
		return fault.New(fault.Invalid, "Give --to ENVIRONMENT or --to ADDRESS.", "reading the flags: where to?")
	case f.to != "" && isAddress(f.from) != isAddress(f.to):
		return fault.New(fault.Invalid, "Put the address into a Secret of the project, under the key url, and name it secret/NAME.",
			"reading the flags: one side is an address and the other is of the cluster")
	case isAddress(f.from) && len(f.stores) > 1:
		return fault.New(fault.Invalid, "Name one store.", "reading the flags: an address is of one store, --store names %d", len(f.stores))
	}
	for _, stage := range []string{f.fromStage, f.toStage} {
		switch stage {
		case "", "production", "staging", "test", "development":
		default:
			return fault.New(fault.Invalid, "Stages are production, staging, test and development.", "reading the flags: stage %q is unknown", stage)
		}
	}
	return nil
}

// maskFlags say how personal data is changed.
type maskFlags struct {
	rules, keyFile string
}

func (f *maskFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.rules, "mask", "", "`file` of mask rules; see `landfall data mask`")
	cmd.Flags().StringVar(&f.keyFile, "mask-key-file", "", "`file` with the secret that pseudonyms come from; by default $"+mask.KeyVariable)
}

// read gives rules and key; both "" without rules.
func (f *maskFlags) read(c *command.Context) (rules, key string, err error) {
	if f.rules == "" {
		return "", "", nil
	}
	text, err := os.ReadFile(f.rules)
	if err != nil {
		return "", "", fault.New(fault.NotFound, "`landfall data mask suggest` drafts rules.", "reading mask rules: %w", err)
	}
	if _, err := mask.Parse(strings.NewReader(string(text))); err != nil {
		return "", "", fmt.Errorf("%s: %w", f.rules, err)
	}
	key, err = f.key(c)
	return string(text), key, err
}

func (f *maskFlags) key(c *command.Context) (string, error) {
	if f.keyFile == "" {
		return c.Getenv(mask.KeyVariable), nil
	}
	text, err := os.ReadFile(f.keyFile)
	if err != nil {
		return "", fault.New(fault.NotFound, "", "reading the mask key: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// choiceFlags are what a person decides about a copy.
type choiceFlags struct {
	unmasked, intoProduction     bool
	incremental, replace, delete bool
	include, exclude, options    []string
	parallel, maxThreads         int
	maxBytes                     string
}

func (f *choiceFlags) add(cmd *cobra.Command) {
	set := cmd.Flags()
	set.BoolVar(&f.unmasked, "unmasked", false, "let data of production leave it as it is")
	set.BoolVar(&f.intoProduction, "into-production", false, "write to production")
	set.BoolVar(&f.incremental, "incremental", false, "copy only what differs, into what an earlier copy left")
	set.BoolVar(&f.replace, "replace", false, "overwrite and remove what is in the target")
	set.BoolVar(&f.delete, "delete", false, "with --incremental: remove what the source no longer has")
	set.StringSliceVar(&f.include, "include", nil, "`glob` of tables, keys or objects to copy; repeatable, all by default")
	set.StringSliceVar(&f.exclude, "exclude", nil, "`glob` of tables, keys or objects to leave out; repeatable")
	f.addOptions(cmd)
	set.IntVar(&f.parallel, "parallel", 0, "`workers` for each store; by default as many as make sense")
	set.IntVar(&f.maxThreads, "max-threads-running", 0, "pause while the source (mysql) runs more `threads` than that")
	set.StringVar(&f.maxBytes, "max-bytes", "", "read at most this `size` a second from the source, as in 20M")
}

func (f *choiceFlags) addOptions(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.options, "option", nil, "`KIND.NAME=VALUE` that one kind of store knows, as in s3.tags=false; repeatable")
}

// choices puts the flags into the job's form.
func (f *choiceFlags) choices() (batch.Choices, error) {
	options, err := command.Pairs("option", f.options)
	if err != nil {
		return batch.Choices{}, err
	}
	if len(options) == 0 {
		options = nil
	}
	choices := batch.Choices{
		Unmasked: f.unmasked, IntoProduction: f.intoProduction, Mode: datacopy.Full, Replace: f.replace, Delete: f.delete,
		Include: f.include, Exclude: f.exclude, Parallel: f.parallel, MaxThreadsRunning: f.maxThreads, Options: options,
	}
	if f.incremental {
		choices.Mode = datacopy.Incremental
	}
	if f.maxBytes != "" {
		size, err := resource.ParseQuantity(f.maxBytes)
		if err != nil || size.Value() <= 0 {
			return choices, fault.New(fault.Invalid, "Write it as 500k, 20M or 1Gi.", "reading --max-bytes %q: it is no size", f.maxBytes)
		}
		choices.MaxBytesPerSecond = size.Value()
	}
	return choices, nil
}

// job is what to do with stores given by address.
func (f *sideFlags) job(action batch.Action, choices batch.Choices, rules, key string) (batch.Job, error) {
	from, err := datacopy.ParseAddress(f.from)
	if err != nil {
		return batch.Job{}, fmt.Errorf("--from: %w", err)
	}
	store := batch.Store{Name: string(from.Kind()), From: f.from, To: f.to}
	if len(f.stores) == 1 {
		store.Name = f.stores[0]
	}
	job := batch.Job{
		From: from.String(), FromStage: f.fromStage, ToStage: f.toStage, Action: action,
		Stores: []batch.Store{store}, Rules: rules, Key: key, Choices: choices,
	}
	if f.to != "" {
		to, err := datacopy.ParseAddress(f.to)
		if err != nil {
			return job, fmt.Errorf("--to: %w", err)
		}
		job.To = to.String()
		job.Name = nameOf(from, to)
	}
	return job, nil
}

var notPlain = regexp.MustCompile(`[^a-z0-9]+`)

// nameOf is the name of the copy between two addresses: readable, and the same
// every time, so that asking again goes on where it stopped.
func nameOf(from, to datacopy.Address) string {
	readable := func(a datacopy.Address) string {
		name := cmp.Or(a.Name(), string(a.Kind()))
		if a.Kind() == datacopy.Redis { // a number says nothing
			name = "redis-" + a.Name()
		}
		return strings.Trim(notPlain.ReplaceAllString(strings.ToLower(name), "-"), "-")
	}
	sum := sha256.Sum256([]byte(from.String() + "\x00" + from.Prefix() + "\x00" + to.String() + "\x00" + to.Prefix()))
	name := readable(from) + "-to-" + readable(to)
	const most = 50
	if len(name) > most {
		name = name[:most]
	}
	return name + "-" + hex.EncodeToString(sum[:3])
}
