package load

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/load"
)

// bounds puts the flags into the engine's form.
func (f *flags) bounds(boundLost bool) (load.Bounds, error) {
	b := load.Bounds{MaxP95: f.maxP95, MaxP99: f.maxP99}
	if f.maxP95 < 0 || f.maxP99 < 0 || f.maxLost < 0 {
		return b, fault.New(fault.Invalid, "Give a bound over 0.", "reading bounds: one is less than nothing")
	}
	if boundLost {
		b.MaxLost = &f.maxLost
	}
	if f.maxErrors != "" {
		share, err := load.ParsePercent(f.maxErrors)
		if err != nil {
			return b, fault.New(fault.Invalid, "", "reading --max-errors: %w", err)
		}
		b.MaxErrors = &share
	}
	return b, nil
}

// options puts the flags into the engine's form; what is asked comes later.
func (f *flags) options() (load.Options, error) {
	o := load.Options{
		Method: strings.ToUpper(f.method), Address: f.address, Insecure: f.insecure, FreshConnections: f.fresh,
		Timeout: f.timeout, Steps: f.steps(), Side: load.SideHeader(f.sideHeader),
	}
	if f.sideCookie != "" {
		o.Side = load.SideCookie(f.sideCookie)
	}
	var err error
	if o.Header, err = headers(f.headers); err != nil {
		return o, err
	}
	o.Body = []byte(f.body)
	if name, isFile := strings.CutPrefix(f.body, "@"); isFile {
		if o.Body, err = os.ReadFile(name); err != nil {
			return o, fault.New(fault.Invalid, "", "reading --body: %w", err)
		}
	}
	if f.caFile != "" {
		if o.CA, err = os.ReadFile(f.caFile); err != nil {
			return o, fault.New(fault.Invalid, "", "reading --ca: %w", err)
		}
	}
	return o, nil
}

// stepBeforeLast is how long steps last where the last one has no end.
const stepBeforeLast = 30 * time.Second

func (f *flags) steps() []load.Step {
	var steps []load.Step
	for i, rate := range f.rates {
		step := load.Step{Rate: rate, For: f.step}
		if f.step == 0 && i < len(f.rates)-1 {
			step.For = stepBeforeLast
		}
		steps = append(steps, step)
	}
	return steps
}

func headers(lines []string) (http.Header, error) {
	h := http.Header{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(line, "\r\n") || strings.ContainsAny(name, " \t") {
			return nil, fault.New(fault.Invalid, "Write --header 'NAME: VALUE'.", "reading --header %q: not NAME: VALUE", line)
		}
		h.Add(name, strings.TrimSpace(value))
	}
	return h, nil
}

// aim says what is asked: URLs, or the address of an environment, which is
// given back.
func (f *flags) aim(ctx context.Context, c *command.Context, args []string, o *load.Options) (*environment, error) {
	var env *environment
	urls := args
	if len(args) == 1 && !strings.Contains(args[0], "://") {
		var err error
		if env, err = openEnvironment(ctx, c, args[0]); err != nil {
			return nil, err
		}
		base, err := env.url(f.component)
		if err != nil {
			return nil, err
		}
		urls, o.Mark = []string{base}, env.mark
	}
	if f.host != "" && len(urls) > 1 {
		return nil, fault.New(fault.Invalid, "Give one URL, and what is asked there with --path.", "--host goes with one URL")
	}
	for _, raw := range urls {
		asked, err := f.urls(raw, o)
		if err != nil {
			return nil, err
		}
		o.URLs = append(o.URLs, asked...)
	}
	return env, nil
}

// urls are those of all paths at an address. Where --host says what visitors
// ask for, the address only says where they are served.
func (f *flags) urls(raw string, o *load.Options) ([]string, error) {
	base, err := url.Parse(raw)
	if err != nil || base.Host == "" {
		return nil, fault.New(fault.Invalid, "Give the name of an environment, or http://HOST.", "%q is no URL", raw)
	}
	if f.host != "" {
		if o.Address == "" {
			o.Address = withPort(base)
		}
		base.Host = f.host
	}
	if len(f.paths) == 0 {
		return []string{base.String()}, nil
	}
	var urls []string
	for _, path := range f.paths {
		asked, err := base.Parse(path)
		if err != nil || asked.Host != base.Host {
			return nil, fault.New(fault.Invalid, "Write --path /PATH.", "reading --path %q: it does not stay at %s", path, base.Host)
		}
		urls = append(urls, asked.String())
	}
	return urls, nil
}

func withPort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Host
	case u.Scheme == "https":
		return u.Host + ":443"
	}
	return u.Host + ":80"
}
