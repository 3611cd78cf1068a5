package model

import (
	"fmt"
	"slices"
	"strings"
)

// oneOf demands that a text is one of some, or absent.
func (p *problems) oneOf(path, text string, allowed ...string) {
	if text != "" && !slices.Contains(allowed, text) {
		p.add(path, "%q is not %s", text, strings.Join(allowed, ", "))
	}
}

// within demands that a number lies in a range, or is absent.
func (p *problems) within(path string, n *int64, least, most int64) {
	if n != nil && (*n < least || *n > most) {
		p.add(path, "%d is not between %d and %d", *n, least, most)
	}
}

// Validate implements Object.
func (o *DataflowProfile) Validate() error {
	p := &problems{}
	p.checkName(o.Name, nameRule{min: 3, max: 63})
	p.within("instanceCount", &o.Properties.InstanceCount, 1, 20)
	if d := o.Properties.Diagnostics; d != nil {
		p.logLevel("diagnostics.logs.level", d.Logs.Level)
	}
	return p.err()
}

// logLevel demands a level, or module=level pairs.
func (p *problems) logLevel(path, text string) {
	levels := []string{"error", "warn", "info", "debug", "trace", "off"}
	for part := range strings.SplitSeq(text, ",") {
		level := part
		if module, after, pair := strings.Cut(part, "="); pair && strings.TrimSpace(module) != "" {
			level = after
		}
		if !slices.Contains(levels, strings.ToLower(strings.TrimSpace(level))) {
			p.add(path, "%q is not one of %s, nor module=level pairs of them", text, strings.Join(levels, ", "))
			return
		}
	}
}

// Validate implements Object.
func (o *Dataflow) Validate() error {
	p := &problems{}
	p.checkName(o.Name, nameRule{min: 3, max: 63})
	flow, err := o.Flow()
	if err != nil {
		p.list = append(p.list, err)
		return p.err()
	}
	p.oneOf("mode", flow.Mode, "Enabled", "Disabled")
	p.oneOf("requestDiskPersistence", flow.RequestDiskPersistence, "Enabled", "Disabled")
	count := map[string]int{}
	for i := range flow.Operations {
		p.operation(fmt.Sprintf("operations[%d]", i), &flow.Operations[i])
		count[strings.ToLower(flow.Operations[i].OperationType)]++
	}
	for _, typ := range []string{OperationSource, OperationDestination} {
		if n := count[strings.ToLower(typ)]; n != 1 {
			p.add("operations", "%d of type %s; a dataflow has exactly one", n, typ)
		}
	}
	if n := count[strings.ToLower(OperationTransformation)]; n > 1 {
		p.add("operations", "%d of type %s; a dataflow has one at most", n, OperationTransformation)
	}
	return p.err()
}

// operation checks one step of a dataflow.
func (p *problems) operation(path string, o *DataflowOperation) {
	if len(o.Name) > 64 {
		p.add(path+".name", "is longer than 64 characters")
	}
	switch {
	case strings.EqualFold(o.OperationType, OperationSource):
		if o.Source == nil {
			p.add(path+".sourceSettings", "is missing")
			return
		}
		p.required(path+".sourceSettings.endpointRef", o.Source.EndpointRef)
		if len(o.Source.DataSources) == 0 {
			p.add(path+".sourceSettings.dataSources", "is missing")
		}
	case strings.EqualFold(o.OperationType, OperationTransformation):
		if o.Transformation == nil {
			p.add(path+".builtInTransformationSettings", "is missing")
			return
		}
		p.transformation(path+".builtInTransformationSettings", o.Transformation)
	case strings.EqualFold(o.OperationType, OperationDestination):
		if o.Destination == nil {
			p.add(path+".destinationSettings", "is missing")
			return
		}
		p.required(path+".destinationSettings.endpointRef", o.Destination.EndpointRef)
		p.required(path+".destinationSettings.dataDestination", o.Destination.DataDestination)
	default:
		p.add(path+".operationType", "%q is not %s, %s or %s", o.OperationType, OperationSource, OperationTransformation, OperationDestination)
	}
}

func (p *problems) transformation(path string, t *DataflowTransformation) {
	p.oneOf(path+".serializationFormat", t.SerializationFormat, "Json", "Parquet", "Delta")
	for i, d := range t.Datasets {
		p.required(fmt.Sprintf("%s.datasets[%d].key", path, i), d.Key)
		p.inputs(fmt.Sprintf("%s.datasets[%d]", path, i), d.Inputs)
	}
	for i, r := range t.Filter {
		p.inputs(fmt.Sprintf("%s.filter[%d]", path, i), r.Inputs)
		p.required(fmt.Sprintf("%s.filter[%d].expression", path, i), r.Expression)
	}
	for i, r := range t.Map {
		p.inputs(fmt.Sprintf("%s.map[%d]", path, i), r.Inputs)
	}
}

