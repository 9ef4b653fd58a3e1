package terraform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/terraform-exec/tfexec"

	"github.com/landfall-dev/landfall/internal/progress"
)

// stopGrace is how long Terraform may take to stop after an interrupt: it waits
// for the provider's request under way and writes its state.
const stopGrace = 2 * time.Minute

var minimum = version.Must(version.NewVersion(oldest))

// Run is a root module in its folder, with its backend opened. It is not safe
// for concurrent use, and no two may be open in one folder.
type Run struct {
	tool     *Tool
	tf       *tfexec.Terraform
	dir      string
	secret   string
	root     Root
	source   string
	reporter progress.Reporter
}

// Options of a Run.
type Options struct {
	// Dir is the run's folder. What is downloaded stays there for the next one.
	Dir string
	// Unpacked is the folder that modules of Landfall are unpacked below.
	Unpacked string
	// Files are put beside the root module without touching the disk: credentials
	// that the backend refers to by name.
	Files map[string][]byte
	// Lock is what an earlier run says of its providers, see Run.Lock; may be
	// nil.
	Lock     []byte
	Reporter progress.Reporter
}

// Open writes the root module into its folder and initialises it: modules and
// providers are downloaded, the backend is reached. Close ends it.
func Open(ctx context.Context, tool *Tool, root Root, opts Options) (*Run, error) {
	if err := root.Check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of terraform: %w", err)
	}
	from, err := source(root.Module, opts.Dir, opts.Unpacked)
	if err != nil {
		return nil, err
	}
	tf, err := tool.open(ctx, opts.Dir)
	if err != nil {
		return nil, err
	}
	secret, err := secretFolder()
	if err != nil {
		return nil, fmt.Errorf("making a folder in memory: %w", err)
	}
	r := &Run{tool: tool, tf: tf, dir: opts.Dir, secret: secret, root: root, source: from, reporter: opts.Reporter}
	if err := errors.Join(r.write(root), r.writeSecrets(opts.Files), r.writeLock(opts.Lock)); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err := r.init(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Close removes what was secret.
func (r *Run) Close() error { return os.RemoveAll(r.secret) }

// secretFolder makes a folder of this process in memory, and removes those of
// processes that were killed.
func secretFolder() (string, error) {
	left, err := filepath.Glob(filepath.Join(memory(), folderPrefix+"*"))
	if err != nil {
		return "", err
	}
	for _, folder := range left {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), folderPrefix), "-")
		number, err := strconv.Atoi(pid)
		if err == nil && number > 0 && errors.Is(syscall.Kill(number, 0), syscall.ESRCH) {
			_ = os.RemoveAll(folder) // somebody else's stays theirs
		}
	}
	return os.MkdirTemp(memory(), fmt.Sprintf("%s%d-", folderPrefix, os.Getpid()))
}

const folderPrefix = "landfall-terraform-"

// memory is where files are that must not reach a disk: /dev/shm, else (not
// Linux) the folder for temporary files.
func memory() string {
	if there, err := isDir("/dev/shm"); err == nil && there {
		return "/dev/shm"
	}
	return os.TempDir()
}

// write renders the root module into the folder.
func (r *Run) write(root Root) error {
	files, err := root.render(r.source)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.dir, name), text, 0o600); err != nil {
			return fmt.Errorf("writing the root module: %w", err)
		}
	}
	return nil
}

// writeSecrets puts files and secret variables into memory, files with a link
// to them in the folder, as backends find them by relative names.
func (r *Run) writeSecrets(files map[string][]byte) error {
	values, err := json.Marshal(r.root.Secrets)
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.secretFile(), values, 0o600); err != nil {
		return fmt.Errorf("writing secret variables: %w", err)
	}
	for name, text := range files {
		file, link := filepath.Join(r.secret, name), filepath.Join(r.dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing an old %s: %w", name, err)
		}
		if err := os.Symlink(file, link); err != nil {
			return fmt.Errorf("linking %s: %w", name, err)
		}
	}
	return nil
}

func (r *Run) secretFile() string { return filepath.Join(r.secret, "secret.tfvars.json") }
func (r *Run) planFile() string   { return filepath.Join(r.secret, "plan") }

// Lock is what was chosen of the providers, to be given to the next run
// wherever it happens; nil where there are none.
func (r *Run) Lock() []byte {
	text, err := os.ReadFile(filepath.Join(r.dir, fileLock))
	if err != nil {
		return nil
	}
	return text
}

func (r *Run) writeLock(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	return os.WriteFile(filepath.Join(r.dir, fileLock), text, 0o600)
}

// init downloads what the module needs and opens the backend as the root module
// says, whatever was there before: the state stays where the Cluster says.
func (r *Run) init(ctx context.Context) error {
	step := r.reporter.Step("preparing " + r.tool.Name())
	said := r.listen(nil)
	err := r.explain("init", said, r.tf.InitJSON(ctx, said, tfexec.Reconfigure(true)))
	r.tf.SetStdout(nil)
	if err != nil {
		step.Fail(err)
		return err
	}
	step.Done("module %s", r.root.Module)
	return nil
}

// mask hides secret variables in what Terraform and providers say.
func (r *Run) mask(text string) string {
	return hide(text, slices.Collect(maps.Values(r.root.Secrets)))
}
