package cluster

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
)

func item(kind, name string, action transfer.Action, reason string, notes ...string) transfer.Item {
	key := transfer.Key{Kind: schema.GroupKind{Kind: kind}, Namespace: "shop", Name: name}
	return transfer.Item{Key: key, Action: action, Reason: reason, Notes: notes}
}

func TestAPlanForPeople(t *testing.T) {
	plan := &transfer.Plan{From: "blue", To: "green", Items: []transfer.Item{
		item("Secret", "a", transfer.Stay, "is a token of the source"),
		item("Secret", "b", transfer.Stay, "is a token of the source"),
		item("Secret", "c", transfer.Create, ""),
		item("Service", "web", transfer.Conflict, "is there already, and differs: spec.type: \"A\", there \"B\""),
		item("CronJob", "nightly", transfer.Update, "", "is suspended in the target"),
	}}
	var text bytes.Buffer
	if err := showPlan(&text, plan); err != nil {
		t.Fatal(err)
	}
	want := `KIND      CREATE   UPDATE   UNCHANGED   CONFLICT   STAYS   WHY IT STAYS
Secret    1        -        -           -          2       is a token of the source
Service   -        -        -           1          -
CronJob   -        1        -           -          -
conflict: Service shop/web is there already, and differs: spec.type: "A", there "B"
note: CronJob shop/nightly: is suspended in the target
`
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Error(diff)
	}
}

func TestTheLastLineOfATransfer(t *testing.T) {
	done := transfer.Outcome{Done: true}
	failed := transfer.Outcome{Failed: true}
	interrupted, stop := context.WithCancel(t.Context())
	stop()
	tests := map[string]struct {
		ctx    context.Context
		result transfer.Result
		dryRun bool
		want   string
	}{
		"written":     {t.Context(), transfer.Result{Outcomes: []transfer.Outcome{done, done}}, false, "2 objects written to cluster green"},
		"nothing":     {t.Context(), transfer.Result{}, false, "nothing to do: cluster green has it all"},
		"failed":      {t.Context(), transfer.Result{Outcomes: []transfer.Outcome{done, failed}}, false, "1 object written, 1 failed; the same command goes on"},
		"checked":     {t.Context(), transfer.Result{Outcomes: []transfer.Outcome{done}, Unchecked: 3}, true, "cluster green takes 1 object; nothing was changed; 3 more are checked once their namespace or kind is made"},
		"refused":     {t.Context(), transfer.Result{Outcomes: []transfer.Outcome{done, failed}}, true, "cluster green would refuse 1 object; nothing was changed"},
		"interrupted": {interrupted, transfer.Result{Outcomes: []transfer.Outcome{done}}, false, "broken off after 1 object; the same command goes on"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := outcome(tt.ctx, &transfer.Plan{To: "green"}, &tt.result, transfer.Execution{DryRun: tt.dryRun}); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
