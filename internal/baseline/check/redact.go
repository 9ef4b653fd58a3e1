package check

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
)

// redactor takes secrets out of texts that are shown, also where they are
// encoded as requests and pages encode them.
type redactor struct {
	pairs    [][2]string
	replacer *strings.Replacer
}

// add makes name's value a secret. The empty text cannot be one.
func (r *redactor) add(name, value string) {
	if value == "" {
		return
	}
	quoted, err := json.Marshal(value)
	if err != nil { // texts always marshal
		quoted = []byte(`""`)
	}
	mask := "[" + name + "]"
	for _, form := range []string{
		value, url.QueryEscape(value), url.PathEscape(value), html.EscapeString(value),
		strings.Trim(string(quoted), `"`),
	} {
		if form != "" {
			r.pairs = append(r.pairs, [2]string{form, mask})
		}
	}
	r.replacer = nil
}

// addBasicAuth makes the encoded form of a password a secret.
func (r *redactor) addBasicAuth(user, password string) {
	encoded := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	r.pairs = append(r.pairs, [2]string{encoded, "[password]"})
	r.replacer = nil
}

// clone gives a redactor that can learn more without the first one knowing.
func (r *redactor) clone() *redactor { return &redactor{pairs: slices.Clone(r.pairs)} }

// apply gives the text without secrets. Of two that overlap the longer wins.
func (r *redactor) apply(text string) string {
	if len(r.pairs) == 0 || text == "" {
		return text
	}
	if r.replacer == nil {
		slices.SortStableFunc(r.pairs, func(a, b [2]string) int { return cmp.Compare(len(b[0]), len(a[0])) })
		var list []string
		for _, pair := range r.pairs {
			list = append(list, pair[0], pair[1])
		}
		r.replacer = strings.NewReplacer(list...)
	}
	return r.replacer.Replace(text)
}

// headerValue is a header for people: of cookies only name and attributes.
func headerValue(name, value string) string {
	switch name {
	case "Set-Cookie":
		cookie, attributes, _ := strings.Cut(value, ";")
		key, _, _ := strings.Cut(cookie, "=")
		if value = key + "=…"; attributes != "" {
			value += ";" + attributes
		}
	case "Authorization", "Proxy-Authorization", "Cookie":
		value = "…"
	}
	return value
}
