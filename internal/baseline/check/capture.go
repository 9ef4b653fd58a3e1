package check

// minCookie is the length from which a cookie's value is kept out of sight, in
// bytes: shorter ones are no secret, and would hide the like everywhere.
const minCookie = 6

// captureAll keeps the values that later steps need.
func (v *visit) captureAll(s *step, x *exchange) error {
	for i := range s.captures {
		c := &s.captures[i]
		value, err := v.capture(c, x)
		if err != nil {
			return err
		}
		v.values[c.name] = value
		if c.Secret || c.Cookie != "" && len(value) >= minCookie {
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
	what, found, err := v.source(c, x)
	if err != nil {
		return "", err
	}
	if c.Matches != "" {
		what += " matching " + c.Matches
	}
	for _, text := range found {
		if c.Matches == "" {
			return text, nil
		}
		if groups := c.pattern.FindStringSubmatch(text); groups != nil {
			return groups[min(1, len(groups)-1)], nil
		}
	}
	return "", fails("capturing %s: there is no %s", c.name, what)
}

// source names where a value is captured from, and gives the texts there.
func (v *visit) source(c *capture, x *exchange) (what string, found []string, err error) {
	switch {
	case c.Header != "":
		return "header " + c.Header, x.header.Values(c.Header), nil
	case c.Cookie != "":
		return "cookie " + c.Cookie, v.cookie(c.Cookie, x), nil
	case x.body.cut:
		return "", nil, unknownIf("capturing %s: the body is longer than %s: raise maxBody", c.name, Size(x.body.limit))
	}
	if found, err = c.selector.find(x.body); err != nil {
		return "", nil, fails("capturing %s: %s", c.name, err)
	}
	return c.selector.String(), found, nil
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