func (p *problems) inputs(path string, list []string) {
	if len(list) == 0 {
		p.add(path+".inputs", "is missing")
	}
}

// Validate implements Object.
func (o *DataflowEndpoint) Validate() error {
	p := &problems{}
	p.checkName(o.Name, nameRule{min: 3, max: 63})
	s, err := o.Settings()
	if err != nil {
		p.list = append(p.list, err)
		return p.err()
	}
	member := SettingsMember(s.Type)
	switch s.Type {
	case FlowLocalStorage:
		p.required(member+".persistentVolumeClaimRef", s.PersistentVolumeClaimRef)
	case FlowMqtt: // without a host it is the local broker
	default:
		p.required(member+".host", s.Host)
	}
	switch s.Type {
	case FlowDataExplorer:
		p.required(member+".database", s.Database)
	case FlowFabricOneLake:
		if s.Names == nil {
			p.add(member+".names", "is missing")
			break
		}
		p.required(member+".names.workspaceName", s.Names.WorkspaceName)
		p.required(member+".names.lakehouseName", s.Names.LakehouseName)
	}
	p.settings(member, s)
	if s.Authentication != nil {
		p.flowAuthentication(member+".authentication", s.Authentication)
	}
	return p.err()
}

// settings holds the settings of a dataflow endpoint against their ranges.
func (p *problems) settings(member string, s *DataflowSettings) {
	const uint16Max, uint32Max = 1<<16 - 1, 1<<32 - 1
	p.oneOf(member+".oneLakePathType", s.OneLakePathType, "Files", "Tables")
	p.oneOf(member+".cloudEventAttributes", s.CloudEventAttributes, "Propagate", "CreateOrRemap")
	p.oneOf(member+".copyMqttProperties", s.CopyMqttProperties, "Enabled", "Disabled")
	p.oneOf(member+".compression", s.Compression, "None", "Gzip", "Lz4", "Snappy")
	p.oneOf(member+".kafkaAcks", s.KafkaAcks, "Zero", "One", "All")
	p.oneOf(member+".partitionStrategy", s.PartitionStrategy, "Default", "Static", "Topic", "Property")
	p.oneOf(member+".protocol", s.Protocol, "Mqtt", "WebSockets")
	p.oneOf(member+".retain", s.Retain, "Keep", "Never")
	p.within(member+".keepAliveSeconds", s.KeepAliveSeconds, 0, uint16Max)
	p.within(member+".maxInflightMessages", s.MaxInflightMessages, 0, uint16Max)
	p.within(member+".qos", s.QoS, 0, 1)
	p.within(member+".sessionExpirySeconds", s.SessionExpirySeconds, 0, uint32Max)
	if t := s.TLS; t != nil {
		p.oneOf(member+".tls.mode", t.Mode, "Enabled", "Disabled")
	}
	if b := s.Batching; b != nil {
		p.oneOf(member+".batching.mode", b.Mode, "Enabled", "Disabled")
		p.within(member+".batching.latencySeconds", b.LatencySeconds, 0, uint16Max)
		p.within(member+".batching.latencyMs", b.LatencyMs, 0, uint16Max)
		p.within(member+".batching.maxMessages", b.MaxMessages, 0, uint32Max)
		p.within(member+".batching.maxBytes", b.MaxBytes, 0, uint32Max)
	}
}

// flowAuthentication demands a method that there is, with what it needs.
func (p *problems) flowAuthentication(path string, a *DataflowAuthentication) {
	if a.Method == FlowAuthAnonymous {
		return
	}
	place := a.Parts()
	if place == nil {
		p.add(path+".method", "%q is not a method of dataflow endpoints", a.Method)
		return
	}
	parts := *place
	if parts == nil {
		parts = &DataflowAuthParts{}
	}
	path += "." + FlowAuthMember(a.Method)
	switch a.Method {
	case FlowAuthUserAssigned:
		p.required(path+".clientId", parts.ClientID)
		p.required(path+".tenantId", parts.TenantID)
	case FlowAuthServiceAccountToken:
		p.required(path+".audience", parts.Audience)
	case FlowAuthSasl:
		p.required(path+".saslType", parts.SaslType)
		p.oneOf(path+".saslType", parts.SaslType, "Plain", "ScramSha256", "ScramSha512")
		p.required(path+".secretRef", parts.SecretRef)
	case FlowAuthX509, FlowAuthAccessToken:
		p.required(path+".secretRef", parts.SecretRef)
	}
}

// FlowAuthMember returns the name of the member that holds a method's settings.
func FlowAuthMember(method string) string {
	if method == "" {
		return ""
	}
	return strings.ToLower(method[:1]) + method[1:] + "Settings"
}
