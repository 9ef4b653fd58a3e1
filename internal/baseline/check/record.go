package check

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// RecordOptions say which site checks are drafted from.
type RecordOptions struct {
	// Options say where the site is: URL is needed, and its path is where
	// recording starts.
	Options
	// Depth is how many links away from the start a page may be; 2 by default.
	Depth int
	// User is who logs in, with the password in the environment variable
	// PasswordEnv: the first form that asks for one is sent, twice. Without a
	// user nothing is sent.
	User, PasswordEnv string
	// Most is how many addresses are recorded at most; 50 by default.
	Most     int
	Progress progress.Reporter
}

// Recording is what Record brings back.
type Recording struct {
	Document *Document
	// Forms are addresses with a form that asks for a password: log-ins, which
	// a person has to write a check for.
	Forms []string
	// Elsewhere are other sites that redirects lead to, which were not recorded.
	Elsewhere []string
	// Left are how many addresses were known but not recorded, since there were
	// more than Most.
	Left int
}

// Record drafts checks from a running site. It asks only by GET (but for a
// log-in, where a user is given), only the site itself, each address twice, to keep what does not change by itself: status,
// title, forms, the headers that matter to browsers and caches, and where
// redirects lead. Links whose words say that they change something are left
// alone. Errors are fault.Invalid, or fault.Failed where the first address gives
// no answer.
func Record(ctx context.Context, o RecordOptions) (*Recording, error) {
	r, err := newRecorder(&o)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("recording %s: %w", o.URL, err), fault.HintOf(err))
	}
	defer r.visit.Close()
	step := o.Progress.Step("recording " + r.visit.Target())
	if err := r.crawl(ctx, step); err != nil {
		step.Fail(err)
		return nil, fmt.Errorf("recording %s: %w", r.visit.Target(), err)
	}
	if o.User != "" {
		if err := r.logIn(ctx, &o); err != nil {
			step.Fail(err)
			return nil, err
		}
		r.forms = nil
	}
	r.certificate()
	step.Done("%d checks", len(r.document.Checks))
	return &Recording{Document: r.document, Forms: r.forms, Elsewhere: r.elsewhere, Left: len(r.queue)}, nil
}

// recorder is one recording.
type recorder struct {
	visit            *visit
	document         *Document
	depth            int
	most             int
	queue            []found
	known            map[string]bool // addresses that were queued
	variants         map[string]int  // by path: how many queries it was queued with
	assets           map[string]int  // by kind of asset: how many were queued
	forms, elsewhere []string
	login            *login
	days             int // for which the certificate is valid; below zero without TLS
	names            []string
}

// found is an address to record.
type found struct {
	address *url.URL
	depth   int
	// optional addresses are guesses: recorded only if there is something.
	optional bool
	// nothing is an address at which nothing should be.
	nothing bool
}

const (
	// maxVariants is how many queries of one path are recorded, and maxAssets
	// how many files of one kind that pages refer to.
	maxVariants, maxAssets = 2, 3
)

// guesses are addresses that many sites have.
var guesses = []string{"/robots.txt", "/favicon.ico", "/healthz"}

// nowhere is an address that no site has.
const nowhere = "/landfall-there-is-no-such-page"

