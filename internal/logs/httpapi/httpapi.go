// Package httpapi carries answers of a logs.Source over HTTP: a handler for
// the side that has the logs and a Source for the side that wants them.
//
//	GET /api/v1/logs?project=P&environment=E[&component=C…][&pod=][&container=]
//	    [&since=TIME][&until=TIME][&grep=REGEX][&tail=N]
//
// with the project's token in X-Landfall-Token. The answer is one JSON object a
// line: {"time","component","pod","container","text"[,"mark"][,"only"]}, then
// {"end":true}. Without that last line the answer is not complete;
// {"error":TEXT} in its place says why.
package httpapi

import (
	"bufio"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/landfall-dev/landfall/internal/logs"
)

// Path of the handler.
const Path = "/api/v1/logs"

// HeaderToken carries the token of the project whose logs are asked for. It is
// a header of our own: the API server's proxy keeps Authorization to itself.
const HeaderToken = "X-Landfall-Token"

// Tokens gives the token that admits to a project's logs; "" admits nobody.
type Tokens func(ctx context.Context, project string) (string, error)

// Limits of a question.
const (
	maxGrep = 4096
	maxTail = 100_000
)

// Values writes the query as URL parameters.
func Values(q logs.Query) url.Values {
	v := url.Values{"project": {q.Project}, "environment": {q.Environment}}
	for _, c := range q.Components {
		v.Add("component", c)
	}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("pod", q.Pod)
	set("container", q.Container)
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		v.Set("until", q.Until.UTC().Format(time.RFC3339Nano))
	}
	if q.Grep != nil {
		v.Set("grep", q.Grep.String())
	}
	if q.Tail > 0 {
		v.Set("tail", strconv.Itoa(q.Tail))
	}
	return v
}

// ParseValues reads URL parameters into a query. The error names the
// parameter.
func ParseValues(v url.Values) (q logs.Query, err error) {
	q = logs.Query{
		Project: v.Get("project"), Environment: v.Get("environment"), Components: v["component"],
		Pod: v.Get("pod"), Container: v.Get("container"),
	}
	if q.Project == "" || q.Environment == "" {
		return q, errors.New("project and environment are required")
	}
	for name, field := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if s := v.Get(name); s != "" {
			if *field, err = time.Parse(time.RFC3339Nano, s); err != nil {
				return q, fmt.Errorf("%s: not a time like 2026-11-21T10:00:00Z", name)
			}
		}
	}
	if s := v.Get("grep"); len(s) > maxGrep {
		return q, fmt.Errorf("grep: longer than %d bytes", maxGrep)
	} else if s != "" {
		if q.Grep, err = regexp.Compile(s); err != nil {
			return q, fmt.Errorf("grep: %w", err)
		}
	}
	if s := v.Get("tail"); s != "" {
		if q.Tail, err = strconv.Atoi(s); err != nil || q.Tail < 1 || q.Tail > maxTail {
			return q, fmt.Errorf("tail: want a number from 1 to %d", maxTail)
		}
	}
	return q, nil
}

// Handler answers with the source's lines, to those who have the project's
// token.
func Handler(source logs.Source, tokens Tokens) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "only GET", http.StatusMethodNotAllowed)
			return
		}
		q, err := ParseValues(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if status, err := admit(r, q.Project, tokens); err != nil {
			http.Error(w, err.Error(), status)
			return
		}
		reader, err := source.Read(r.Context(), q)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer reader.Close()
		w.Header().Set("Content-Type", "application/x-ndjson")
		answer(r.Context(), w, reader)
	})
}

// admit lets requests with the project's token pass.
func admit(r *http.Request, project string, tokens Tokens) (int, error) {
	want, err := tokens(r.Context(), project)
	if err != nil {
		return http.StatusServiceUnavailable, fmt.Errorf("reading the token of project %s: %w", project, err)
	}
	if want == "" || subtle.ConstantTimeCompare([]byte(want), []byte(r.Header.Get(HeaderToken))) != 1 {
		return http.StatusForbidden, fmt.Errorf("the request does not carry the token of project %s in %s", project, HeaderToken)
	}
	return http.StatusOK, nil
}

