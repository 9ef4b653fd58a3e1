package migration

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/report"
)

// Keys of the ConfigMap that holds the evidence of one attempt.
const (
	keyEvents     = "events.jsonl.gz"
	keyDefinition = "definition.json"
	keyProgress   = "progress.json"
	keyDropped    = "dropped"
)

// Labels of the ConfigMap.
const (
	labelMigration = "landfall.dev/migration"
	labelAttempt   = "landfall.dev/attempt"
)

// Keep writes the evidence of the object's attempt into a ConfigMap that the
// object owns: it holds nothing secret, and whoever may see the migration may
// see what it did. It gives the size of what was kept.
func Keep(ctx context.Context, c client.Client, m *v1alpha1.Migration, events *Events) (size int, err error) {
	packed, dropped, err := events.Pack()
	if err != nil {
		return 0, err
	}
	progress, err := Progress(m)
	if err != nil {
		return 0, err
	}
	texts := map[string]string{keyDropped: strconv.Itoa(dropped)}
	for key, value := range map[string]any{keyDefinition: Definition(m), keyProgress: progress} {
		text, err := json.Marshal(value)
		if err != nil {
			return 0, fmt.Errorf("writing the evidence of migration %s: %w", m.Name, err)
		}
		texts[key] = string(text)
	}
	kept := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: EvidenceName(m)}}
	_, err = controllerutil.CreateOrUpdate(ctx, c, kept, func() error {
		kept.Labels = map[string]string{labelMigration: m.Name, labelAttempt: strconv.FormatInt(Attempt(m), 10)}
		kept.Data, kept.BinaryData = texts, map[string][]byte{keyEvents: packed}
		return controllerutil.SetControllerReference(m, kept, c.Scheme())
	})
	if err != nil {
		return 0, fmt.Errorf("keeping the evidence of migration %s: %w", m.Name, err)
	}
	return len(packed), nil
}

// GoOn gives the recorder of the object's attempt, with what was kept by the
// process before. What cannot be read is left behind: a migration does not wait
// for its evidence.
func GoOn(ctx context.Context, c client.Reader, m *v1alpha1.Migration, watch func(traffic.Event)) *Events {
	kept := &corev1.ConfigMap{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: EvidenceName(m)}, kept); err != nil {
		return NewEvents(nil, 0, watch)
	}
	dropped, err := strconv.Atoi(kept.Data[keyDropped])
	if err != nil {
		dropped = 0
	}
	packed := kept.BinaryData[keyEvents]
	if _, err := Unpack(packed); err != nil {
		packed = nil
	}
	return NewEvents(packed, dropped, watch)
}

// Kept is the evidence of one attempt.
type Kept struct {
	Attempt int64
	report.Record
}

// Evidence reads what was kept of all attempts, the oldest first.
func Evidence(ctx context.Context, c client.Reader, m *v1alpha1.Migration) ([]Kept, error) {
	var stored corev1.ConfigMapList
	if err := c.List(ctx, &stored, client.InNamespace(m.Namespace), client.MatchingLabels{labelMigration: m.Name}); err != nil {
		return nil, fmt.Errorf("reading the evidence of migration %s: %w", m.Name, err)
	}
	var all []Kept
	for i := range stored.Items {
		one, err := unpackKept(&stored.Items[i])
		if err != nil {
			return nil, fmt.Errorf("reading the evidence of migration %s: ConfigMap %s: %w", m.Name, stored.Items[i].Name, err)
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Kept) int { return cmp.Compare(a.Attempt, b.Attempt) })
	return all, nil
}

func unpackKept(stored *corev1.ConfigMap) (Kept, error) {
	var k Kept
	var err error
	if k.Attempt, err = strconv.ParseInt(stored.Labels[labelAttempt], 10, 64); err != nil {
		return k, fmt.Errorf("label %s: %w", labelAttempt, err)
	}
	if err := json.Unmarshal([]byte(stored.Data[keyDefinition]), &k.Definition); err != nil {
		return k, fmt.Errorf("%s: %w", keyDefinition, err)
	}
	if err := json.Unmarshal([]byte(stored.Data[keyProgress]), &k.Progress); err != nil {
		return k, fmt.Errorf("%s: %w", keyProgress, err)
	}
	if k.Dropped, err = strconv.Atoi(stored.Data[keyDropped]); err != nil {
		return k, fmt.Errorf("%s: %w", keyDropped, err)
	}
	k.Events, err = Unpack(stored.BinaryData[keyEvents])
	return k, err
}
