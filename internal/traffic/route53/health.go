package route53

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/awsaccount"
)

// Health of a side as its own health check sees it.
func (r *Router) Health(ctx context.Context, side traffic.Side) (traffic.Health, error) {
	id := r.cfg.target(side).HealthCheckID
	if id == "" {
		return traffic.Health{Reason: "the side has no health check in Route 53"}, nil
	}
	return r.checked(ctx, id)
}

// checked asks for what the checkers of a health check say.
func (r *Router) checked(ctx context.Context, id string) (traffic.Health, error) {
	out, err := r.client.GetHealthCheckStatus(ctx, &sdk.GetHealthCheckStatusInput{HealthCheckId: aws.String(id)})
	if err != nil {
		return traffic.Health{}, awsaccount.Explain(err, "reading health check %s", id)
	}
	well, all := 0, len(out.HealthCheckObservations)
	for _, o := range out.HealthCheckObservations {
		if o.StatusReport != nil && strings.HasPrefix(aws.ToString(o.StatusReport.Status), "Success") {
			well++
		}
	}
	return traffic.Health{
		Known: all > 0, Healthy: float64(well) > healthyPart*float64(all),
		Reason: fmt.Sprintf("%d of %d health checkers find it well", well, all),
	}, nil
}

// healthyPart of the checkers must agree: "if more than 18% of health checkers
// report that an endpoint is healthy, Route 53 considers it healthy".
const healthyPart = 0.18
