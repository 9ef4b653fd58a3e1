package check

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

func (r *Request) method() string {
	switch {
	case r.Method != "":
		return strings.ToUpper(r.Method)
	case r.Body != "" || len(r.Form) > 0 || len(r.Files) > 0 || r.JSON != nil:
		return http.MethodPost
	}
	return http.MethodGet
}

var methodForm = regexp.MustCompile(`^[A-Za-z]+$`)

func (r *Request) validate(d *Document, known nameSet) error {
	bodies := 0
	for _, has := range []bool{r.Body != "", len(r.Form) > 0 || len(r.Files) > 0, r.JSON != nil} {
		if has {
			bodies++
		}
	}
	switch {
	case !methodForm.MatchString(r.method()):
		return fmt.Errorf("request: %q is no method", r.Method)
	case (r.Path == "") == (r.URL == ""):
		return errors.New("request: exactly one of path and url is needed")
	case r.Path != "" && !strings.HasPrefix(r.Path, "/"):
		return fmt.Errorf("request: the path %q does not begin with /", r.Path)
	case bodies > 1:
		return errors.New("request: only one of body, form and json can be sent")
	}
	if err := validJSON(r.JSON); err != nil {
		return fmt.Errorf("request: json: %w", err)
	}
	texts := []string{r.Path, r.URL, r.Body}
	for _, byName := range []map[string]string{r.Query, r.Headers, r.Form, d.Defaults.Headers} {
		texts = append(texts, slices.Collect(maps.Values(byName))...)
	}
	for field, file := range r.Files {
		if file.Name == "" {
			return fmt.Errorf("request: the file %q has no name", field)
		}
		texts = append(texts, file.Content)
	}
	if r.BasicAuth != nil {
		texts = append(texts, r.BasicAuth.User, r.BasicAuth.Password)
	}
	if err := known.check(append(texts, textsOf(r.JSON)...)...); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	return nil
}

// validJSON refuses what YAML has and JSON has not.
func validJSON(value any) error {
	switch value := value.(type) {
	case map[any]any:
		return errors.New("keys of an object must be texts")
	case map[string]any:
		for _, item := range value {
			if err := validJSON(item); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range value {
			if err := validJSON(item); err != nil {
				return err
			}
		}
	}
	return nil
}

// textsOf gives the texts in a JSON value.
func textsOf(value any) []string {
	var texts []string
	switch value := value.(type) {
	case string:
		texts = append(texts, value)
	case map[string]any:
		for _, item := range value {
			texts = append(texts, textsOf(item)...)
		}
	case []any:
		for _, item := range value {
			texts = append(texts, textsOf(item)...)
		}
	}
	return texts
}

// parseURL reads an absolute http or https address.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("%q is no address: %w", text, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is no address such as https://shop.example", text)
	}
	return u, nil
}
