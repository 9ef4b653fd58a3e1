// Package image is `landfall image`.
package image

import (
	"fmt"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/image"
)

// New makes the command with its subcommands.
func New(c *command.Context) *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "image",
		Short:   "Make container images without Docker",
		Example: "  landfall image push bin/web localhost:15000/shop/web:1",
	}, newPush(c))
}

type pushFlags struct {
	base       string
	entrypoint string
	args       []string
	env        []string
	user       string
	workdir    string
	expose     []string
	labels     []string
}

func newPush(c *command.Context) *cobra.Command {
	var flags pushFlags
	cmd := &cobra.Command{
		Use:   "push SOURCE REFERENCE",
		Short: "Push a program, folder, archive or image to a registry",
		Long: `Push makes an image of SOURCE and pushes it to REFERENCE, without Docker.

SOURCE is a Linux program (its shared libraries come along, and it becomes the
entry point), a folder or a tar archive (the root of the file system), an OCI
layout, or the output of docker save. Equal input gives an equal digest, and
layers that the registry has are not sent again.`,
		Example: `  # a Go program into the registry of the local cluster
  landfall image push bin/web localhost:5001/shop/web:1.4.2

  # a static site upon a base image, with another start command
  landfall image push ./site localhost:5001/site:1 --base nginx:1.29 --expose 80

  # only the digest, for scripts
  landfall image push bin/web localhost:5001/shop/web:1.4.2 -o json | jq -r .digest`,
		Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runPush(cmd, c, flags, args[0], args[1])
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.base, "base", "", "image `reference` to build upon")
	f.StringVar(&flags.entrypoint, "entrypoint", "", "start `command`, split at spaces; for a program, the program itself")
	f.StringArrayVar(&flags.args, "arg", nil, "`argument` of the start command (repeatable)")
	f.StringArrayVar(&flags.env, "env", nil, "environment variable, `NAME=VALUE` (repeatable)")
	f.StringVar(&flags.user, "user", "", "`UID[:GID]` to run as; for a program 65532, nobody in particular")
	f.StringVar(&flags.workdir, "workdir", "", "working `folder`")
	f.StringSliceVar(&flags.expose, "expose", nil, "`port` it listens on, 8080 or 53/udp (repeatable)")
	f.StringArrayVar(&flags.labels, "label", nil, "image label, `NAME=VALUE` (repeatable)")
	return cmd
}

func (f pushFlags) config() (image.Config, error) {
	env, err := command.Pairs("env", f.env)
	if err != nil {
		return image.Config{}, err
	}
	labels, err := command.Pairs("label", f.labels)
	if err != nil {
		return image.Config{}, err
	}
	return image.Config{
		Entrypoint: strings.Fields(f.entrypoint), Cmd: f.args, Env: env,
		User: f.user, Workdir: f.workdir, Expose: f.expose, Labels: labels,
	}, nil
}

func runPush(cmd *cobra.Command, c *command.Context, flags pushFlags, source, reference string) error {
	config, err := flags.config()
	if err != nil {
		return err
	}
	cache, err := image.DefaultCache()
	if err != nil {
		return err
	}
	step := c.Progress().Step("push " + reference)
	pushed, err := buildAndPush(cmd, cache, flags.base, config, source, reference, func(done, total int64) {
		step.Count(done, total, "B")
	})
	if err != nil {
		step.Fail(err)
		return err
	}
	if pushed.Unchanged {
		step.Done("unchanged")
	} else {
		step.Done("%.1f MB", float64(pushed.Size)/1e6)
	}
	return c.Print(pushed, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, pushed.Image)
		return err
	})
}

func buildAndPush(cmd *cobra.Command, cache *image.Cache, base string, config image.Config, source, reference string, progress func(done, total int64)) (image.Pushed, error) {
	var under v1.Image
	if base != "" {
		var err error
		if under, err = image.Pull(cmd.Context(), base); err != nil {
			return image.Pushed{}, err
		}
	}
	img, err := image.Build(cache, source, under, config)
	if err != nil {
		return image.Pushed{}, err
	}
	return image.Push(cmd.Context(), img, reference, progress)
}
