package triage

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"gotest.tools/v3/golden"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

func worksheet(t *testing.T, spec *hostspec.Spec, format string) string {
	t.Helper()
	var text bytes.Buffer
	if err := Run(spec, BuiltIn()).WriteWorksheet(&text, format, "hosts/web1.yaml"); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestMarkdownWorksheet(t *testing.T) {
	golden.Assert(t, worksheet(t, shop(t), Markdown), "shop.md")
}

func TestHTMLWorksheetShowsEveryOpenQuestion(t *testing.T) {
	spec := shop(t)
	sheet := worksheet(t, spec, HTML)
	page, err := html.Parse(strings.NewReader(sheet))
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for node := range page.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		for _, a := range node.Attr {
			switch {
			case a.Key == "data-item":
				asked[a.Val] = true
			case a.Key == "src", a.Key == "href" && node.Data == "link":
				t.Errorf("the page needs %s", a.Val)
			}
		}
	}
	open := Run(spec, BuiltIn()).Open()
	if len(asked) != len(open) || len(open) == 0 {
		t.Errorf("%d questions on the page, %d open", len(asked), len(open))
	}
	for _, f := range open {
		if !asked[f.Key.String()] {
			t.Errorf("%s is not asked", f.Key)
		}
	}
}

func TestHostileNamesStayText(t *testing.T) {
	spec := &hostspec.Spec{Host: "<b>web</b>"}
	spec.Add(hostspec.File, "/opt/</code><script>alert(1)</script>|`x`", hostspec.Attribute{Name: "state", Value: hostspec.Text("unmanaged")})
	spec.Sort()
	if sheet := worksheet(t, spec, HTML); strings.Contains(sheet, "<script>alert") || strings.Contains(sheet, "<b>web") {
		t.Error("HTML of the host's own is part of the page")
	}
	if sheet := worksheet(t, spec, Markdown); !strings.Contains(sheet, "`` file//opt/</code><script>alert(1)</script>\\|`x` ``") {
		t.Errorf("not as code:\n%s", sheet)
	}
}

func TestUnknownFormatIsSaid(t *testing.T) {
	if err := Run(shop(t), BuiltIn()).WriteWorksheet(&bytes.Buffer{}, ".pdf", "x"); err == nil {
		t.Error("no error")
	}
}
