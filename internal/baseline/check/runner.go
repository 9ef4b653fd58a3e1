package check

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/result"
)

// Options say where a document's checks are run, over what it says itself.
type Options struct {
	// URL, Host and Address: see Document. Address is address or address:port
	// of the URL's host.
	URL, Host, Address string
	// Addresses are added to the document's.
	Addresses map[string]string
	// Variables take the place of the document's.
	Variables map[string]string
	// Insecure and CAFile: see TLS.
	Insecure bool
	CAFile   string
	// Only selects checks by name; nil means all.
	Only func(name string) bool
	// Parallel is how many checks run at once; 4 by default.
	Parallel int
	// KeepConnections reuses connections from one run to the next. Without it
	// each run connects as a new visitor does.
	KeepConnections bool
	// Getenv reads secrets from the environment, and ReadFile secrets and
	// authorities from files. Where one is nil a document that needs it is
	// refused, so that checks of others cannot have files read.
	Getenv   func(string) string
	ReadFile func(string) ([]byte, error)
	// Proxy as in http.Transport; nil means none. It is not asked about hosts
	// with an address of their own.
	Proxy func(*http.Request) (*url.URL, error)
	// Now is the time that certificates are compared with; time.Now by default.
	Now func() time.Time
}

// ErrNoneSelected says that Options.Only leaves no check of a document.
var ErrNoneSelected = errors.New("no check has such a name")

// maxHeader bounds an answer's header, in bytes.
const maxHeader = 64 << 10

// Runner runs the checks of one document as often as wanted, in bounded memory.
// It is safe for concurrent use. Close it.
type Runner struct {
	flows     []*flow
	route     *route
	transport *http.Transport
	values    values
	headers   map[string]string
	redactor  *redactor
	now       func() time.Time
	parallel  int
	keep      bool
}

// NewRunner makes the document ready to run: secrets are read, patterns
// compiled. Errors are fault.Invalid.
func NewRunner(d *Document, o Options) (*Runner, error) {
	r, err := newRunner(d, o)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("preparing checks: %w", err), fault.HintOf(err))
	}
	return r, nil
}

func newRunner(d *Document, o Options) (*Runner, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ReadFile == nil {
		o.ReadFile = func(string) ([]byte, error) { return nil, errors.New("files are not read here") }
	}
	flows, err := d.compile(o.Variables)
	if err != nil {
		return nil, err
	}
	r := &Runner{values: values{}, redactor: &redactor{}, headers: d.Defaults.Headers, now: o.Now, parallel: max(first(o.Parallel, 4), 1), keep: o.KeepConnections}
	maps.Copy(r.values, d.Variables)
	maps.Copy(r.values, o.Variables)
	if r.route, err = newRoute(d, &o, r.values); err != nil {
		return nil, err
	}
	if r.flows, err = r.selected(flows, o.Only); err != nil {
		return nil, err
	}
	if err := r.readSecrets(d, &o); err != nil {
		return nil, err
	}
	trusted, err := trust(d, &o)
	if err != nil {
		return nil, err
	}
	r.transport = &http.Transport{
		DialContext: r.route.dialer(), Proxy: r.route.proxy(o.Proxy), TLSClientConfig: trusted, ForceAttemptHTTP2: true,
		MaxResponseHeaderBytes: maxHeader, MaxIdleConnsPerHost: r.parallel, IdleConnTimeout: time.Minute,
	}
	return r, nil
}

// selected gives the checks that are wanted, and sees that each has an address.
func (r *Runner) selected(flows []*flow, only func(string) bool) ([]*flow, error) {
	var wanted []*flow
	for _, f := range flows {
		if only != nil && !only(f.name) {
			continue
		}
		for _, s := range f.steps {
			if s.request.URL == "" && r.route.base == nil {
				return nil, fault.New(fault.Invalid, "Give it as url in the document, or with --url.", "check %q asks for the path %s, but there is no URL to add it to", f.name, s.request.Path)
			}
		}
		wanted = append(wanted, f)
	}
	if len(wanted) == 0 {
		return nil, ErrNoneSelected
	}
	return wanted, nil
}

// readSecrets gives the secrets that are referred to their values.
func (r *Runner) readSecrets(d *Document, o *Options) error {
	for name, secret := range d.Secrets {
		value, from := "", "the environment variable "+secret.Env
		if secret.Env != "" && o.Getenv != nil {
			value = o.Getenv(secret.Env)
		}
		if secret.File != "" {
			text, err := o.ReadFile(secret.File)
			if err != nil {
				return fault.New(fault.Invalid, "Write it there, or change the document's secrets.", "reading the secret %s: %w", name, err)
			}
			value, from = strings.TrimRight(string(text), "\r\n"), secret.File
		}
		if value == "" {
			return fault.New(fault.Invalid, "Set it, or change the document's secrets.", "reading the secret %s: %s is empty", name, from)
		}
		r.values[name] = value
		r.redactor.add(name, value)
	}
	return nil
}

