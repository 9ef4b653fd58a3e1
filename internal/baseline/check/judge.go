package check

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"

	"github.com/landfall-dev/landfall/internal/result"
)

// verdict is what an answer is against what was expected of it: line by line
// what was expected and what came.
type verdict struct {
	expected, actual []string
	// notes go below: differences and what could not be found out.
	notes []string
	// unknown says that something could not be found out.
	unknown bool
}

func (j *verdict) differs(expected, actual string) {
	j.expected, j.actual = append(j.expected, expected), append(j.actual, actual)
}

func (j *verdict) answer() result.Answer {
	switch {
	case len(j.expected) > 0:
		return result.Fails
	case j.unknown:
		return result.Unknown
	}
	return result.Holds
}

// judge compares the answer with what the step expects.
func (v *visit) judge(s *step, x *exchange) (*verdict, error) {
	j := &verdict{}
	j.status(s, x)
	for _, part := range []func(*step, *exchange, values) error{j.headers, j.redirect, j.body} {
		if err := part(s, x, v.values); err != nil {
			return nil, unknownIf("%s", err)
		}
	}
	if err := j.certificate(s, x, v.values, v.now()); err != nil {
		return nil, unknownIf("%s", err)
	}
	j.timing(s.expect.Timing, x)
	return j, nil
}

func (j *verdict) status(s *step, x *exchange) {
	for _, r := range s.status {
		if x.status >= r.low && x.status <= r.high {
			return
		}
	}
	j.differs("status "+string(s.expect.Status), "status "+statusText(x.status))
}

func (j *verdict) headers(s *step, x *exchange, v values) error {
	for _, header := range s.headers {
		expanded, err := header.expand(v)
		if err != nil {
			return err
		}
		found := x.header.Values(header.name)
		if expanded.holds(found) {
			continue
		}
		shown := make([]string, len(found))
		for i, value := range found {
			shown[i] = headerValue(header.name, value)
		}
		j.differs("header "+header.name+" "+expanded.String(), "header "+header.name+" "+foundText(shown))
	}
	return nil
}

// redirect compares where the answer leads to. A path stands for the same
// path of the host that was asked.
func (j *verdict) redirect(s *step, x *exchange, v values) error {
	if s.redirect == nil {
		return nil
	}
	expanded, err := s.redirect.expand(v)
	if err != nil {
		return err
	}
	var found, shown []string
	if s.request.Follow {
		found, shown = forms(x.url, x.url), []string{x.url.Redacted()}
	} else if location := x.header.Get("Location"); location != "" {
		to, err := x.url.Parse(location)
		if err != nil {
			j.differs("redirect "+expanded.String(), "redirect to no address: "+quote(location))
			return nil
		}
		found, shown = forms(to, x.url), []string{to.Redacted()}
	}
	if !expanded.holds(found) {
		j.differs("redirect "+expanded.String(), "redirect "+foundText(shown))
	}
	return nil
}

// forms are the ways to write an address as seen from another: whole, and as
// path if it is the same site.
func forms(to, from *url.URL) []string {
	all := []string{to.String()}
	if to.Scheme == from.Scheme && strings.EqualFold(to.Host, from.Host) {
		all = append(all, to.RequestURI())
		if to.Fragment != "" {
			all = append(all, to.RequestURI()+"#"+to.EscapedFragment())
		}
	}
	return all
}

func (j *verdict) body(s *step, x *exchange, v values) error {
	if len(s.body) > 0 && x.body.cut {
		j.unknown = true
		j.notes = append(j.notes, fmt.Sprintf("the body is longer than %s, so that what is expected of it cannot be found out: raise maxBody", Size(x.body.limit)))
		return nil
	}
	for i := range s.body {
		if err := j.bodyCondition(&s.body[i], x.body, v); err != nil {
			return err
		}
	}
	return nil
}

func (j *verdict) bodyCondition(c *bodyCondition, b *body, v values) error {
	expanded, err := c.condition.expand(v)
	if err != nil {
		return err
	}
	subject := c.selector.String()
	found, err := c.selector.find(b)
	switch {
	case err != nil:
		j.differs(subject+" "+expanded.String(), err.Error())
		return nil
	case c.count != nil && !within(float64(len(found)), c.count):
		j.differs(fmt.Sprintf("%s is found %s times", subject, c.text), fmt.Sprintf("%s is found %d times", subject, len(found)))
		return nil
	case c.count != nil && !expanded.positive() && expanded.not == nil, expanded.holds(found):
		return nil
	case !c.selector.whole():
		j.differs(subject+" "+expanded.String(), subject+" "+foundText(found))
		return nil
	}
	j.differs("body "+expanded.String(), "body of "+people(int64(len(b.data)))+", see below")
	if expanded.Equals != nil && strings.Contains(*expanded.Equals+b.String(), "\n") {
		j.notes = append(j.notes, udiff.Unified("expected", "actual", *expanded.Equals, b.String()))
	}
	return nil
}

// foundText says what was found.
func foundText(found []string) string {
	const most = 5
	switch {
	case len(found) == 0:
		return "does not exist"
	case len(found) > most:
		return fmt.Sprintf("is %s and %d more", quoteAll(found[:most], ", "), len(found)-most)
	}
	return "is " + quoteAll(found, ", ")
}

func (j *verdict) certificate(s *step, x *exchange, v values, now time.Time) error {
	expect := s.expect.Certificate
	if expect == nil {
		return nil
	}
	if x.tls == nil || len(x.tls.PeerCertificates) == 0 {
		j.differs("a certificate", "no TLS: "+x.url.Redacted())
		return nil
	}
	leaf := x.tls.PeerCertificates[0]
	if left := days(leaf, now); expect.ValidDays > 0 && left < expect.ValidDays {
		j.differs(fmt.Sprintf("certificate valid for %d days", expect.ValidDays),
			fmt.Sprintf("certificate valid for %d days, until %s", left, leaf.NotAfter.UTC().Format(time.RFC3339)))
	}
	for _, name := range expect.Names {
		if leaf.VerifyHostname(name) != nil {
			j.differs("certificate for "+name, "certificate for "+strings.Join(leaf.DNSNames, ", "))
		}
	}
	if s.issuer == nil {
		return nil
	}
	expanded, err := s.issuer.expand(v)
	if err == nil && !expanded.holds([]string{leaf.Issuer.String()}) {
		j.differs("certificate issuer "+expanded.String(), "certificate issuer "+foundText([]string{leaf.Issuer.String()}))
	}
	return err
}

// days is for how many whole days the certificate is still valid; below zero
// it has expired.
func days(certificate *x509.Certificate, now time.Time) int {
	left := certificate.NotAfter.Sub(now)
	if left < 0 {
		return -1 - int(-left/(24*time.Hour))
	}
	return int(left / (24 * time.Hour))
}

func (j *verdict) timing(expect *Timing, x *exchange) {
	if expect == nil {
		return
	}
	bound := func(what string, limit Duration, took time.Duration) {
		if limit > 0 && took > time.Duration(limit) {
			j.differs(fmt.Sprintf("%s within %s", what, limit), fmt.Sprintf("%s after %s", what, result.Round(took)))
		}
	}
	bound("first byte", expect.FirstByte, x.firstByte)
	bound("complete answer", expect.Total, x.total)
}
