package kube

import (
	"context"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
)

// Bounds on the log lines that go with a diagnosis.
const (
	maxLogs      = 4
	maxLogLines  = 20
	maxLogLine   = 300
	maxLogBytes  = 64 << 10
	logsPatience = 5 * time.Second
)

// addLogs adds the last log lines to the first diagnoses that are about a
// container that has run. A log that cannot be read is left out: the node may
// be what is broken.
func (t *Target) addLogs(ctx context.Context, diagnoses []Diagnosis) {
	ctx, cancel := context.WithTimeout(ctx, logsPatience)
	defer cancel()
	var group errgroup.Group
	fetched := 0
	for i := range diagnoses {
		d := &diagnoses[i]
		if d.pod == nil || d.container == "" || fetched == maxLogs {
			continue
		}
		fetched++
		group.Go(func() error {
			d.Log = t.lastLines(ctx, d.pod, d.container, d.previous)
			return nil
		})
	}
	_ = group.Wait()
}

func (t *Target) lastLines(ctx context.Context, pod *corev1.Pod, container string, previous bool) []string {
	lines, bytes := int64(maxLogLines), int64(maxLogBytes)
	raw, err := t.clientset.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
		Container: container, Previous: previous, TailLines: &lines, LimitBytes: &bytes,
	}).DoRaw(ctx)
	if err != nil {
		return nil
	}
	var kept []string
	for line := range strings.Lines(string(raw)) {
		kept = append(kept, clip(printable(line), maxLogLine))
	}
	return kept
}

// printable drops what could play with somebody's terminal.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(line, "?"))
}
