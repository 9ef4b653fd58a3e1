package ask

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
)

// Subject gives what a command line is about, as far as it is written: an
// environment, or a blueprint by its own name, which goes first.
type Subject func(args []string) (environment, blueprint string)

// FirstArgument is the environment that the first argument names.
func FirstArgument(args []string) (environment, blueprint string) {
	if len(args) == 0 {
		return "", ""
	}
	return args[0], ""
}

// CompleteBlueprintComponents completes a flag by the components of a blueprint,
// each followed by end ("=" where a version follows).
func CompleteBlueprintComponents(c *command.Context, subject Subject, end string) complete {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		directive := cobra.ShellCompDirectiveNoFileComp
		if end != "" {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		var found []string
		for _, component := range blueprintOf(cmd, c, subject, args).Spec.Components {
			found = append(found, component.Name+end)
		}
		return found, directive
	}
}

// CompleteStores completes a flag that takes names of a blueprint's stores, with
// commas between.
func CompleteStores(c *command.Context, subject Subject) complete {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		var found []string
		for _, store := range blueprintOf(cmd, c, subject, args).Spec.Stores {
			found = append(found, listed(typed)+store.Name+"\t"+string(store.Type))
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteLists completes a flag that takes some of a few words, with commas
// between.
func CompleteLists[T ~string](words ...T) complete {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		found := make([]string, len(words))
		for i, word := range words {
			found[i] = listed(typed) + string(word)
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// listed is what stands before the last word of a list, its comma included.
func listed(typed string) string { return typed[:strings.LastIndex(typed, ",")+1] }

// blueprintOf reads the blueprint that a command line is about, quickly; empty
// where it cannot.
func blueprintOf(cmd *cobra.Command, c *command.Context, subject Subject, args []string) *v1alpha1.Blueprint {
	environment, blueprint := subject(args)
	ctx, cancel := context.WithTimeout(cmd.Context(), command.QuickTimeout)
	defer cancel()
	if blueprint == "" && environment != "" {
		if env, err := Environment(ctx, c, environment); err == nil {
			blueprint = env.Spec.Blueprint
		}
	}
	if blueprint == "" {
		return &v1alpha1.Blueprint{}
	}
	found, err := Blueprint(ctx, c, blueprint)
	if err != nil {
		return &v1alpha1.Blueprint{}
	}
	return found
}
