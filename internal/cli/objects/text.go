package objects

import (
	"crypto/sha256"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Text is the object's content as YAML; empty for nil.
func Text(u *unstructured.Unstructured) string {
	if u == nil {
		return ""
	}
	text, err := yaml.Marshal(Content(u))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// conceal replaces a Secret's values, and packed archives, by their
// fingerprint: what changed can be seen, what it is cannot.
func conceal(content map[string]any, secret bool) {
	for key, value := range content {
		switch v := value.(type) {
		case map[string]any:
			if secret && (key == "data" || key == "stringData") {
				for name := range v {
					v[name] = fingerprint(v[name])
				}
				continue
			}
			conceal(v, secret)
		case []any:
			for _, item := range v {
				if m, ok := item.(map[string]any); ok {
					conceal(m, secret)
				}
			}
		case string:
			if key == "archive" {
				content[key] = fingerprint(v)
			}
		}
	}
}

func fingerprint(value any) string {
	text := fmt.Sprint(value)
	return fmt.Sprintf("(%d characters, fingerprint %.4x)", len(text), sha256.Sum256([]byte(text)))
}
