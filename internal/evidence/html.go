package evidence

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

//go:embed page.html.tmpl
var page string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"clean":   result.Clean,
	"when":    when,
	"took":    func(d time.Duration) string { return result.Round(d).String() },
	"answer":  answerClass,
	"drawing": func(d Document, c *Chart) drawing { return draw(c, d.span()) },
}).Parse(page))

// WriteHTML writes one page that needs nothing else: no script, no font, no
// picture from elsewhere, so that it can be kept and mailed.
func (d Document) WriteHTML(w io.Writer) error {
	if err := pageTemplate.Execute(w, d); err != nil {
		return fmt.Errorf("writing the evidence page of %s %s: %w", d.Kind, d.Name, err)
	}
	return nil
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// answerClass is the answer's word, and nothing for none.
func answerClass(a *result.Answer) string {
	if a == nil {
		return ""
	}
	return a.String()
}
