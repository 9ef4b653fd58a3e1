package schemas

import (
	"fmt"
	"maps"
	"slices"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

var nestings = map[tfjson.SchemaNestingMode]tfprotov6.SchemaNestedBlockNestingMode{
	tfjson.SchemaNestingModeSingle: tfprotov6.SchemaNestedBlockNestingModeSingle,
	tfjson.SchemaNestingModeGroup:  tfprotov6.SchemaNestedBlockNestingModeGroup,
	tfjson.SchemaNestingModeList:   tfprotov6.SchemaNestedBlockNestingModeList,
	tfjson.SchemaNestingModeSet:    tfprotov6.SchemaNestedBlockNestingModeSet,
	tfjson.SchemaNestingModeMap:    tfprotov6.SchemaNestedBlockNestingModeMap,
}

// schemasOf gives schemas of resources or data sources as the plugin protocol
// has them.
func schemasOf(all map[string]*tfjson.Schema) (map[string]*tfprotov6.Schema, error) {
	converted := make(map[string]*tfprotov6.Schema, len(all))
	for name, schema := range all {
		block, err := blockOf(schema.Block)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		converted[name] = &tfprotov6.Schema{Version: int64(schema.Version), Block: block}
	}
	return converted, nil
}

func blockOf(block *tfjson.SchemaBlock) (*tfprotov6.SchemaBlock, error) {
	converted := &tfprotov6.SchemaBlock{}
	for _, name := range slices.Sorted(maps.Keys(block.Attributes)) {
		attribute, err := attributeOf(name, block.Attributes[name])
		if err != nil {
			return nil, err
		}
		converted.Attributes = append(converted.Attributes, attribute)
	}
	for _, name := range slices.Sorted(maps.Keys(block.NestedBlocks)) {
		nested := block.NestedBlocks[name]
		inner, err := blockOf(nested.Block)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		converted.BlockTypes = append(converted.BlockTypes, &tfprotov6.SchemaNestedBlock{
			TypeName: name,
			Block:    inner,
			Nesting:  nestings[nested.NestingMode],
			MinItems: int64(nested.MinItems),
			MaxItems: int64(nested.MaxItems),
		})
	}
	return converted, nil
}

func attributeOf(name string, attribute *tfjson.SchemaAttribute) (*tfprotov6.SchemaAttribute, error) {
	text, err := attribute.AttributeType.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("type of %s: %w", name, err)
	}
	// The encoding is the same in both libraries, and in the protocol.
	kind, err := tftypes.ParseJSONType(text) //nolint:staticcheck // deprecated, and the only way
	if err != nil {
		return nil, fmt.Errorf("type of %s: %w", name, err)
	}
	return &tfprotov6.SchemaAttribute{
		Name:      name,
		Type:      kind,
		Required:  attribute.Required,
		Optional:  attribute.Optional,
		Computed:  attribute.Computed,
		Sensitive: attribute.Sensitive,
	}, nil
}
