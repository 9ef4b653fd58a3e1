package triage

import (
	_ "embed"
	"fmt"
	htmltemplate "html/template"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/fault"
)

//go:embed worksheet.md.tmpl
var markdownText string

//go:embed worksheet.html.tmpl
var htmlText string

// Worksheet formats, by the ending of the file's name.
const (
	Markdown = ".md"
	HTML     = ".html"
)

// shownItems bounds how many items of one group a worksheet lists.
const shownItems = 200

// WriteWorksheet writes the sheet that a team works through: what is open, and
// what is said of everything else, with reasons. file is the host spec's name,
// for the commands in the sheet. An HTML sheet needs nothing but itself.
func (r *Report) WriteWorksheet(w io.Writer, format, file string) error {
	sheet := r.sheet(file)
	var err error
	switch format {
	case Markdown:
		err = markdownTemplate.Execute(w, sheet)
	case HTML:
		err = htmlTemplate.Execute(w, sheet)
	default:
		return fault.New(fault.Invalid, "Let the file's name end in .md or .html.", "writing worksheet: %q is no format", format)
	}
	if err != nil {
		return fmt.Errorf("writing worksheet: %w", err)
	}
	return nil
}

// sheet is a report as templates show it.
type sheet struct {
	Host, File string
	Summary    []count
	Open       []sheetGroup
	Sections   []section
	Unknown    []unknownKind
	Stale      []hostspec.Decision
	// Choices of a decision.
	Choices []Class
}

type count struct {
	Class      Class
	Meaning    string
	All, Shown int
}

type section struct {
	count
	Groups []sheetGroup
	Quiet  []sheetGroup
}

type sheetGroup struct {
	Group
	Rows []row
	// More items than are listed.
	More int
}

type row struct{ Key, Kind, Name, Detail string }

type unknownKind struct{ Kind, Reason string }

func (r *Report) sheet(file string) sheet {
	s := sheet{Host: r.Host, File: filepath.Base(file), Stale: r.Stale, Choices: slices.DeleteFunc(slices.Clone(Classes), func(c Class) bool { return c == Decide })}
	for _, class := range Classes {
		c := count{Class: class, Meaning: class.Meaning()}
		sec := section{}
		for _, group := range r.Groups(class) {
			c.All += len(group.Items)
			if group.Quiet {
				sec.Quiet = append(sec.Quiet, rows(group))
				continue
			}
			c.Shown += len(group.Items)
			sec.Groups = append(sec.Groups, rows(group))
		}
		sec.count = c
		s.Summary = append(s.Summary, c)
		switch {
		case class == Decide:
			s.Open = sec.Groups
		case c.All > 0:
			s.Sections = append(s.Sections, sec)
		}
	}
	for kind, reason := range r.Unknown {
		s.Unknown = append(s.Unknown, unknownKind{string(kind), reason})
	}
	slices.SortFunc(s.Unknown, func(a, b unknownKind) int { return strings.Compare(a.Kind, b.Kind) })
	return s
}

func rows(group Group) sheetGroup {
	g := sheetGroup{Group: group}
	for i, item := range group.Items {
		if i == shownItems {
			g.More = len(group.Items) - shownItems
			break
		}
		g.Rows = append(g.Rows, row{item.Key.String(), string(item.Kind), item.Name, Detail(item)})
	}
	return g
}

var markdownTemplate = template.Must(template.New("worksheet").Funcs(template.FuncMap{
	"code": markdownCode, "cell": markdownCell, "quote": shellQuote,
}).Parse(markdownText))

var htmlTemplate = htmltemplate.Must(htmltemplate.New("worksheet").Parse(htmlText))

// markdownCode is text as code in a table, whatever is in it.
func markdownCode(text string) string {
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		text = " " + text + " "
	}
	return fence + strings.ReplaceAll(text, "|", `\|`) + fence
}

var markdownEscapes = strings.NewReplacer(`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "<", "&lt;", "[", `\[`)

// markdownCell is plain text in a table.
func markdownCell(text string) string { return markdownEscapes.Replace(text) }

func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
