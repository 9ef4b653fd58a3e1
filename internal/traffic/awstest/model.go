package awstest

import (
	_ "embed"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// What AWS itself says of the operations that are here: the errors of each with
// their HTTP status, and the bounds of what requests say. It is taken from the
// models that AWS makes its clients of, as botocore 1.29.27 publishes them
// (route53 2013-04-01 and elbv2 2015-12-01, Apache-2.0). Bounds are by path,
// numbers of list members left out.
//
//go:embed model.json
var modelText []byte

// operationModel is an operation.
type operationModel struct {
	Errors map[string]int    `json:"errors"`
	Input  map[string]bounds `json:"input"`
}

// bounds of a number, or of the length of a text.
type bounds struct {
	Min    *int `json:"min"`
	Max    *int `json:"max"`
	Number bool `json:"number"`
}

var model = sync.OnceValues(func() (map[string]operationModel, error) {
	var m map[string]operationModel
	return m, json.Unmarshal(modelText, &m)
})

// common are errors of every operation, which models leave out.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/CommonErrors.html
// https://docs.aws.amazon.com/Route53/latest/APIReference/CommonErrors.html
var common = map[string]int{"AccessDenied": 403, "Throttling": 400, "ValidationError": 400, "InternalFailure": 500}

// possible tells whether the real operation can fail so.
func (m operationModel) possible(err error) bool {
	var f *failure
	if !errors.As(err, &f) {
		return err == nil
	}
	status, modelled := m.Errors[f.code]
	if !modelled {
		status, modelled = common[f.code]
	}
	return modelled && status == f.status
}

// violations are the values of a request that are out of bounds.
func (m operationModel) violations(values map[string][]string) []string {
	var found []string
	for path, bound := range m.Input {
		for _, value := range values[path] {
			if !bound.hold(value) {
				found = append(found, "Value '"+value+"' at '"+path+"' failed to satisfy constraint")
			}
		}
	}
	return found
}

func (b bounds) hold(value string) bool {
	size := utf8.RuneCountInString(value)
	if b.Number {
		n, err := strconv.Atoi(value)
		if err != nil {
			return false
		}
		size = n
	}
	return (b.Min == nil || size >= *b.Min) && (b.Max == nil || size <= *b.Max)
}

// valuesOfForm gives the values of a request in the Query protocol by path.
func valuesOfForm(form url.Values) map[string][]string {
	values := map[string][]string{}
	for key, all := range form {
		var path []string
		for part := range strings.SplitSeq(key, ".") {
			if _, err := strconv.Atoi(part); err != nil {
				path = append(path, part)
			}
		}
		name := strings.Join(path, ".")
		values[name] = append(values[name], all...)
	}
	return values
}

// valuesOfXML gives the values of a document by path, its root left out. What is
// broken ends them.
func valuesOfXML(body []byte) map[string][]string {
	values := map[string][]string{}
	var path []string
	text := ""
	decoder := xml.NewDecoder(strings.NewReader(string(body)))
	for {
		token, err := decoder.Token()
		if err != nil {
			return values
		}
		switch token := token.(type) {
		case xml.StartElement:
			path, text = append(path, token.Name.Local), ""
		case xml.CharData:
			text += string(token)
		case xml.EndElement:
			if name := strings.Join(path[1:], "."); text != "" {
				values[name] = append(values[name], text)
			}
			path, text = path[:len(path)-1], ""
		}
	}
}
