package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strconv"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/publicsuffix"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Names that a recorded log-in uses.
const (
	userName     = "user"
	passwordName = "password"
)

// login is a form that asks for a password.
type login struct {
	page     string // request URI of the page it is on
	css      string // of the form
	action   string // request URI that it is sent to
	user     string // field names
	password string
	hidden   []string
}

// loginOf reads the form, and says why it cannot be recorded.
func (r *recorder) loginOf(page *url.URL, form *goquery.Selection) (*login, error) {
	l := &login{page: page.RequestURI(), css: formCSS(form)}
	action, err := page.Parse(form.AttrOr("action", ""))
	if err != nil || !r.ours(action) {
		return nil, errors.New("it is sent to another site")
	}
	l.action = action.RequestURI()
	form.Find("input[name]").Each(func(_ int, field *goquery.Selection) {
		name := field.AttrOr("name", "")
		switch field.AttrOr("type", "text") {
		case "hidden":
			l.hidden = append(l.hidden, name)
		case "password":
			l.password = first(l.password, name)
		case "text", "email", "tel":
			l.user = first(l.user, name)
		}
	})
	if l.user == "" || l.password == "" {
		return nil, errors.New("it has no field for a name")
	}
	for _, name := range l.hidden {
		if !simple.MatchString(name) {
			return nil, fmt.Errorf("its field %q cannot be selected", name)
		}
	}
	return l, nil
}

// notInName is what a field's name may hold and a value's may not.
var notInName = regexp.MustCompile(`\W`)

// steps get the form and send it.
func (l *login) steps() []Step {
	form := Step{Name: "form", Action: Action{Request: Request{Method: "GET", Path: escapeReferences(l.page)}}}
	send := Step{Name: "send", Action: Action{Request: Request{
		Path: escapeReferences(l.action),
		Form: map[string]string{l.user: "${" + userName + "}", l.password: "${" + passwordName + "}"},
	}}}
	for _, field := range l.hidden {
		if form.Capture == nil {
			form.Capture = map[string]Capture{}
		}
		value := "field_" + notInName.ReplaceAllString(field, "_")
		form.Capture[value] = Capture{Selector: Selector{CSS: l.css + ` [name="` + field + `"]`, Attribute: "value"}}
		send.Request.Form[field] = "${" + value + "}"
	}
	return []Step{form, send}
}

// logIn records the first log-in that was met, by logging in twice.
func (r *recorder) logIn(ctx context.Context, o *RecordOptions) error {
	password := ""
	if o.Getenv != nil {
		password = o.Getenv(o.PasswordEnv)
	}
	switch {
	case password == "":
		return fault.New(fault.Invalid, "Set it to the user's password.", "recording the log-in: the environment variable %s is empty", o.PasswordEnv)
	case r.login == nil:
		return fault.New(fault.Failed, "Record from the page with the form, or write the check by hand.", "recording the log-in: no form was found that asks for a name and a password")
	}
	check := Check{Name: "log in", Steps: r.login.steps()}
	doc := &Document{Version: Version, Variables: map[string]string{userName: o.User}, Secrets: map[string]Secret{passwordName: {Env: o.PasswordEnv}}, Checks: []Check{check}}
	flows, err := doc.compile(nil)
	if err != nil {
		return err
	}
	known := values{userName: o.User, passwordName: password}
	steps := flows[0].steps
	answers, err := r.visitLogin(ctx, steps, known)
	if err != nil {
		return err
	}
	again, err := r.visitLogin(ctx, steps, known)
	if err != nil {
		return err
	}
	r.draftLogin(&check, answers, again)
	r.document.Variables, r.document.Secrets = doc.Variables, doc.Secrets
	r.document.Checks = append(r.document.Checks, check)
	return nil
}

// visitLogin logs in as a new visitor, and goes where that leads.
func (r *recorder) visitLogin(ctx context.Context, steps []*step, known values) ([]*exchange, error) {
	jar, err := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
	if err != nil {
		return nil, err
	}
	v := &visit{Runner: r.visit.Runner, values: maps.Clone(known), jar: jar, redactor: &redactor{}}
	v.redactor.add(passwordName, known[passwordName])
	var answers []*exchange
	for _, s := range steps {
		x, err := v.ask(ctx, s)
		if err == nil {
			err = v.captureAll(s, x)
		}
		if err != nil {
			return nil, fault.New(fault.Failed, "", "recording the log-in: %s: %s", s.name, v.redactor.apply(err.Error()))
		}
		answers = append(answers, x)
	}
	sent := answers[len(answers)-1]
	if refused(sent) {
		return nil, fault.New(fault.Failed, "Are user and password right?", "recording the log-in: the site answers %s and still asks for a password", statusText(sent.status))
	}
	to, err := sent.url.Parse(sent.header.Get("Location"))
	if err != nil || sent.header.Get("Location") == "" || !r.ours(to) {
		return answers, nil
	}
	s := &step{request: Request{Method: "GET", URL: escapeReferences(to.String())}, timeout: defaultTimeout, maxBody: defaultMaxBody, free: true}
	x, err := v.ask(ctx, s)
	if err != nil {
		return nil, fault.New(fault.Failed, "", "recording the log-in: %s: %w", to.RequestURI(), err)
	}
	return append(answers, x), nil
}

// refused says that an answer to a log-in is none of those that let one in.
func refused(x *exchange) bool {
	if x.status >= 400 {
		return true
	}
	document, err := x.body.parseHTML()
	return err == nil && x.status < 300 && document.Find("input[type=password]").Length() > 0
}

// draftLogin says what is expected of each step.
func (r *recorder) draftLogin(check *Check, answers, again []*exchange) {
	for i, x := range answers {
		if i == len(check.Steps) {
			check.Steps = append(check.Steps, Step{Name: "after", Action: Action{Request: Request{Method: http.MethodGet, Path: escapeReferences(x.url.RequestURI())}}})
		}
		if i >= len(again) || again[i].status != x.status {
			continue
		}
		expect := Expect{Status: Status(strconv.Itoa(x.status))}
		if x.header.Get("Location") != "" {
			expect.Redirect = redirectOf(x, again[i])
		} else if i > 0 && x.body.isHTML() {
			expect.Body = r.page(found{address: x.url}, x, again[i])
		}
		check.Steps[i].Expect = expect
	}
}

// remember keeps what a person, or logIn, needs of a form with a password.
func (r *recorder) remember(page *url.URL, form *goquery.Selection) {
	if form.Find("input[type=password]").Length() == 0 {
		return
	}
	if uri := page.RequestURI(); !slices.Contains(r.forms, uri) {
		r.forms = append(r.forms, uri)
	}
	if r.login == nil {
		r.login, _ = r.loginOf(page, form) // another form may do
	}
}
