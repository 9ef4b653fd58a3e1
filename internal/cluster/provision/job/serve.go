package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/landfall-dev/landfall/internal/cluster/provision"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Install puts the program that runs into a file: into the pod of another image.
func Install(path string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the landfall program: %w", err)
	}
	from, err := os.Open(self)
	if err != nil {
		return fmt.Errorf("reading the landfall program: %w", err)
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("installing landfall: %w", err)
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// Read reads the request in a folder, and unpacks the module that came along
// into another; module is "" where none did.
func Read(folder, work string) (request Request, module string, err error) {
	text, err := os.ReadFile(filepath.Join(folder, FileRequest))
	if err == nil {
		err = json.Unmarshal(text, &request)
	}
	if err != nil {
		return request, "", fault.New(fault.Invalid, "", "reading the request: %w", err)
	}
	packed, err := os.Open(filepath.Join(folder, fileModule))
	if errors.Is(err, fs.ErrNotExist) {
		return request, "", nil
	}
	if err != nil {
		return request, "", fmt.Errorf("reading the module: %w", err)
	}
	defer packed.Close()
	module = filepath.Join(work, "module")
	return request, module, unpack(packed, module)
}

// Server does in a pod what a Runner asked for.
type Server struct {
	// Provisioner does the work.
	Provisioner *provision.Provisioner
	// Job is the name of the pod's Job, which has the approval.
	Job string
	// Out is the pod's log.
	Out io.Writer
}

// Serve carries out a request. Its answer, or error, is the last event; the
// error is given back, too, for the pod's exit code.
func (s Server) Serve(ctx context.Context, request Request) error {
	w := &writer{out: s.Out}
	answer, err := s.do(ctx, request, w)
	last := event{Kind: kindAnswer}
	if err == nil {
		last.Value, err = json.Marshal(answer)
	}
	if err != nil {
		last = failure(err)
		if ctx.Err() != nil {
			// From outside: another pod goes on, unless the Job is deleted.
			w.Note("%s", err)
			return err
		}
	}
	w.write(last)
	return err
}

// Fail is the answer of a pod that could not begin.
func (s Server) Fail(err error) error {
	(&writer{out: s.Out}).write(failure(err))
	return err
}

func (s Server) do(ctx context.Context, request Request, w *writer) (answer any, err error) {
	name, p := request.Cluster, s.Provisioner
	switch request.Operation {
	case opPlan:
		return p.Plan(ctx, name, request.Plan, w)
	case opDrift:
		return p.Drift(ctx, name, w)
	case opApply:
		opts := request.Apply
		opts.Approve = func(ctx context.Context, planned *provision.Planned) error {
			return s.approval(ctx, w, planned, planned.Inputs)
		}
		return p.Apply(ctx, name, opts, w)
	case opDestroy:
		opts := request.Destroy
		opts.Approve = func(ctx context.Context, d *provision.Destruction) error {
			if request.Destroy.DryRun {
				return show(w, event{Kind: kindShow}, d)
			}
			return s.approval(ctx, w, d, d.Plan.Inputs)
		}
		return nil, p.Destroy(ctx, name, opts, w)
	case opUnlock:
		return p.Unlock(ctx, name, request.Force, w)
	}
	return nil, fault.New(fault.Invalid, "Is the controller older than this landfall? `landfall up` brings it up to date.", "operation %q is unknown", request.Operation)
}

func show(w *writer, e event, what any) (err error) {
	if e.Value, err = json.Marshal(what); err == nil {
		w.write(e)
	}
	return err
}

// What annotationApproved may say, but for the digest of the Cluster's spec that
// a plan was made from. A plan made anew after a crash, from the same spec, is
// what is left of the one that was approved.
const (
	// approvedAll was said beforehand.
	approvedAll = "*"
	approvedNot = "no"
)

// approvalPatience is how long a pod waits for somebody to decide.
const approvalPatience = 15 * time.Minute

// approval shows what is to be done and waits until it is approved.
func (s Server) approval(ctx context.Context, w *writer, what any, inputs string) error {
	if err := show(w, event{Kind: kindShow, Ask: true, Text: inputs}, what); err != nil {
		return err
	}
	until := time.Now().Add(approvalPatience)
	for {
		said, err := approvalOf(ctx, s.Provisioner.Client, s.Job)
		switch {
		case err != nil:
			return err
		case said == approvedAll, said == inputs:
			return nil
		case said == approvedNot:
			return fault.Wrap(fault.Refused, provision.ErrNotApproved, "")
		case time.Now().After(until):
			return fault.Wrap(fault.Refused, fmt.Errorf("nobody decided within %s: %w", approvalPatience, provision.ErrNotApproved), "Ask again.")
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func approvalOf(ctx context.Context, cl client.Reader, name string) (string, error) {
	job := &batchv1.Job{}
	if err := cl.Get(ctx, client.ObjectKey{Namespace: provision.Namespace, Name: name}, job); err != nil {
		return "", fmt.Errorf("reading the approval on Job %s: %w", name, err)
	}
	return job.Annotations[annotationApproved], nil
}
