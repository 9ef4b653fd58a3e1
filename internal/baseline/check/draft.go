package check

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/PuerkitoBio/goquery"

	"github.com/landfall-dev/landfall/internal/result"
)

// maxElsewhere is how many other sites are named.
const maxElsewhere = 5

// keyHeaders are those that browsers, caches and visitors' safety depend on.
var keyHeaders = []string{
	"Cache-Control", "Content-Language", "Content-Security-Policy", "Content-Type", "Permissions-Policy", "Referrer-Policy",
	"Strict-Transport-Security", "Www-Authenticate", "X-Content-Type-Options", "X-Frame-Options", "X-Robots-Tag",
}

// draft makes a check of two answers to the same request.
func (r *recorder) draft(f found, x, again *exchange) Check {
	check := Check{Name: f.address.RequestURI(), Action: Action{
		Request: Request{Method: "GET", Path: escapeReferences(f.address.RequestURI())},
		Expect:  Expect{Status: Status(strconv.Itoa(x.status)), Headers: headersOf(x, again)},
	}}
	if f.nothing {
		check.Name = "a page that is not there"
		check.Expect.Headers = nil
	}
	if location := x.header.Get("Location"); location != "" {
		check.Expect.Redirect = redirectOf(x, again)
		check.Expect.Headers = nil
		return check
	}
	if x.body.isHTML() {
		check.Expect.Body = r.page(f, x, again)
	}
	return check
}

// headersOf keeps the key headers: values that stay, otherwise that they are
// there.
func headersOf(x, again *exchange) map[string]Condition {
	headers := map[string]Condition{}
	for _, name := range keyHeaders {
		if value := x.header.Get(name); value != "" && again.header.Get(name) != "" {
			headers[name] = stable(value, again.header.Get(name))
		}
	}
	if len(headers) == 0 {
		return nil
	}
	return headers
}

// maxStable is the length up to which a text is expected to stay, in bytes.
const maxStable = 300

// stable expects a text that was the same twice, otherwise any.
func stable(text, again string) Condition {
	if text != again || len(text) > maxStable || !utf8.ValidString(text) || result.Clean(text) != text {
		there := true
		return Condition{Exists: &there}
	}
	text = escapeReferences(text)
	return Condition{Equals: &text}
}

// redirectOf expects the redirect's end, as path where it is the same site.
func redirectOf(x, again *exchange) *Condition {
	shortest := func(x *exchange) string {
		to, err := x.url.Parse(x.header.Get("Location"))
		if err != nil {
			return ""
		}
		all := forms(to, x.url)
		return all[len(all)-1]
	}
	condition := stable(shortest(x), shortest(again))
	return &condition
}

// page expects a page's title, heading and forms.
func (r *recorder) page(f found, x, again *exchange) []BodyCondition {
	document, err := x.body.parseHTML()
	if err != nil {
		return nil
	}
	other, err := again.body.parseHTML()
	if err != nil {
		return nil
	}
	var conditions []BodyCondition
	for _, css := range []string{"title", "h1"} {
		text, otherText := textOf(document.Find(css).First()), textOf(other.Find(css).First())
		if text != "" && otherText != "" {
			conditions = append(conditions, BodyCondition{Selector: Selector{CSS: css}, Condition: stable(text, otherText)})
		}
	}
	if f.nothing {
		return conditions
	}
	seen := map[string]bool{}
	document.Find("form").Each(func(_ int, form *goquery.Selection) {
		for _, condition := range formConditions(form) {
			if !seen[condition.CSS] {
				seen[condition.CSS] = true
				conditions = append(conditions, condition)
			}
		}
		r.remember(f.address, form)
	})
	return conditions
}

func textOf(element *goquery.Selection) string {
	return strings.Join(strings.Fields(element.Text()), " ")
}

// maxFields is how many fields of a form are expected.
const maxFields = 10

// simple are attribute values that need no care in a selector.
var simple = regexp.MustCompile(`^[\w./:-]+(\[\w*\])*$`)

// formConditions expect a form and its fields by name.
func formConditions(form *goquery.Selection) []BodyCondition {
	css := formCSS(form)
	conditions := []BodyCondition{{Selector: Selector{CSS: css}}}
	form.Find("input[name], select[name], textarea[name]").Each(func(_ int, field *goquery.Selection) {
		if name := field.AttrOr("name", ""); simple.MatchString(name) && len(conditions) <= maxFields {
			conditions = append(conditions, BodyCondition{Selector: Selector{CSS: css + ` [name="` + name + `"]`}})
		}
	})
	return conditions
}

// formCSS selects a form.
func formCSS(form *goquery.Selection) string {
	if action, ok := form.Attr("action"); ok && simple.MatchString(action) {
		return `form[action="` + action + `"]`
	}
	return "form"
}

// follow queues what an answer leads to on the same site: redirects, links, and
// some of the files that a page is made of.
func (r *recorder) follow(f found, x *exchange) {
	if to, err := x.url.Parse(x.header.Get("Location")); err == nil && x.header.Get("Location") != "" {
		r.link(f, to)
		site := (&url.URL{Scheme: to.Scheme, Host: to.Host}).String()
		if !r.ours(to) && to.Host != "" && len(r.elsewhere) < maxElsewhere && !slices.Contains(r.elsewhere, site) {
			r.elsewhere = append(r.elsewhere, site)
		}
	}
	if !x.body.isHTML() || x.status >= 400 {
		return
	}
	document, err := x.body.parseHTML()
	if err != nil {
		return
	}
	base := x.url
	if href, ok := document.Find("base[href]").First().Attr("href"); ok {
		if own, err := x.url.Parse(href); err == nil {
			base = own
		}
	}
	document.Find("a[href], area[href]").Each(func(_ int, a *goquery.Selection) {
		rel := strings.Fields(strings.ToLower(a.AttrOr("rel", "")))
		if to, err := base.Parse(a.AttrOr("href", "")); err == nil && !slices.Contains(rel, "nofollow") && !changes(to, textOf(a)) {
			r.link(f, to)
		}
	})
	document.Find(`link[rel~="stylesheet"][href], script[src], img[src]`).Each(func(_ int, part *goquery.Selection) {
		to, err := base.Parse(part.AttrOr("href", part.AttrOr("src", "")))
		if kind := goquery.NodeName(part); err == nil && r.assets[kind] < maxAssets && r.ours(to) && !r.known[to.String()] {
			r.assets[kind]++
			r.add(found{address: to, depth: r.depth})
		}
	})
}

func (r *recorder) link(f found, to *url.URL) {
	if r.ours(to) {
		r.add(found{address: to, depth: f.depth + 1})
	}
}

// ours says that an address belongs to the site.
func (r *recorder) ours(to *url.URL) bool {
	base := r.visit.route.base
	return to.Scheme == base.Scheme && authority(to) == authority(base) && to.User == nil
}

// verbs are words of links that change something when they are followed.
var verbs = regexp.MustCompile(`(?i)(^|[^a-z])(log-?_?out|sign-?_?out|log-?_?off|delete|remove|destroy|drop|cancel|unsubscribe|add|buy|order-now|vote|like|approve|reject|confirm|disable|enable|reset|clear|purge|flush|export|install|uninstall|restart|run)([^a-z]|$)`)

// changes says that following a link might change something, by its words.
func changes(to *url.URL, text string) bool {
	return verbs.MatchString(path.Clean(to.Path)+"?"+to.RawQuery) || verbs.MatchString(text) && len(text) < 40
}
