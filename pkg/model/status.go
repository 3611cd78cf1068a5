package model

import "time"

// Status is what connectors report about a device or an asset. It is kept
// apart from the spec, so that reporting never looks like a change.
type Status struct {
	Config           *ConfigStatus           `json:"config,omitempty"`
	Endpoints        *EndpointsStatus        `json:"endpoints,omitempty"` // devices and profiles only
	Datasets         []DatasetStatus         `json:"datasets,omitempty"`
	EventGroups      []EventGroupStatus      `json:"eventGroups,omitempty"`
	Streams          []DatasetStatus         `json:"streams,omitempty"`
	ManagementGroups []ManagementGroupStatus `json:"managementGroups,omitempty"`
	HealthState      *HealthState            `json:"healthState,omitempty"`
}

// ConfigStatus says which version of the spec was last applied, and whether it could be.
type ConfigStatus struct {
	Version            int64        `json:"version"`
	LastTransitionTime time.Time    `json:"lastTransitionTime"`
	Error              *StatusError `json:"error,omitempty"`
}

// EndpointsStatus is the state of a device's inbound endpoints by name.
type EndpointsStatus struct {
	Inbound map[string]EndpointStatus `json:"inbound,omitempty"`
}

// EndpointStatus is the state of one inbound endpoint.
type EndpointStatus struct {
	Error       *StatusError `json:"error,omitempty"`
	HealthState *HealthState `json:"healthState,omitempty"`
}

// DatasetStatus is the state of one dataset or stream.
type DatasetStatus struct {
	Name                   string       `json:"name"`
	MessageSchemaReference *SchemaRef   `json:"messageSchemaReference,omitempty"`
	Error                  *StatusError `json:"error,omitempty"`
	HealthState            *HealthState `json:"healthState,omitempty"`
}

// EventGroupStatus is the state of the events of one group.
type EventGroupStatus struct {
	Name   string          `json:"name"`
	Events []DatasetStatus `json:"events,omitempty"`
}

// ManagementGroupStatus is the state of the actions of one group.
type ManagementGroupStatus struct {
	Name    string         `json:"name"`
	Actions []ActionStatus `json:"actions,omitempty"`
}

// ActionStatus is the state of one action.
type ActionStatus struct {
	Name                           string       `json:"name"`
	RequestMessageSchemaReference  *SchemaRef   `json:"requestMessageSchemaReference,omitempty"`
	ResponseMessageSchemaReference *SchemaRef   `json:"responseMessageSchemaReference,omitempty"`
	Error                          *StatusError `json:"error,omitempty"`
}

// SchemaRef names one version of a schema.
type SchemaRef struct {
	SchemaRegistryNamespace string `json:"schemaRegistryNamespace"`
	SchemaName              string `json:"schemaName"`
	SchemaVersion           string `json:"schemaVersion"`
}

// StatusError is an error as resources show it.
type StatusError struct {
	Code    string              `json:"code,omitempty"`
	Message string              `json:"message,omitempty"`
	Details []StatusErrorDetail `json:"details,omitempty"`
}

// StatusErrorDetail is one part of a StatusError, such as one data point's.
type StatusErrorDetail struct {
	Code          string `json:"code,omitempty"`
	Message       string `json:"message,omitempty"`
	Info          string `json:"info,omitempty"`
	CorrelationID string `json:"correlationId,omitempty"`
}

// The values of HealthState.Status.
const (
	HealthUnknown     = "Unknown"
	HealthAvailable   = "Available"
	HealthDegraded    = "Degraded"
	HealthUnavailable = "Unavailable"
)

// HealthState says whether something works now.
type HealthState struct {
	Status             string    `json:"status"`
	ReasonCode         string    `json:"reasonCode,omitempty"`
	Message            string    `json:"message,omitempty"`
	LastTransitionTime time.Time `json:"lastTransitionTime,omitzero"`
	LastUpdateTime     time.Time `json:"lastUpdateTime,omitzero"`
}
