package haproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// The protocol between Landfall and a watchdog: one POST of an Order, answered
// by an Answer.

// OrderPath is where a watchdog takes orders.
const OrderPath = "/v1/order"

// Verb says what an order is about.
type Verb string

// Verbs of orders.
const (
	DoReport  Verb = "report"
	DoPrepare Verb = "prepare"
	DoWrite   Verb = "write"
	DoDrain   Verb = "drain"
	DoArm     Verb = "arm"
	DoFinish  Verb = "finish"
)

// Order is what Landfall wants of a watchdog.
type Order struct {
	Verb Verb `json:"verb"`
	Pair Pair `json:"pair"`
	// Owner is the migration, Epoch that of the process that works on it.
	Owner string `json:"owner"`
	Epoch int64  `json:"epoch"`
	// Weight to write.
	Weight traffic.Weight `json:"weight,omitempty"`
	// Side to drain.
	Side traffic.Side `json:"side,omitempty"`
	// Silence to arm with, in nanoseconds; 0 disarms.
	Silence time.Duration `json:"silence,omitempty"`
}

// Answer of a watchdog.
type Answer struct {
	Report      *Report              `json:"report,omitempty"`
	Preparation *traffic.Preparation `json:"preparation,omitempty"`
	Error       *Failure             `json:"error,omitempty"`
}

// Failure is an error on its way.
type Failure struct {
	Class   string `json:"class"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// maxAnswer bounds what is read of a watchdog: a report of 128 servers has
// some 50 kB.
const maxAnswer = 4 << 20

// orderTimeout bounds an order when its context does not.
const orderTimeout = 5 * time.Second

// agent is a watchdog beside one HAProxy.
type agent struct {
	base   string
	client *http.Client
	token  string
	owner  string
	pair   Pair
}

// Name is part of instance.
func (a *agent) Name() string { return a.base }

// Report is part of instance.
func (a *agent) Report(ctx context.Context) (Report, error) {
	answer, err := a.order(ctx, Order{Verb: DoReport})
	if err != nil {
		return Report{}, err
	}
	if answer.Report == nil || len(answer.Report.Servers) != len(a.pair.servers()) {
		return Report{}, fmt.Errorf("asking the watchdog at %s: its answer has no report", a.base)
	}
	for i, server := range a.pair.servers() {
		if got := answer.Report.Servers[i]; got.Name != server.name || got.Side != server.side || got.Weight < 0 || got.Latency != nil && len(got.Latency) != len(latencyBounds)+1 {
			return Report{}, fmt.Errorf("asking the watchdog at %s: its report is of other servers", a.base)
		}
	}
	return *answer.Report, nil
}

// Prepare is part of instance.
func (a *agent) Prepare(ctx context.Context, f traffic.Fence) (traffic.Preparation, error) {
	answer, err := a.fenced(ctx, f, Order{Verb: DoPrepare})
	if err != nil {
		return traffic.Preparation{}, err
	}
	if answer.Preparation == nil {
		return traffic.Preparation{}, fmt.Errorf("asking the watchdog at %s: its answer has no preparation", a.base)
	}
	return *answer.Preparation, nil
}

// Write is part of instance.
func (a *agent) Write(ctx context.Context, w traffic.Weight, f traffic.Fence) error {
	_, err := a.fenced(ctx, f, Order{Verb: DoWrite, Weight: w})
	return err
}

// Drain is part of instance.
func (a *agent) Drain(ctx context.Context, side traffic.Side, f traffic.Fence) error {
	_, err := a.fenced(ctx, f, Order{Verb: DoDrain, Side: side})
	return err
}

// Arm is part of instance.
func (a *agent) Arm(ctx context.Context, silence time.Duration, f traffic.Fence) error {
	_, err := a.fenced(ctx, f, Order{Verb: DoArm, Silence: silence})
	return err
}

// Finish is part of instance.
func (a *agent) Finish(ctx context.Context, f traffic.Fence) error {
	_, err := a.fenced(ctx, f, Order{Verb: DoFinish})
	return err
}

// fenced sends an order of a process that may still give some.
func (a *agent) fenced(ctx context.Context, f traffic.Fence, order Order) (Answer, error) {
	if err := f.Check(); err != nil {
		return Answer{}, err
	}
	order.Epoch = f.Epoch()
	return a.order(ctx, order)
}

func (a *agent) order(ctx context.Context, order Order) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	order.Pair, order.Owner = a.pair, a.owner
	body, err := json.Marshal(order)
	if err != nil {
		return Answer{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+OrderPath, bytes.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("asking the watchdog: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := a.client.Do(request)
	if err != nil {
		return Answer{}, fault.Wrap(fault.Failed, fmt.Errorf("asking the watchdog: %w", err), "Is `landfall watchdog` running there?")
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("asking the watchdog at %s: %w", a.base, err)
	}
	return a.understand(response.StatusCode, content)
}

func (a *agent) understand(status int, content []byte) (Answer, error) {
	var answer Answer
	if err := json.Unmarshal(content, &answer); err != nil {
		return Answer{}, fmt.Errorf("asking the watchdog at %s: it answers %d and no JSON: is it a watchdog?", a.base, status)
	}
	switch {
	case answer.Error != nil:
		err := fmt.Errorf("watchdog at %s: %w", a.base, errors.New(answer.Error.Message))
		return Answer{}, fault.Wrap(classOf(answer.Error.Class), err, answer.Error.Hint)
	case status != http.StatusOK:
		return Answer{}, fmt.Errorf("asking the watchdog at %s: it answers %d", a.base, status)
	}
	return answer, nil
}

// classOf reads a class as fault writes it.
func classOf(name string) fault.Class {
	for _, class := range []fault.Class{fault.Invalid, fault.NotFound, fault.Refused} {
		if class.String() == name {
			return class
		}
	}
	return fault.Failed
}
