package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Usage is what the controllers have used so far.
type Usage struct {
	// Memory resident, in MiB.
	Memory float64
	// Requests to API servers.
	Requests float64
	// CPU in seconds.
	CPU float64
}

// Usage reads the controllers' own metrics.
func (c *Cluster) Usage(ctx context.Context) (Usage, error) {
	used, err := readUsage(ctx, c.metrics)
	if err != nil {
		return Usage{}, fmt.Errorf("reading the controllers' metrics: %w", err)
	}
	return used, nil
}

func readUsage(ctx context.Context, address string) (Usage, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Usage{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Usage{}, err
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return Usage{}, err
	}
	used := Usage{
		Memory:   sum(families["process_resident_memory_bytes"]) / (1 << 20),
		Requests: sum(families["rest_client_requests_total"]),
		CPU:      sum(families["process_cpu_seconds_total"]),
	}
	if used.Memory == 0 || used.Requests == 0 || used.CPU == 0 {
		return Usage{}, errors.New("memory, requests or CPU are missing")
	}
	return used, nil
}

func sum(family *dto.MetricFamily) float64 {
	total := 0.0
	for _, metric := range family.GetMetric() {
		total += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
	}
	return total
}