func newRecorder(o *RecordOptions) (*recorder, error) {
	start, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	o.Depth, o.Most = first(o.Depth, 2), first(o.Most, 50)
	if o.Progress == nil {
		o.Progress = progress.Discard
	}
	site := o.Options
	site.URL = (&url.URL{Scheme: start.Scheme, Host: start.Host}).String()
	// The check is never run: a Runner needs one to know how to ask.
	runner, err := NewRunner(&Document{Version: Version, Checks: []Check{{Name: "site", Action: Action{Request: Request{Path: "/"}}}}}, site)
	if err != nil {
		return nil, err
	}
	r := &recorder{
		visit:    &visit{Runner: runner, values: values{}, redactor: &redactor{}}, // no cookies: each check is a first visit
		document: &Document{Version: Version, Name: runner.route.base.Hostname(), URL: runner.route.base.String()},
		depth:    o.Depth, most: o.Most, known: map[string]bool{}, variants: map[string]int{}, assets: map[string]int{}, days: -1,
	}
	r.add(found{address: runner.route.base.ResolveReference(&url.URL{Path: first(start.Path, "/"), RawPath: start.RawPath, RawQuery: start.RawQuery})})
	for _, path := range guesses {
		r.add(found{address: runner.route.base.ResolveReference(&url.URL{Path: path}), optional: true, depth: o.Depth})
	}
	r.add(found{address: runner.route.base.ResolveReference(&url.URL{Path: nowhere}), nothing: true, depth: o.Depth})
	return r, nil
}

// add queues an address of the site that is not known yet.
func (r *recorder) add(f found) {
	f.address.Fragment, f.address.RawFragment = "", ""
	if f.address.Path == "" {
		f.address.Path = "/"
	}
	key := f.address.String()
	if r.known[key] || r.variants[f.address.Path] >= maxVariants || f.depth > r.depth {
		return
	}
	r.known[key] = true
	r.variants[f.address.Path]++
	r.queue = append(r.queue, f)
}

// crawl records what is queued, near pages first, until nothing is left or
// there is enough.
func (r *recorder) crawl(ctx context.Context, step progress.Step) error {
	for n := 0; len(r.queue) > 0 && len(r.document.Checks) < r.most; n++ {
		next := r.queue[0]
		r.queue = r.queue[1:]
		err := r.record(ctx, next)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && n == 0:
			return err
		}
		step.Count(int64(len(r.document.Checks)), int64(min(len(r.document.Checks)+len(r.queue), r.most)), "addresses")
	}
	return nil
}

// record asks for an address twice and drafts a check from what stays.
func (r *recorder) record(ctx context.Context, f found) error {
	x, err := r.ask(ctx, f.address)
	if err != nil {
		return err
	}
	if f.optional && x.status >= 300 {
		return nil
	}
	again, err := r.ask(ctx, f.address)
	if err != nil {
		return err
	}
	if !f.nothing {
		r.follow(f, x)
	}
	if again.status != x.status {
		return nil // it does not know itself what it is
	}
	r.document.Checks = append(r.document.Checks, r.draft(f, x, again))
	if x.tls != nil && len(x.tls.PeerCertificates) > 0 {
		r.days = days(x.tls.PeerCertificates[0], r.visit.now())
		r.names = []string{f.address.Hostname()}
	}
	return nil
}

// ask makes one request without following redirects.
func (r *recorder) ask(ctx context.Context, address *url.URL) (*exchange, error) {
	s := &step{
		request: Request{Method: "GET", URL: escapeReferences(address.String())},
		timeout: 2 * defaultTimeout, maxBody: defaultMaxBody, free: true,
	}
	x, err := r.visit.ask(ctx, s)
	var failed *failure
	if errors.As(err, &failed) {
		return nil, fault.New(fault.Failed, "Is the address right? --address and --host tell the side from its name.", "%s: %w", address.Redacted(), err)
	}
	return x, err
}

// certificate adds a check of the certificate.
func (r *recorder) certificate() {
	const wanted = 14
	if r.days < 0 {
		return
	}
	check := Check{Name: "certificate", Action: Action{
		Request: Request{Method: "GET", Path: "/"},
		Expect:  Expect{Status: "2xx, 3xx, 4xx", Certificate: &Certificate{ValidDays: wanted, Names: r.names}},
	}}
	if r.visit.transport.TLSClientConfig.InsecureSkipVerify {
		check.Expect.Certificate.Names = nil
		r.document.TLS.Insecure = true
	}
	r.document.Checks = append(r.document.Checks, check)
}

// escapeReferences keeps foreign text from being read as references.
func escapeReferences(text string) string { return strings.ReplaceAll(text, "${", "$${") }
