package spec

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/verify"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

func newSuggest(c *command.Context) *cobra.Command {
	var write bool
	cmd := &cobra.Command{
		Use:   "suggest FILE",
		Short: "Say what of a captured document is noise, and what is worth keeping",
		Long: `Say what of a captured document is noise for a baseline, and what is worth
keeping. --write puts the rules into the document, each with its reason, before
those that are there: what you write wins. Rules only leave out; the facts stay
in the document, so that a rule can be taken back by removing it.

verify, diff, fleet, triage and export follow the rules; capturing again into the
same file keeps them.`,
		Example: `  landfall spec suggest web1.yaml
  landfall spec suggest web1.yaml --write`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return suggest(c, args[0], write)
		},
	}
	cmd.Flags().BoolVar(&write, "write", false, "put the rules into the document")
	return cmd
}

// suggested is what the command prints for programs.
type suggested struct {
	Suggestions []verify.Suggestion   `json:"suggestions"`
	Kept        map[hostspec.Kind]int `json:"kept"`
	Items       int                   `json:"items"`
	Written     bool                  `json:"written"`
}

func suggest(c *command.Context, path string, write bool) error {
	if write && path == "-" {
		return fault.New(fault.Invalid, "Name the file.", "writing rules: standard input cannot be written")
	}
	spec, err := readDocument(c, path)
	if err != nil {
		return err
	}
	doc := suggested{Suggestions: verify.Suggest(spec), Kept: map[hostspec.Kind]int{}, Items: len(spec.Items)}
	taken := verify.Take(spec, doc.Suggestions)
	for _, item := range taken.Kept().Items {
		doc.Kept[item.Kind]++
	}
	if write && len(doc.Suggestions) > 0 {
		if err := writeDocument(c, path, taken); err != nil {
			return err
		}
		doc.Written = true
	}
	return c.Print(doc, func(w io.Writer) error { return doc.show(w, path) })
}

var classTitles = []struct {
	class verify.Class
	title string
}{
	{verify.Noise, "Noise: says nothing about whether a host is as it should be"},
	{verify.Nature, "Different by nature on hosts that are as they should be"},
	{verify.Keep, "Worth keeping all the same"},
	{verify.Unreadable, "Could not be read: capture it again with more rights, or leave it out"},
}

func (d *suggested) show(w io.Writer, path string) error {
	var b strings.Builder
	for _, class := range classTitles {
		titled := false
		for i := range d.Suggestions {
			s := &d.Suggestions[i]
			if s.Class != class.class {
				continue
			}
			if !titled {
				fmt.Fprintf(&b, "%s\n", class.title)
				titled = true
			}
			fmt.Fprintf(&b, "  %5d  %s\n         %s%s\n", s.Items, pattern(s.Rule), result.Clean(s.Reason), examples(s))
		}
		if titled {
			b.WriteByte('\n')
		}
	}
	kept := 0
	var kinds []string
	for _, kind := range hostspec.Kinds {
		if n := d.Kept[kind]; n > 0 {
			kept += n
			kinds = append(kinds, fmt.Sprintf("%s %d", kind, n))
		}
	}
	fmt.Fprintf(&b, "Of %d items, %d stay: %s\n", d.Items, kept, strings.Join(kinds, ", "))
	switch {
	case d.Written:
		fmt.Fprintf(&b, "%d rules are in %s now.\n", len(d.Suggestions), path)
	case len(d.Suggestions) > 0:
		fmt.Fprintf(&b, "`landfall spec suggest %s --write` puts these rules into the document.\n", path)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func pattern(rule hostspec.Rule) string {
	text := result.Clean(rule.Pattern())
	for _, attribute := range slices.Sorted(maps.Keys(rule.Where)) {
		text += fmt.Sprintf(" where %s is %s", attribute, rule.Where[attribute])
	}
	return text
}

func examples(s *verify.Suggestion) string {
	if len(s.Examples) == 0 {
		return ""
	}
	cleaned := make([]string, len(s.Examples))
	for i, example := range s.Examples {
		cleaned[i] = result.Clean(example)
	}
	text := ": " + strings.Join(cleaned, ", ")
	if s.Items > len(cleaned) {
		text += ", …"
	}
	return text
}
