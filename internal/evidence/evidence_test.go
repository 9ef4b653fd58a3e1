package evidence

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"github.com/google/go-cmp/cmp"
	"github.com/landfall-dev/landfall/internal/result"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// story is a migration that was reverted.
func story() Document {
	at := func(seconds float64, value float64) Point {
		return Point{At: noon.Add(time.Duration(seconds * float64(time.Second))), Value: value}
	}
	return Document{
		Kind: "migration", Name: "shop", Title: "shop.example: ec2 to kubernetes",
		Answer: result.Fails, Outcome: "returned to ec2: errors were 20 %, at most 1 % is allowed",
		Started: noon, Ended: noon.Add(40 * time.Second),
		Figures: []Figure{
			{Name: "requests", Value: "20,000"},
			{Name: "lost requests", Value: "0", Note: "no answer at all", Answer: Judged(result.Holds)},
		},
		Sections: []Section{
			{Title: "Weight", Chart: &Chart{Unit: "%", Max: 100, Series: []Series{
				{Name: "kubernetes", Color: NewSide, Steps: true, Points: []Point{at(0, 0), at(5, 1), at(15, 5), at(21, 0)}},
			}, Marks: []Mark{{At: noon.Add(21 * time.Second), Text: "errors: reverted", Color: Bad}}}},
			{Title: "Requests", Chart: &Chart{Unit: "requests/s", Series: []Series{
				{Name: "ec2", Color: OldSide, Points: []Point{at(0, 500), at(10, 495), at(20, 475), at(40, 500)}},
				{Name: "kubernetes", Color: NewSide, Points: []Point{at(5, 5), at(20, 25), at(21, 0)}},
			}}},
			{Title: "Decisions", Table: &Table{Columns: []string{"when", "what", "why"}, Rows: []Row{
				{Cells: []string{"12:00:05", "weight 1", "guards hold"}, Answer: Judged(result.Holds)},
				{Cells: []string{"12:00:21", "weight 0", "errors 20 %"}, Answer: Judged(result.Fails)},
			}}},
			{Title: "Way back", Text: "One command returns all traffic.", Code: "landfall migrate abort shop\n"},
		},
	}
}

func TestForms(t *testing.T) {
	for name, write := range map[string]func(Document, io.Writer) error{
		"page.html": Document.WriteHTML, "page.md": Document.WriteMarkdown, "page.json": Document.WriteJSON,
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := write(story(), &got); err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, got.String(), name)
		})
	}
}

func TestJSONReadsBack(t *testing.T) {
	plain, err := json.Marshal(Document{})
	if err != nil || !strings.Contains(string(plain), Version) {
		t.Errorf("%s says no version: %v", plain, err)
	}
	var b bytes.Buffer
	if err := story().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got Document
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := story()
	want.Version = Version
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What a foreign server says must not become markup in any form.
func TestHostileTextStaysText(t *testing.T) {
	const hostile = "<script>alert(1)</script>\"'`|*\x1b[31m\u202e"
	d := Document{Kind: "migration", Name: hostile, Title: hostile, Outcome: hostile,
		Figures: []Figure{{Name: hostile, Value: hostile, Note: hostile}},
		Sections: []Section{{Title: hostile, Text: hostile, Code: "```\n" + hostile,
			Table: &Table{Columns: []string{hostile}, Rows: []Row{{Cells: []string{hostile}}}},
			Chart: &Chart{Unit: hostile, Series: []Series{{Name: hostile, Color: Color(`"><script>`), Points: []Point{{At: noon, Value: math.Inf(1)}, {At: noon.Add(time.Second), Value: math.NaN()}}}}, Marks: []Mark{{At: noon, Text: hostile}}}}}}
	var page, markdown bytes.Buffer
	if err := d.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteMarkdown(&markdown); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page.String(), "<script") {
		t.Error("the page holds a script")
	}
	if before, _, _ := strings.Cut(markdown.String(), "````"); strings.Contains(before, "<script") || strings.ContainsAny(before, "\x1b\u202e") {
		t.Errorf("the Markdown holds markup: %q", before)
	}
}

func TestPageNeedsNothingElse(t *testing.T) {
	var b bytes.Buffer
	if err := story().WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"src=", "@import", "url(", "http://", "https://", "<link"} {
		if strings.Contains(b.String(), word) {
			t.Errorf("the page asks for something else: %s", word)
		}
	}
	start, end := strings.Index(b.String(), "<svg"), strings.LastIndex(b.String(), "</svg>")
	for _, picture := range strings.SplitAfter(b.String()[start:end+len("</svg>")], "</svg>") {
		_, picture, ok := strings.Cut(picture, "<svg")
		if !ok {
			continue
		}
		decoder := xml.NewDecoder(strings.NewReader("<svg" + picture))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("a picture is not well formed: %v", err)
			}
		}
	}
}

func TestValueTicks(t *testing.T) {
	for _, c := range []struct{ largest, step, limit float64 }{
		{0, 1, 1}, {100, 20, 100}, {500, 100, 500}, {7, 2, 8}, {0.03, 0.01, 0.03}, {1, 0.2, 1}, {4999, 1000, 5000},
	} {
		step, limit := valueTicks(c.largest)
		if math.Abs(step-c.step) > 1e-9 || math.Abs(limit-c.limit) > 1e-9 {
			t.Errorf("%v: step %v to %v, want %v to %v", c.largest, step, limit, c.step, c.limit)
		}
	}
}

func TestTimeTicks(t *testing.T) {
	for _, length := range []time.Duration{time.Second, 40 * time.Second, 11 * time.Minute, 3 * time.Hour, 60 * 24 * time.Hour} {
		ticks := timeTicks(span{noon, noon.Add(length)})
		if len(ticks) < 2 || len(ticks) > 17 {
			t.Errorf("%v: %d ticks", length, len(ticks))
		}
	}
}

// A long series keeps its peaks: a second of errors in a day must be seen.
func TestThinnedKeepsPeaks(t *testing.T) {
	points := make([]Point, 100_000)
	for i := range points {
		points[i] = Point{At: noon.Add(time.Duration(i) * time.Second)}
	}
	points[54_321].Value = 7
	kept := thinned(points)
	if len(kept) > maxPoints+2 {
		t.Errorf("kept %d points", len(kept))
	}
	highest := 0.0
	for _, p := range kept {
		highest = max(highest, p.Value)
	}
	if highest != 7 {
		t.Errorf("the highest is %v, want 7", highest)
	}
}
