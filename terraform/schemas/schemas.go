// Package schemas stands in for the providers of the modules where tests cannot
// have them: Terraform starts it like a provider, and it tells their schemas but
// does nothing. With them `terraform validate` finds every argument, block and
// reference that a provider does not have, and `terraform test` computes whole
// plans with mocked providers. Start at Folder.
//
// The schemas are of what the modules use only, in the format of `terraform
// providers schema -json`, a line for each resource. They state facts of
// hashicorp/aws 6.66.0 and hashicorp/tls 4.1.0 (both MPL-2.0), taken from the
// typings that CDK Terrain and CDK for Terraform publish of those versions.
package schemas

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

//go:embed *.json
var files embed.FS

// versions of the providers that the schemas are of.
var versions = map[string]string{"aws": "6.66.0", "tls": "4.1.0"}

// read gives the schema of a provider by its short name, such as aws.
func read(provider string) (*tfjson.ProviderSchema, error) {
	text, err := files.ReadFile(provider + ".json")
	if err != nil {
		return nil, fmt.Errorf("reading the schema of provider %s: %w", provider, err)
	}
	var all tfjson.ProviderSchemas
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("reading the schema of provider %s: %w", provider, err)
	}
	for source, schema := range all.Schemas {
		if path.Base(source) == provider {
			return schema, nil
		}
	}
	return nil, fmt.Errorf("reading the schema of provider %s: %s.json is of %s", provider, provider, strings.Join(sources(all), ", "))
}

func sources(all tfjson.ProviderSchemas) []string {
	var names []string
	for source := range all.Schemas {
		names = append(names, source)
	}
	return names
}
