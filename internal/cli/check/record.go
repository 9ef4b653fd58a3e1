package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/baseline/check"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

type recordFlags struct {
	sideFlags
	output string
	depth  int
	most   int
	force  bool

	user, passwordEnv string
}

func newRecord(c *command.Context) *cobra.Command {
	var flags recordFlags
	cmd := &cobra.Command{
		Use:   "record URL",
		Short: "Draft checks from a running site",
		Long: `Draft checks from a running site: status, title, heading, forms, key headers and
redirects of the pages that links lead to, of some files they are made of, and of
a page that is not there. Each address is asked twice, and only what stayed the
same is expected.

Only the site itself is asked, and only by GET. Links are left alone that say
nofollow, or whose words say that they change something (log out, delete, add).

With --user, the first form that asks for a password is sent with that user and
the password in the environment variable that --password-env names, and the
log-in becomes a check of several steps. The password is not written.`,
		Example: `  landfall check record https://shop.example -o checks.yaml
  landfall check record http://10.0.0.7:8080/ --host shop.example --depth 3
  landfall check record https://shop.example --user demo --password-env SHOP_PASSWORD
  landfall check record https://shop.example | landfall check run - --address 10.0.0.7`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.url = args[0]
			return flags.run(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVarP(&flags.output, "output", "o", "", "`file` to write; by default standard output")
	cmd.Flags().BoolVar(&flags.force, "force", false, "overwrite the file if it is there")
	cmd.Flags().IntVar(&flags.depth, "depth", 2, "how many `links` away from the URL a page may be")
	cmd.Flags().IntVar(&flags.most, "most", 50, "`addresses` to record at most")
	cmd.Flags().StringVar(&flags.address, "address", "", "`address[:port]` to connect to, instead of what DNS says of the URL's host")
	cmd.Flags().StringVar(&flags.user, "user", "", "`name` to log in with")
	cmd.Flags().StringVar(&flags.passwordEnv, "password-env", "SITE_PASSWORD", "environment `variable` that holds the user's password")
	flags.add(cmd.Flags())
	return cmd
}

func (f *recordFlags) run(ctx context.Context, c *command.Context) error {
	if err := f.free(); err != nil {
		return err
	}
	options, err := f.options(c)
	if err != nil {
		return err
	}
	recording, err := check.Record(ctx, check.RecordOptions{
		Options: options, Depth: max(f.depth, 1), Most: max(f.most, 1), Progress: c.Progress(),
		User: f.user, PasswordEnv: f.passwordEnv,
	})
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := recording.Document.Encode(&text); err != nil {
		return err
	}
	if f.output == "" {
		if _, err := c.Out.Write(text.Bytes()); err != nil {
			return err
		}
	} else if err := os.WriteFile(f.output, text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing checks: %w", err)
	}
	f.say(c, recording)
	return nil
}

// free refuses to overwrite what a person may have edited.
func (f *recordFlags) free() error {
	if f.output == "" || f.force {
		return nil
	}
	if _, err := os.Stat(f.output); !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Refused, "Add --force to overwrite it.", "writing checks: %s is there already", f.output)
	}
	return nil
}

// say tells what a person should know of the draft.
func (f *recordFlags) say(c *command.Context, recording *check.Recording) {
	for _, form := range recording.Forms {
		c.Progress().Note("%s asks for a password: --user records the log-in", result.Clean(form))
	}
	for _, site := range recording.Elsewhere {
		c.Progress().Note("it redirects to %s, another site: record that, too", result.Clean(site))
	}
	if recording.Left > 0 {
		c.Progress().Note("%d more addresses are known: --most records more", recording.Left)
	}
}
