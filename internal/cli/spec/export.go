package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/goss"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/serverspec"
	"github.com/landfall-dev/landfall/internal/cli/ask"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
)

// formats of other tools, by name.
var formats = []string{"goss", "serverspec"}

func newExport(c *command.Context) *cobra.Command {
	var format, folder string
	cmd := &cobra.Command{
		Use:   "export FILE --format goss|serverspec -o FOLDER",
		Short: "Write a host spec for goss or Serverspec",
		Long: `Write a host spec for goss or Serverspec, as far as they have counterparts; what
they have not is told. What was captured passes there on the same host.

goss: FOLDER/goss.yaml, for "goss validate". Serverspec: FOLDER/spec/*_spec.rb
with spec_helper.rb and .rspec, for "rspec" on the host; set TARGET_HOST in the
environment to run it over SSH.`,
		Example: `  landfall spec export web1.yaml --format goss -o goss/
  landfall spec export web1.yaml --format serverspec -o serverspec/`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return export(c, args[0], format, folder)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "`tool` to write for: goss or serverspec")
	cmd.Flags().StringVarP(&folder, "output", "o", "", "`folder` to write into")
	cmd.RegisterFlagCompletionFunc("format", ask.CompleteWords(formats...))
	_ = cmd.MarkFlagRequired("format")
	_ = cmd.MarkFlagRequired("output")
	return cmd
}

func export(c *command.Context, path, format, folder string) error {
	if !slices.Contains(formats, format) {
		return fault.New(fault.Invalid, "Write --format goss or --format serverspec.", "exporting: there is no format %q", format)
	}
	spec, err := readDocument(c, path)
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	var left []hostspec.LeftOut
	var what string
	if format == "goss" {
		exported, err := goss.Export(spec)
		if err != nil {
			return err
		}
		files["goss.yaml"], left = exported.File, exported.LeftOut
		what = fmt.Sprintf("%d resources", exported.Resources)
	} else {
		exported := serverspec.Export(spec)
		files, left = exported.Files, exported.LeftOut
		what = fmt.Sprintf("%d examples", exported.Examples)
	}
	for name, content := range files {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fault.Wrap(fault.Invalid, err, "Choose another folder with -o.")
		}
		if err := replaceFile(file, content); err != nil {
			return err
		}
	}
	tell(c, left)
	c.Progress().Note("%s: %s for %s", folder, what, format)
	return nil
}

// tell says what could not be carried over.
func tell(c *command.Context, left []hostspec.LeftOut) {
	for _, l := range left {
		c.Progress().Note("left out: %d × %s: %s", l.Items, l.Where, l.Reason)
	}
}

func newImport(c *command.Context) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "import GOSS-FILE",
		Short: "Make a host spec of a goss file",
		Long: `Make a host spec of a goss file: its matchers become expectations. What a host
spec has no counterpart for is told. Files with templates or includes have to go
through "goss render" first.`,
		Example: `  landfall spec import goss.yaml -o web.yaml
  landfall spec import goss.yaml | landfall spec verify - --target ssh://web1`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return importGoss(c, args[0], output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write; by default standard output")
	return cmd
}

func importGoss(c *command.Context, path, output string) error {
	data, err := readAll(c, path, goss.MaxFile)
	if err != nil {
		return err
	}
	spec, left, err := goss.Import(data, path)
	if err != nil {
		return err
	}
	if err := writeDocument(c, output, spec); err != nil {
		return err
	}
	tell(c, left)
	c.Progress().Note("%d items", len(spec.Items))
	return nil
}
