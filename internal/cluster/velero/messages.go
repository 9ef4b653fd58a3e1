package velero

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
)

// Severity of a message.
type Severity string

// Severities.
const (
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Message is one warning or error of Velero.
type Message struct {
	Severity Severity `json:"severity"`
	// Of is what it came of: backup or restore.
	Of string `json:"of"`
	// Namespace it is about; "" for the whole cluster and for Velero itself.
	Namespace string `json:"namespace,omitempty"`
	Text      string `json:"text"`
}

// String reads "restore, namespace shop: …".
func (m Message) String() string {
	if m.Namespace == "" {
		return m.Of + ": " + m.Text
	}
	return m.Of + ", namespace " + m.Namespace + ": " + m.Text
}

// Limits of reading messages, which are nice to have: the counts are in the
// status.
const (
	messagesWithin = 30 * time.Second
	messagesAtMost = 10 << 20
)

// readMessages gets what Velero kept beside the backup; where that cannot be
// reached from here, a message says so.
func (r *run) readMessages(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, messagesWithin)
	defer cancel()
	for _, part := range []struct {
		of, kind string
		cluster  *transfer.Cluster
		Progress
	}{{"backup", "BackupResults", r.from, r.report.Backup}, {"restore", "RestoreResults", r.to, r.report.Restore}} {
		if part.Warnings+part.Errors == 0 {
			continue
		}
		found, err := r.results(ctx, part.cluster, part.kind, part.Name)
		if err != nil {
			r.report.Messages = append(r.report.Messages, Message{Severity: Warning, Of: part.of, Text: fmt.Sprintf("the messages themselves could not be read: %v", err)})
		}
		for _, severity := range []Severity{Error, Warning} {
			r.report.Messages = append(r.report.Messages, found[string(severity)+"s"].messages(severity, part.of)...)
		}
	}
}

// result is Velero's list of messages of one severity.
type result struct {
	Velero     []string            `json:"velero"`
	Cluster    []string            `json:"cluster"`
	Namespaces map[string][]string `json:"namespaces"`
}

func (l result) messages(severity Severity, of string) []Message {
	var all []Message
	for _, text := range slices.Concat(l.Velero, l.Cluster) {
		all = append(all, Message{Severity: severity, Of: of, Text: text})
	}
	for _, namespace := range slices.Sorted(maps.Keys(l.Namespaces)) {
		for _, text := range l.Namespaces[namespace] {
			all = append(all, Message{Severity: severity, Of: of, Namespace: namespace, Text: text})
		}
	}
	return all
}

// results asks Velero for a URL, and reads what is there.
func (r *run) results(ctx context.Context, c *transfer.Cluster, kind, name string) (map[string]result, error) {
	api := c.Objects(downloads, r.o.Namespace)
	request := r.object("DownloadRequest", "", map[string]any{"target": map[string]any{"kind": kind, "name": name}})
	request.SetGenerateName(name + "-")
	made, err := api.Create(ctx, request, metav1.CreateOptions{FieldManager: "landfall-transfer"})
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = api.Delete(context.WithoutCancel(ctx), made.GetName(), metav1.DeleteOptions{}) // Velero deletes it in a while
	}()
	url := ""
	err = wait.PollUntilContextCancel(ctx, look/4, true, func(ctx context.Context) (bool, error) {
		u, err := api.Get(ctx, made.GetName(), metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		url = text(*u, "status", "downloadURL")
		return url != "", nil
	})
	if err != nil {
		return nil, errors.New("no URL to read them at came from Velero")
	}
	return read(ctx, url)
}

// read gets the messages, which are JSON in gzip.
func read(ctx context.Context, url string) (map[string]result, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errors.New("the URL is not valid")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reaching %s: no answer", request.URL.Host) // the URL is signed: it stays here
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reaching %s: %s", request.URL.Host, response.Status)
	}
	unzipped, err := gzip.NewReader(io.LimitReader(response.Body, messagesAtMost))
	if err != nil {
		return nil, fmt.Errorf("unpacking them: %w", err)
	}
	found := map[string]result{}
	if err := json.NewDecoder(io.LimitReader(unzipped, messagesAtMost)).Decode(&found); err != nil {
		return nil, fmt.Errorf("reading them: %w", err)
	}
	return found, nil
}
