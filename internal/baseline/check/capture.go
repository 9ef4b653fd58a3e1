package check

// captureAll keeps the values that later steps need.
func (v *visit) captureAll(s *step, x *exchange) error {
	for i := range s.captures {
		c := &s.captures[i]
		value, err := v.capture(c, x)
		if err != nil {
			return err
		}
		v.values[c.name] = value
		if c.Secret || c.Cookie != "" {
			v.redactor.add(c.name, value)
		}
	}
	return nil
}

// learnSecrets keeps what would have been captured out of what is shown of an
// answer that does not hold.
func (v *visit) learnSecrets(s *step, x *exchange) {
	if x == nil || x.body == nil {
		return
	}
	for i := range s.captures {
		if c := &s.captures[i]; c.Secret {
			if value, err := v.capture(c, x); err == nil {
				v.redactor.add(c.name, value)
			}
		}
	}
}

func (v *visit) capture(c *capture, x *exchange) (string, error) {
	var found []string
	what := "header " + c.Header
	switch {
	case c.Header != "":
		found = x.header.Values(c.Header)
	case c.Cookie != "":
		what, found = "cookie "+c.Cookie, v.cookie(c.Cookie, x)
	case x.body.cut:
		return "", unknownIf("capturing %s: the body is longer than %s: raise maxBody", c.name, Size(x.body.limit))
	case c.Matches != "":
		what = "body matching " + c.Matches
		if groups := c.pattern.FindStringSubmatch(x.body.String()); groups != nil {
			found = []string{groups[min(1, len(groups)-1)]}
		}
	default:
		var err error
		what = c.selector.String()
		if found, err = c.selector.find(x.body); err != nil {
			return "", fails("capturing %s: %s", c.name, err)
		}
	}
	if len(found) == 0 {
		return "", fails("capturing %s: there is no %s", c.name, what)
	}
	return found[0], nil
}

// cookie gives the value that the answer set, or that the visit has.
func (v *visit) cookie(name string, x *exchange) []string {
	for _, cookie := range append(x.cookies, v.jar.Cookies(x.url)...) {
		if cookie.Name == name {
			return []string{cookie.Value}
		}
	}
	return nil
}
