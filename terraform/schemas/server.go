package schemas

import (
	"context"
	"fmt"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// server tells a provider's schema and agrees to every configuration that fits
// it. What it lacks of the interface Terraform does not ask a provider that it
// only validates with, or that it mocks.
type server struct {
	tfprotov6.ProviderServer
	schema *tfprotov6.GetProviderSchemaResponse
}

func newServer(schema *tfjson.ProviderSchema) (*server, error) {
	resources, err := schemasOf(schema.ResourceSchemas)
	if err != nil {
		return nil, err
	}
	sources, err := schemasOf(schema.DataSourceSchemas)
	if err != nil {
		return nil, err
	}
	provider, err := schemasOf(map[string]*tfjson.Schema{"provider": schema.ConfigSchema})
	if err != nil {
		return nil, err
	}
	return &server{schema: &tfprotov6.GetProviderSchemaResponse{
		Provider:          provider["provider"],
		ResourceSchemas:   resources,
		DataSourceSchemas: sources,
	}}, nil
}

func (s *server) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	return s.schema, nil
}

func (s *server) GetResourceIdentitySchemas(context.Context, *tfprotov6.GetResourceIdentitySchemasRequest) (*tfprotov6.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov6.GetResourceIdentitySchemasResponse{}, nil
}

func (s *server) ValidateProviderConfig(_ context.Context, r *tfprotov6.ValidateProviderConfigRequest) (*tfprotov6.ValidateProviderConfigResponse, error) {
	return &tfprotov6.ValidateProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (s *server) ValidateResourceConfig(context.Context, *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	return &tfprotov6.ValidateResourceConfigResponse{}, nil
}

func (s *server) ValidateDataResourceConfig(context.Context, *tfprotov6.ValidateDataResourceConfigRequest) (*tfprotov6.ValidateDataResourceConfigResponse, error) {
	return &tfprotov6.ValidateDataResourceConfigResponse{}, nil
}

func (s *server) StopProvider(context.Context, *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	return &tfprotov6.StopProviderResponse{}, nil
}

// UpgradeResourceState gives a state back as it is: there is one version.
// Terraform does not ask it of a provider that it mocks, tofu does.
func (s *server) UpgradeResourceState(_ context.Context, r *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	kind := s.schema.ResourceSchemas[r.TypeName].ValueType()
	value, err := r.RawState.Unmarshal(kind)
	if err != nil {
		return nil, fmt.Errorf("reading the state of a resource of type %s: %w", r.TypeName, err)
	}
	state, err := tfprotov6.NewDynamicValue(kind, value)
	if err != nil {
		return nil, fmt.Errorf("writing the state of a resource of type %s: %w", r.TypeName, err)
	}
	return &tfprotov6.UpgradeResourceStateResponse{UpgradedState: &state}, nil
}
