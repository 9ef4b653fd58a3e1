package migration

import (
	"context"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// Remembered is a journal in memory alone, with words to hear: for an abort
// where no API server can be reached. It believes that the migration may be at
// any of its steps.
func Remembered(m *v1alpha1.Migration, words ...traffic.Word) traffic.Journal {
	last := len(m.Spec.Steps) - 1
	return &remembered{words: words, progress: traffic.Progress{
		Phase: traffic.Shifting, Step: last, Wanted: traffic.Weight(m.Spec.Steps[last].Weight), WantedAt: words[0].At, Started: words[0].At,
	}}
}

type remembered struct {
	progress traffic.Progress
	words    []traffic.Word
}

func (r *remembered) Load(context.Context) (traffic.Progress, error) { return r.progress, nil }

func (r *remembered) Save(_ context.Context, p traffic.Progress) error {
	r.progress = p
	return nil
}

func (r *remembered) Words(_ context.Context, after int64) ([]traffic.Word, error) {
	var words []traffic.Word
	for _, word := range r.words {
		if word.Serial > after {
			words = append(words, word)
		}
	}
	return words, nil
}
