package model

import "github.com/iotops/iotops/pkg/fault"

// New returns an empty resource of a kind. It is the one table of kinds that
// are kept as documents.
func New(k Kind) (Object, error) {
	switch k {
	case KindInstance:
		return &Instance{}, nil
	case KindNamespace:
		return &Namespace{}, nil
	case KindDevice:
		return &Device{}, nil
	case KindAsset:
		return &Asset{}, nil
	case KindClassicAsset:
		return &ClassicAsset{}, nil
	case KindEndpointProfile:
		return &EndpointProfile{}, nil
	case KindDataflowProfile:
		return &DataflowProfile{}, nil
	case KindDataflow:
		return &Dataflow{}, nil
	case KindDataflowEndpoint:
		return &DataflowEndpoint{}, nil
	case KindDiscoveredDevice:
		return &DiscoveredDevice{}, nil
	case KindDiscoveredAsset:
		return &DiscoveredAsset{}, nil
	case KindSchemaRegistry:
		return &SchemaRegistry{}, nil
	case KindSchema:
		return &Schema{}, nil
	case KindSchemaVersion:
		return &SchemaVersion{}, nil
	case KindSecret:
		return nil, fault.New(fault.Unsupported, "resource kind %q is not kept yet", k)
	default:
		return nil, fault.New(fault.Invalid, "no resource kind is called %q", k)
	}
}
