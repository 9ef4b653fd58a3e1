package check

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// userAgent is what servers see in their logs.
const userAgent = "landfall-check/1"

// request makes the step's request, references replaced.
func (v *visit) request(ctx context.Context, s *step) (*http.Request, error) {
	address, err := v.addressOf(s)
	if err != nil {
		return nil, err
	}
	content, contentType, err := v.content(&s.request)
	if err != nil {
		return nil, unknownIf("making the request: %s", err)
	}
	request, err := http.NewRequestWithContext(ctx, s.request.method(), address.String(), content)
	if err != nil {
		return nil, unknownIf("making the request: %s", err)
	}
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("Accept", "*/*")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if err := v.setHeaders(request, s); err != nil {
		return nil, unknownIf("making the request: %s", err)
	}
	return request, nil
}

// addressOf gives where the step's request goes. Another host that a server's
// words lead to must be allowed.
func (v *visit) addressOf(s *step) (*url.URL, error) {
	path, err := v.values.expand(s.request.Path)
	if err != nil {
		return nil, unknownIf("%s", err)
	}
	whole, err := v.values.expand(s.request.URL)
	if err != nil {
		return nil, unknownIf("%s", err)
	}
	address, err := v.route.address(path, whole)
	if err != nil {
		return nil, unknownIf("%s", err)
	}
	if whole != "" && !s.free && !v.route.allows(address) {
		return nil, fails("a captured value leads to another host, %s, which was not asked: allow it in allowHosts", address.Redacted())
	}
	query, err := v.values.expandAll(s.request.Query)
	if err != nil {
		return nil, unknownIf("query %s", err)
	}
	if len(query) > 0 {
		all := address.Query()
		for name, value := range query {
			all.Set(name, value)
		}
		address.RawQuery = all.Encode()
	}
	return address, nil
}

// content gives the request's body and its content type; the reader is nil
// without one.
func (v *visit) content(r *Request) (io.Reader, string, error) {
	switch {
	case len(r.Files) > 0:
		return v.multipart(r)
	case len(r.Form) > 0:
		fields, err := v.values.expandAll(r.Form)
		if err != nil {
			return nil, "", err
		}
		form := url.Values{}
		for name, value := range fields {
			form.Set(name, value)
		}
		return strings.NewReader(form.Encode()), "application/x-www-form-urlencoded", nil
	case r.JSON != nil:
		value, err := v.values.expandJSON(r.JSON)
		if err != nil {
			return nil, "", err
		}
		text, err := json.Marshal(value)
		return bytes.NewReader(text), "application/json", err
	case r.Body != "":
		text, err := v.values.expand(r.Body)
		return strings.NewReader(text), "", err
	}
	return nil, "", nil
}

// multipart is a form with files.
func (v *visit) multipart(r *Request) (io.Reader, string, error) {
	fields, err := v.values.expandAll(r.Form)
	if err != nil {
		return nil, "", err
	}
	var text bytes.Buffer
	form := multipart.NewWriter(&text)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := form.WriteField(name, fields[name]); err != nil {
			return nil, "", err
		}
	}
	for _, field := range slices.Sorted(maps.Keys(r.Files)) {
		content, err := v.values.expand(r.Files[field].Content)
		if err != nil {
			return nil, "", err
		}
		part, err := form.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {multipart.FileContentDisposition(field, r.Files[field].Name)},
			"Content-Type":        {first(r.Files[field].Type, "application/octet-stream")},
		})
		if err == nil {
			_, err = io.WriteString(part, content)
		}
		if err != nil {
			return nil, "", err
		}
	}
	return &text, form.FormDataContentType(), form.Close()
}

func (v *visit) setHeaders(request *http.Request, s *step) error {
	for _, headers := range []map[string]string{v.headers, s.request.Headers} {
		expanded, err := v.values.expandAll(headers)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(expanded)) {
			if strings.EqualFold(name, "Host") {
				request.Host = expanded[name]
				continue
			}
			request.Header.Set(name, expanded[name])
		}
	}
	if auth := s.request.BasicAuth; auth != nil {
		user, err := v.values.expand(auth.User)
		if err != nil {
			return err
		}
		password, err := v.values.expand(auth.Password)
		if err != nil {
			return err
		}
		request.SetBasicAuth(user, password)
		v.redactor.addBasicAuth(user, password)
	}
	return nil
}
