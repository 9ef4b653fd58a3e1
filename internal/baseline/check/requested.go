package check

import (
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Requested is what a step asks for, as far as the document says it.
type Requested struct {
	Check string
	// Step is empty where the check is one request.
	Step   string
	Method string
	URL    *url.URL
	// Assumed says that a part of the address is only known when the check
	// runs; 1 stands for it.
	Assumed bool
}

// Requests gives what the checks ask for, in order, followed redirects whose
// end is expected included. Nothing is asked and no secret read. Errors are
// fault.Invalid.
func (d *Document) Requests(o Options) ([]Requested, error) {
	list, err := d.requests(&o)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("reading the addresses of checks: %w", err), fault.HintOf(err))
	}
	return list, nil
}

func (d *Document) requests(o *Options) ([]Requested, error) {
	flows, err := d.compile(o.Variables)
	if err != nil {
		return nil, err
	}
	known := values{}
	maps.Copy(known, d.Variables)
	maps.Copy(known, o.Variables)
	r := &Runner{values: known}
	if r.route, err = newRoute(d, o, known); err != nil {
		return nil, err
	}
	if flows, err = r.selected(flows, o.Only); err != nil {
		return nil, err
	}
	var list []Requested
	for _, f := range flows {
		for _, s := range f.steps {
			own, err := r.requestsOf(s)
			if err != nil {
				return nil, fmt.Errorf("check %q: %s: %w", f.name, s.name, err)
			}
			for _, one := range own {
				if one.Check = f.name; len(f.steps) > 1 {
					one.Step = s.name
				}
				list = append(list, one)
			}
		}
	}
	return list, nil
}

// requestsOf gives the step's address, and where it is expected to lead to.
func (r *Runner) requestsOf(s *step) ([]Requested, error) {
	path, assumedPath := r.values.assume(s.request.Path)
	whole, assumedWhole := r.values.assume(s.request.URL)
	if assumedWhole && strings.HasPrefix(whole, "1") {
		return nil, nil // all of it is only known when the check runs
	}
	address, err := r.route.address(path, whole)
	if err != nil {
		return nil, err
	}
	for name, value := range s.request.Headers {
		if host, _ := r.values.assume(value); strings.EqualFold(name, "Host") {
			address.Host = host
		}
	}
	list := []Requested{{Method: s.request.method(), URL: address, Assumed: assumedPath || assumedWhole}}
	if redirect := s.expect.Redirect; s.request.Follow && redirect != nil && redirect.Equals != nil {
		text, assumed := r.values.assume(*redirect.Equals)
		if end, err := address.Parse(text); err == nil {
			list = append(list, Requested{Method: s.request.method(), URL: end, Assumed: assumed})
		}
	}
	return list, nil
}

// assume replaces the references in text, those without value by 1.
func (v values) assume(text string) (string, bool) {
	assumed := false
	for _, name := range names(text) {
		if _, ok := v[name]; !ok {
			assumed = true
			text = strings.ReplaceAll(text, "${"+name+"}", "1")
		}
	}
	expanded, err := v.expand(text)
	if err != nil { // every name has a value by now
		return text, true
	}
	return expanded, assumed
}
