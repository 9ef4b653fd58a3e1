package gatewayapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// operation of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")

// pointer writes a JSON pointer (RFC 6901).
func pointer(parts ...string) string {
	var path strings.Builder
	for _, part := range parts {
		path.WriteString("/" + escape.Replace(part))
	}
	return path.String()
}

// errRaced says that somebody has changed the route at the same moment.
var errRaced = errors.New("somebody has changed the route meanwhile")

// patch changes the route, having asked the fence at the last moment.
func (r *Router) patch(ctx context.Context, operations []operation, fence traffic.Fence) error {
	text, err := json.Marshal(operations)
	if err != nil {
		return fmt.Errorf("writing a patch of %s: %w", r.place(), err)
	}
	if err := fence.Check(); err != nil {
		return err
	}
	err = r.cfg.API.Patch(ctx, httpRoute, r.cfg.Namespace, r.cfg.Route, text)
	if raced(err) {
		return fmt.Errorf("changing %s: %w", r.place(), errRaced)
	}
	return explain(err, "patch", "httproutes", "changing %s", r.place())
}

// raced tells whether a test of the patch has failed. The API server answers
// with 422 then and says nothing more; for objects that are not valid, the
// other reason for a 422, it names the causes.
func raced(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) {
		return apierrors.IsConflict(err)
	}
	details := status.Status().Details
	return details == nil || len(details.Causes) == 0
}

// explain classifies an error of the API server. Nil stays nil.
func explain(err error, verb, resource, format string, args ...any) error {
	if err == nil {
		return nil
	}
	doing := fmt.Sprintf(format, args...)
	switch {
	case apierrors.IsTooManyRequests(err):
		seconds, _ := apierrors.SuggestsClientDelay(err)
		return &traffic.Throttled{After: time.Duration(seconds) * time.Second, Err: fmt.Errorf("%s: %w", doing, err)}
	case apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err):
		return fault.New(fault.Refused, fmt.Sprintf("Allow Landfall to %s %s there.", verb, resource), "%s: %w", doing, err)
	case apimeta.IsNoMatchError(err):
		return fault.New(fault.Invalid, "Install Gateway API in the cluster.", "%s: %w", doing, err)
	case apierrors.IsNotFound(err):
		return fault.New(fault.NotFound, "Create it, or correct the migration's gatewayAPI settings.", "%s: %w", doing, err)
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		return fault.New(fault.Invalid, "See what the API server says.", "%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
