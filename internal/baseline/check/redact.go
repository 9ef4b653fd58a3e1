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
	for _, form := range encodings(value) {
		r.pairs = append(r.pairs, [2]string{form, "[" + name + "]"})
	}
	r.replacer = nil
}

// encodings are the forms in which addresses, forms, JSON and pages write a
// text, the text itself first.
func encodings(text string) []string {
	forms := []string{
		text, url.QueryEscape(text), url.PathEscape(text), (&url.URL{Path: text}).EscapedPath(),
		html.EscapeString(text), strings.NewReplacer("&#34;", "&quot;", "&#39;", "&#039;").Replace(html.EscapeString(text)),
	}
	for _, escapeHTML := range []bool{true, false} {
		var b strings.Builder
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(escapeHTML)
		if err := encoder.Encode(text); err == nil { // texts always encode
			forms = append(forms, strings.TrimSuffix(b.String()[1:], "\"\n"))
		}
	}
	slices.Sort(forms[1:])
	return slices.Compact(forms)
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