func trust(d *Document, o *Options) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: d.TLS.Insecure || o.Insecure, Time: o.Now}
	file := first(o.CAFile, d.TLS.CAFile)
	if file == "" {
		return config, nil
	}
	text, err := o.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the authorities: %w", err)
	}
	if config.RootCAs, err = x509.SystemCertPool(); err != nil {
		config.RootCAs = x509.NewCertPool()
	}
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading the authorities: %s holds no certificate", file)
	}
	return config, nil
}

// Close ends the connections that are left.
func (r *Runner) Close() { r.transport.CloseIdleConnections() }

// Target names the side that is checked: the URL, and the address where it is
// told apart.
func (r *Runner) Target() string { return r.route.target() }

// Steps is how many results a run gives.
func (r *Runner) Steps() int {
	n := 0
	for _, f := range r.flows {
		n += len(f.steps)
	}
	return n
}

// Run runs all checks once.
func (r *Runner) Run(ctx context.Context) result.Report {
	var report result.Report
	_ = r.Stream(ctx, func(one result.Result) error { // the function has no error to give
		report.Add(one)
		return nil
	})
	return report
}

// Stream runs all checks once and gives the results in the document's order, as
// they come. It ends early with give's first error. When the context ends, what
// is left is unknown.
func (r *Runner) Stream(ctx context.Context, give func(result.Result) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !r.keep {
		defer r.transport.CloseIdleConnections()
	}
	done := make(chan chan []result.Result, r.parallel-1)
	go func() {
		defer close(done)
		for _, f := range r.flows {
			results := make(chan []result.Result, 1)
			done <- results
			go func() { results <- r.visit(ctx, f) }()
		}
	}()
	var failed error
	for results := range done {
		for _, one := range <-results {
			if failed == nil {
				if failed = give(one); failed != nil {
					cancel()
				}
			}
		}
	}
	return failed
}

// visit runs one check with cookies of its own.
func (r *Runner) visit(ctx context.Context, f *flow) []result.Result {
	jar, err := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
	if err != nil { // it never is
		return []result.Result{{Group: f.name, Target: r.Target(), Reason: err.Error()}}
	}
	v := &visit{Runner: r, values: maps.Clone(r.values), jar: jar, redactor: r.redactor.clone()}
	v.values[unique] = strings.ToLower(rand.Text()[:12])
	var results []result.Result
	blocked := ""
	for _, s := range f.steps {
		one := result.Result{Group: f.name, Name: s.name, Target: r.Target()}
		if blocked == "" {
			v.run(ctx, s, &one)
		} else {
			one.Reason = fmt.Sprintf("not asked, since %q does not hold", blocked)
		}
		if one.Answer != result.Holds && blocked == "" {
			blocked = s.name
		}
		results = append(results, one)
	}
	return results
}

// run asks until the step holds or its attempts are used up.
func (v *visit) run(ctx context.Context, s *step, one *result.Result) {
	wait := time.Duration(first(s.retry.Wait, Duration(defaultWait)))
	longest := time.Duration(first(s.retry.MaxWait, Duration(defaultMaxWait)))
	for attempt := 1; ; attempt++ {
		v.attempt(ctx, s, one)
		if one.Answer == result.Holds || attempt >= s.retry.Attempts {
			if attempt > 1 && one.Answer != result.Holds {
				one.Reason += fmt.Sprintf("\nafter %d attempts", attempt)
			}
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(wait, longest)):
			wait *= 2
		}
	}
}

// attempt asks once and judges the answer.
func (v *visit) attempt(ctx context.Context, s *step, one *result.Result) {
	one.Answer, one.Expected, one.Actual, one.Reason = result.Unknown, "", "", ""
	if ctx.Err() != nil {
		one.Reason = "interrupted"
		return
	}
	started := time.Now()
	x, err := v.ask(ctx, s)
	one.Duration = time.Since(started)
	var judged *verdict
	if err == nil {
		judged, err = v.judge(s, x)
	}
	if err == nil && judged.answer() == result.Holds {
		if err = v.captureAll(s, x); err == nil {
			one.Answer = result.Holds
			return
		}
	}
	v.learnSecrets(s, x)
	v.report(one, x, judged, err)
}

// report says what is wrong, without secrets.
func (v *visit) report(one *result.Result, x *exchange, judged *verdict, err error) {
	var lines []string
	var failed *failure
	if errors.As(err, &failed) {
		one.Answer = failed.answer
		lines = append(lines, failed.text)
	}
	if judged != nil {
		if failed == nil {
			one.Answer = judged.answer()
		}
		one.Expected, one.Actual = v.show(judged.expected), v.show(judged.actual)
		lines = append(lines, judged.notes...)
	}
	if x != nil && x.url != nil {
		lines = append(lines, x.String())
	}
	if x != nil && x.body != nil {
		if excerpt := x.body.excerpt(); excerpt != "" {
			for line := range strings.Lines(excerpt) {
				lines = append(lines, "| "+strings.TrimRight(line, "\n"))
			}
		}
	}
	one.Reason = v.redactor.apply(strings.Join(lines, "\n"))
}

func (v *visit) show(lines []string) string { return v.redactor.apply(strings.Join(lines, "\n")) }