// answer writes the lines. An error of writing means that nobody listens.
func answer(ctx context.Context, w http.ResponseWriter, reader logs.Reader) {
	flusher := http.NewResponseController(w)
	var buf []byte
	for {
		b, err := reader.Next(ctx)
		buf = buf[:0]
		switch {
		case errors.Is(err, io.EOF):
			w.Write([]byte("{\"end\":true}\n"))
			return
		case err != nil:
			text, _ := json.Marshal(map[string]string{"error": err.Error()})
			w.Write(append(text, '\n'))
			return
		}
		for i := range b.Lines {
			buf = appendLine(buf, &b.Lines[i])
		}
		b.Release()
		if _, err := w.Write(buf); err != nil {
			return
		}
		if err := flusher.Flush(); err != nil {
			return
		}
	}
}

// appendLine appends one line of an answer: that of `landfall logs -o json`,
// and whether the container is its pod's only one.
func appendLine(b []byte, l *logs.Line) []byte {
	b = logs.AppendJSON(b, l)
	if l.Origin != nil && l.Origin.Only {
		b = append(b[:len(b)-len("}\n")], ",\"only\":true}\n"...)
	}
	return b
}

// Client is a Source whose logs are on the other side. Get makes the request;
// it gives the body of an answer with status 200.
type Client struct {
	Get func(ctx context.Context, values url.Values) (io.ReadCloser, error)
}

// Read asks the other side.
func (c *Client) Read(ctx context.Context, q logs.Query) (logs.Reader, error) {
	body, err := c.Get(ctx, Values(q))
	if err != nil {
		return nil, err
	}
	return &reader{body: body, in: bufio.NewReaderSize(body, 64<<10), origins: map[logs.Origin]*logs.Origin{}}, nil
}

type reader struct {
	body    io.ReadCloser
	in      *bufio.Reader
	clock   logs.Clock
	origins map[logs.Origin]*logs.Origin
	err     error
}

// message is one line of an answer.
type message struct {
	Time      string `json:"time"`
	Component string `json:"component"`
	Pod       string `json:"pod"`
	Container string `json:"container"`
	Only      bool   `json:"only"`
	Mark      string `json:"mark"`
	Text      string `json:"text"`
	Error     string `json:"error"`
	End       bool   `json:"end"`
}

// batchLines is how many lines a batch of an answer holds.
const batchLines = 256

func (r *reader) Next(ctx context.Context) (*logs.Batch, error) {
	b := logs.NewBatch()
	for r.err == nil && len(b.Lines) < batchLines {
		if r.err = ctx.Err(); r.err == nil {
			r.err = r.line(b)
		}
	}
	if len(b.Lines) == 0 {
		b.Release()
		return nil, r.err
	}
	return b, nil
}

// line reads one message into the batch; io.EOF is the good end.
func (r *reader) line(b *logs.Batch) error {
	text, err := r.in.ReadBytes('\n')
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("the answer broke off: %w", err)
	}
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	switch {
	case m.End:
		return io.EOF
	case m.Error != "":
		return errors.New(m.Error)
	}
	at, ok := r.clock.Parse([]byte(m.Time))
	if !ok {
		return fmt.Errorf("reading the answer: %q is no time", m.Time)
	}
	b.Append(r.origin(&m), at, logs.Mark(m.Mark), []byte(m.Text))
	return nil
}

// origin gives one pointer for equal origins.
func (r *reader) origin(m *message) *logs.Origin {
	o := logs.Origin{Component: m.Component, Pod: m.Pod, Container: m.Container, Only: m.Only}
	if o == (logs.Origin{}) {
		return nil
	}
	if r.origins[o] == nil {
		r.origins[o] = &o
	}
	return r.origins[o]
}

func (r *reader) Close() error { return r.body.Close() }
