package model_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

const parent = "default/default"

func device(name string, endpoints ...string) *model.Device {
	d := &model.Device{Meta: model.Meta{Name: name, Parent: parent}}
	d.Properties.Endpoints.Inbound = map[string]*model.Endpoint{}
	for _, e := range endpoints {
		d.Properties.Endpoints.Inbound[e] = &model.Endpoint{EndpointType: model.EndpointOPCUA, Address: "opc.tcp://plc:4840"}
	}
	return d
}

func asset(name, device, endpoint string) *model.Asset {
	a := &model.Asset{Meta: model.Meta{Name: name, Parent: parent}}
	a.Properties.DeviceRef = model.DeviceRef{DeviceName: device, EndpointName: endpoint}
	return a
}

func classic(name, profile string) *model.ClassicAsset {
	a := &model.ClassicAsset{Meta: model.Meta{Name: name, Parent: "default"}}
	a.Properties.AssetEndpointProfileRef = profile
	return a
}

func TestKeysAreComparedWithoutRegardToCase(t *testing.T) {
	a, b := model.Key{Kind: model.KindDevice, Parent: "RG/Line", Name: "PLC"}, model.Key{Kind: model.KindDevice, Parent: "rg/line", Name: "plc"}
	require.True(t, a.Equal(b))
	require.Equal(t, a.Fold(), b.Fold())
	require.Equal(t, "RG", a.Group())
	require.Equal(t, "device RG/Line/PLC", a.String())
	b.Kind = model.KindAsset
	require.False(t, a.Equal(b))
}

func TestIDsRoundTrip(t *testing.T) {
	for _, k := range []model.Key{
		{Kind: model.KindInstance, Parent: "g", Name: "i"},
		{Kind: model.KindNamespace, Parent: "g", Name: "n"},
		{Kind: model.KindDevice, Parent: "g/n", Name: "d"},
		{Kind: model.KindAsset, Parent: "g/n", Name: "a"},
		{Kind: model.KindClassicAsset, Parent: "g", Name: "a"},
		{Kind: model.KindEndpointProfile, Parent: "g", Name: "p"},
		{Kind: model.KindSchemaVersion, Parent: "g/r/s", Name: "1"},
	} {
		got, err := model.ParseID(k.Kind, model.ID(k))
		require.NoError(t, err, "%s", model.ID(k))
		require.Equal(t, k, got)
		for _, bad := range []string{"", "/", model.ID(k) + "/x", strings.Replace(model.ID(k), "providers", "", 1), strings.TrimSuffix(model.ID(k), "/"+k.Name)} {
			_, err := model.ParseID(k.Kind, bad)
			require.True(t, fault.Is(err, fault.Invalid), "%q", bad)
		}
	}
	id := model.ID(model.Key{Kind: model.KindAsset, Parent: "g/n", Name: "a"})
	require.Equal(t, "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.DeviceRegistry/namespaces/n/assets/a", id)
	_, err := model.ParseID(model.KindDevice, id)
	require.Error(t, err)
	require.Equal(t, "microsoft.deviceregistry/namespaces/assets", model.TypeName(model.KindAsset))
}

func FuzzParseID(f *testing.F) {
	f.Add(model.ID(model.Key{Kind: model.KindDevice, Parent: "g/n", Name: "d"}))
	f.Add("////////////")
	f.Fuzz(func(t *testing.T, id string) {
		if k, err := model.ParseID(model.KindDevice, id); err == nil {
			again, err := model.ParseID(model.KindDevice, model.ID(k))
			require.NoError(t, err)
			require.Equal(t, k, again)
		}
	})
}

func TestEveryProblemIsReportedWithItsPath(t *testing.T) {
	ttl := int64(-1)
	bad := asset("Oven_1", "", "")
	p := &bad.Properties
	p.AssetTypeRefs = []string{"a", "b"}
	p.DefaultDatasetsConfiguration = "{"
	p.Datasets = []model.Dataset{
		{Name: "d", DatasetConfiguration: "nonsense", Destinations: []model.Destination{{Target: "Pigeon"}}, DataPoints: []model.DataPoint{
			{Name: "p", DataSource: " "}, {Name: "p", DataSource: "ns=2"}, {DataSource: "ns=2", DataPointConfiguration: "["},
		}},
		{Name: "d", Destinations: []model.Destination{
			{Target: model.TargetMqtt, Configuration: model.DestinationConfiguration{Topic: "a/#", QoS: "Qos2", Retain: "Maybe", TTL: &ttl}}, {Target: model.TargetStateStore},
		}},
		{Name: strings.Repeat("x", 3000), Destinations: []model.Destination{{Target: model.TargetStorage}}},
	}
	p.EventGroups = []model.EventGroup{{Name: "", Events: []model.Event{{Name: "e", EventConfiguration: "x"}}}}
	p.Streams = []model.Stream{{Name: "s", StreamConfiguration: "x"}, {Name: "s"}}
	p.ManagementGroups = []model.ManagementGroup{{Name: "g", DefaultTimeoutInSeconds: &ttl, Actions: []model.Action{{Name: "a", ActionType: "Dance"}}}}
	err := bad.Validate()
	require.True(t, fault.Is(err, fault.Invalid))
	for _, path := range []string{
		"name:", "deviceRef.deviceName:", "deviceRef.endpointName:", "assetTypeRefs:", "defaultDatasetsConfiguration:",
		"datasets[0].datasetConfiguration:", "datasets[0].destinations[0].target:", "datasets[0].dataPoints[0].dataSource:",
		"datasets[0].dataPoints[1].name:", "datasets[0].dataPoints[2].name:", "datasets[0].dataPoints[2].dataPointConfiguration:",
		"datasets[1].name:", "datasets[1].destinations:", "datasets[1].destinations[0].configuration.topic:", "datasets[1].destinations[0].configuration.qos:",
		"datasets[1].destinations[0].configuration.retain:", "datasets[1].destinations[0].configuration.ttl:", "datasets[1].destinations[1].configuration.key:",
		"datasets[2].name:", "datasets[2].destinations[0].configuration.path:", "eventGroups[0].name:", "eventGroups[0].events[0].eventConfiguration:",
		"streams[0].streamConfiguration:", "streams[1].name:", "managementGroups[0].defaultTimeoutInSeconds:",
		"managementGroups[0].actions[0].targetUri:", "managementGroups[0].actions[0].actionType:",
	} {
		require.ErrorContains(t, err, path)
	}
	require.ErrorContains(t, err, "27 problems")
}

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"oven": true, "oven-1": true, "1oven": true, "Oven": false, "-oven": false, "oven-": false, "ov": false, "o_n": false, "öfen": false,
		strings.Repeat("x", 63): true, strings.Repeat("x", 64): false,
	} {
		require.Equal(t, ok, asset(name, "d", "e").Validate() == nil, name)
		require.Equal(t, ok, classic(name, "p").Validate() == nil, name)
	}
	for name, ok := range map[string]bool{"Line1": true, "line1-": true, "-line": false, "l 1": false, "": false} {
		require.Equal(t, ok, device(name).Validate() == nil, name)
	}
}

func TestDevicesAndProfiles(t *testing.T) {
	d := device("line1", "plc")
	require.NoError(t, d.Validate())
	e := d.Properties.Endpoints.Inbound["plc"]
	require.Equal(t, model.AuthAnonymous, e.Method())
	e.Authentication = &model.Authentication{Method: model.AuthUsernamePassword}
	require.ErrorContains(t, d.Validate(), "endpoints.inbound.plc.authentication.usernamePasswordCredentials:")
	e.Authentication.Method = model.AuthCertificate
	require.ErrorContains(t, d.Validate(), "x509Credentials:")
	e.Authentication.Method = "Handshake"
	require.ErrorContains(t, d.Validate(), "method:")
	d.Properties.Endpoints.Inbound["empty"] = nil
	e.Authentication, e.Address, e.AdditionalConfiguration = nil, "", "{"
	err := d.Validate()
	for _, path := range []string{"endpoints.inbound.empty:", "plc.address:", "plc.additionalConfiguration:"} {
		require.ErrorContains(t, err, path)
	}
	p := &model.EndpointProfile{Meta: model.Meta{Name: "plc-1", Parent: "default"}}
	require.ErrorContains(t, p.Validate(), "targetAddress")
	require.ErrorContains(t, p.Validate(), "endpointProfileType")
	i := &model.Instance{Meta: model.Meta{Name: "default", Parent: "default"}}
	require.NoError(t, i.Validate())
	i.Properties.ADRNamespaceRef = &model.ResourceRef{ResourceID: "/nonsense"}
	require.ErrorContains(t, i.Validate(), "properties.adrNamespaceRef.resourceId")
}

func TestClassicAssets(t *testing.T) {
	a := classic("oven", "plc")
	a.Properties.Datasets = []model.ClassicDataset{{}, {Name: "default"}}
	a.Properties.DefaultTopic = &model.ClassicTopic{Path: "a/+", Retain: "Perhaps"}
	a.Properties.Events = []model.ClassicEvent{{Name: "e"}}
	err := a.Validate()
	for _, path := range []string{"datasets[1].name:", "defaultTopic.path:", "defaultTopic.retain:", "events[0].eventNotifier:"} {
		require.ErrorContains(t, err, path)
	}
	a = classic("oven", "plc")
	points, err := a.PointItems("default", true)
	require.NoError(t, err, "the default dataset is made")
	require.NoError(t, points.Add(model.ClassicDataPoint{Name: "t", DataSource: "ns=2;s=T"}, false))
	require.ErrorContains(t, points.Add(model.ClassicDataPoint{Name: "t", DataSource: "x"}, false), "--replace")
	require.NoError(t, points.Add(model.ClassicDataPoint{Name: "t", DataSource: "ns=3;s=T"}, true))
	_, err = a.PointItems("other", true)
	require.ErrorContains(t, err, "only one dataset")
	_, err = a.PointItems("other", false)
	require.Error(t, err)
	require.NoError(t, a.EventItems().Add(model.ClassicEvent{Name: "x", EventNotifier: "i=1"}, false))
	a.Properties.DefaultTopic = &model.ClassicTopic{Path: "plant/x"}
	a.Properties.Events = []model.ClassicEvent{{Name: "e", EventNotifier: "i=2253", Topic: &model.ClassicTopic{Path: "plant/e", Retain: "Keep"}}}

	n := a.Namespaced()
	require.Equal(t, "plc", n.Properties.DeviceRef.DeviceName)
	require.Equal(t, []model.DataPoint{{Name: "t", DataSource: "ns=3;s=T"}}, n.Properties.Datasets[0].DataPoints)
	require.Equal(t, model.DestinationConfiguration{Topic: "plant/x", Retain: "Never", QoS: "Qos1"}, n.Properties.DefaultDatasetsDestinations[0].Configuration)
	require.Equal(t, model.DestinationConfiguration{Topic: "plant/e", Retain: "Keep", QoS: "Qos1"}, n.Properties.EventGroups[0].Events[0].Destinations[0].Configuration)
	points.Remove("t")
	require.Empty(t, a.Properties.Datasets[0].DataPoints)
}

func TestItems(t *testing.T) {
	a := asset("oven", "line1", "plc")
	d := a.DatasetItems()
	require.NoError(t, d.Add(model.Dataset{Name: "d"}, false))
	require.NoError(t, d.Add(model.Dataset{Name: "e"}, false))
	require.ErrorContains(t, d.Add(model.Dataset{Name: "d"}, false), "--replace")
	p, err := a.PointItems("d")
	require.NoError(t, err)
	require.NoError(t, p.Add(model.DataPoint{Name: "p", DataSource: "1"}, false))
	require.NoError(t, p.Add(model.DataPoint{Name: "q", DataSource: "2"}, false))
	require.ErrorContains(t, p.Add(model.DataPoint{Name: "p"}, false), "--replace")
	require.NoError(t, p.Add(model.DataPoint{Name: "p", DataSource: "3"}, true))
	require.Equal(t, []model.DataPoint{{Name: "p", DataSource: "3"}, {Name: "q", DataSource: "2"}}, *p.List, "in its old place")
	p.Remove("p")
	p.Remove("p") // is gone already
	require.Equal(t, []string{"q"}, p.Merge([]model.DataPoint{{Name: "q", DataSource: "x"}, {Name: "r", DataSource: "1"}, {Name: "q"}, {Name: "r", DataSource: "2"}}, false))
	require.Equal(t, []model.DataPoint{{Name: "q", DataSource: "2"}, {Name: "r", DataSource: "2"}}, *p.List, "of several with one name the last")
	require.Empty(t, p.Merge([]model.DataPoint{{Name: "q", DataSource: "x"}}, true))
	require.Equal(t, "x", (*p.List)[0].DataSource)
	require.NoError(t, d.Add(model.Dataset{Name: "d"}, true))
	d.MoveToEnd("d")
	require.Equal(t, []model.Dataset{{Name: "e"}, {Name: "d"}}, a.Properties.Datasets)
	_, err = a.PointItems("nowhere")
	require.True(t, fault.Is(err, fault.Invalid))

	require.NoError(t, a.EventGroupItems().Add(model.EventGroup{Name: "g"}, false))
	events, err := a.EventItems("g")
	require.NoError(t, err)
	require.NoError(t, events.Add(model.Event{Name: "e"}, false))
	require.NoError(t, a.ManagementGroupItems().Add(model.ManagementGroup{Name: "m"}, false))
	actions, err := a.ActionItems("m")
	require.NoError(t, err)
	require.NoError(t, actions.Add(model.Action{Name: "x"}, false))
	require.NoError(t, a.StreamItems().Add(model.Stream{Name: "s"}, false))
	require.Equal(t, "x", a.Properties.ManagementGroups[0].Actions[0].Name)
	_, err = a.EventItems("nowhere")
	require.ErrorContains(t, err, "event group nowhere not found in asset oven")
	_, err = a.ActionItems("nowhere")
	require.ErrorContains(t, err, "management group nowhere not found in asset oven")

	v := &model.Device{Meta: model.Meta{Name: "line1"}}
	require.NoError(t, v.AddEndpoint("plc", &model.Endpoint{}, false))
	require.ErrorContains(t, v.AddEndpoint("plc", &model.Endpoint{}, false), "--replace")
	require.NoError(t, v.AddEndpoint("plc", &model.Endpoint{Address: "x"}, true))
	v.RemoveEndpoints([]string{"plc", "nowhere"})
	require.Empty(t, v.Properties.Endpoints.Inbound)
}

func scope() model.Scope {
	return model.Scope{Instance: model.Key{Kind: model.KindInstance, Parent: "default", Name: "default"}, Namespace: parent, TopicNamespace: "plant"}
}

func TestAssignments(t *testing.T) {
	no := false
	d := device("Line1", "plc", "shared")
	d.Properties.Endpoints.Inbound["shared"].AdditionalConfiguration = `{"shared":true}`
	off := asset("off", "line1", "plc")
	off.Properties.Enabled = &no
	units, refused := scope().AssignDevice(d, []model.Object{
		asset("press", "line1", "plc"), asset("oven", "LINE1", "plc"), asset("b", "line1", "shared"), asset("a", "line1", "shared"), off, asset("lost", "line1", "nowhere"),
	})
	var names []string
	for _, u := range units {
		names = append(names, u.Unit.String()+":")
		for _, a := range u.Assets {
			names = append(names, a.Name)
		}
	}
	require.Equal(t, []string{"line1/plc/oven:", "oven", "line1/plc/press:", "press", "line1/shared:", "a", "b"}, names)
	require.Len(t, refused, 1)
	require.Equal(t, "EndpointNotFound", fault.CodeOf(refused[0].Err))

	d.Properties.Enabled = &no
	units, refused = scope().AssignDevice(d, []model.Object{asset("oven", "line1", "plc")})
	require.Empty(t, units)
	require.Empty(t, refused)
	_, refused = scope().AssignDevice(nil, []model.Object{asset("oven", "line9", "plc"), classic("mixer", "plc-9")})
	require.Len(t, refused, 2)
	for _, r := range refused {
		require.Equal(t, "DeviceNotFound", fault.CodeOf(r.Err))
	}

	p := &model.EndpointProfile{Meta: model.Meta{Name: "plc-1", Parent: "default"}}
	p.Properties.TargetAddress, p.Properties.EndpointProfileType = "opc.tcp://x", model.EndpointOPCUA
	units, refused = scope().AssignDevice(p, []model.Object{classic("mixer", "plc-1")})
	require.Empty(t, refused)
	require.Equal(t, "opc.tcp://x", units[0].Endpoint.Address)
	require.Equal(t, "plc-1/mixer", units[0].Unit.String())
}

func TestScope(t *testing.T) {
	s := scope()
	for k, in := range map[model.Key]bool{
		device("x").Key(): true, asset("x", "", "").Key(): true, classic("x", "").Key(): true,
		{Kind: model.KindDevice, Parent: "default/other", Name: "x"}:       false,
		{Kind: model.KindClassicAsset, Parent: "other", Name: "x"}:         false,
		{Kind: model.KindNamespace, Parent: "default", Name: "default"}:    false,
		{Kind: model.KindAsset, Parent: "DEFAULT/Default", Name: "x"}:      true,
		{Kind: model.KindEndpointProfile, Parent: "Default", Name: "x"}:    true,
		{Kind: model.KindInstance, Parent: "default", Name: "default"}:     false,
		{Kind: model.KindSecret, Parent: "default/default", Name: "plc-1"}: false,
	} {
		require.Equal(t, in, s.Contains(k), k.String())
	}
}

func TestDestinations(t *testing.T) {
	u := &model.Assignment{TopicNamespace: "ns"}
	a := asset("oven", "d", "e")
	a.Properties.Datasets = []model.Dataset{{Name: "one"}}
	require.Equal(t, "ns/data/oven", u.Destination(a, &a.Properties.Datasets[0]).Configuration.Topic)
	a.Properties.Datasets = append(a.Properties.Datasets, model.Dataset{Name: "two"})
	require.Equal(t, "ns/data/oven/two", u.Destination(a, &a.Properties.Datasets[1]).Configuration.Topic)
	own := model.Destination{Target: model.TargetStateStore, Configuration: model.DestinationConfiguration{Key: "k"}}
	a.Properties.DefaultDatasetsDestinations = []model.Destination{{Target: model.TargetMqtt, Configuration: model.DestinationConfiguration{Topic: "a"}}}
	require.Equal(t, "a", u.Destination(a, &a.Properties.Datasets[1]).Configuration.Topic)
	a.Properties.Datasets[1].Destinations = []model.Destination{own}
	require.Equal(t, own, u.Destination(a, &a.Properties.Datasets[1]))
}

func TestRenderHasTheEnvelope(t *testing.T) {
	a := asset("oven", "line1", "plc")
	a.Generation, a.Created, a.Updated = 3, time.Unix(1, 0).UTC(), time.Unix(2, 0).UTC()
	a.Location, a.Tags = "local", map[string]string{"k": "v"}
	a.Properties.Attributes = map[string]any{"n": json.Number("12345678901234567890")}
	doc, err := model.Render(a, &model.Status{HealthState: &model.HealthState{Status: model.HealthAvailable}})
	require.NoError(t, err)
	text, err := json.Marshal(doc)
	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{
		"name":"oven","location":"local","tags":{"k":"v"},"id":%q,"type":"microsoft.deviceregistry/namespaces/assets","resourceGroup":"default",
		"systemData":{"createdAt":"1970-01-01T00:00:01Z","lastModifiedAt":"1970-01-01T00:00:02Z","createdBy":"iotops","createdByType":"Application","lastModifiedBy":"iotops","lastModifiedByType":"Application"},
		"properties":{"deviceRef":{"deviceName":"line1","endpointName":"plc"},"attributes":{"n":12345678901234567890},"enabled":true,"version":3,
			"provisioningState":"Succeeded","lastTransitionTime":"1970-01-01T00:00:02Z","status":{"healthState":{"status":"Available"}}}}`, model.ID(a.Key())), string(text))

	c, err := model.Render(classic("oven", "plc"), &model.Status{
		Config:   &model.ConfigStatus{Version: 4, Error: &model.StatusError{Code: "X", Message: "wrong"}},
		Datasets: []model.DatasetStatus{{Name: "d", Error: &model.StatusError{Code: "Y", Message: "bad"}}},
	})
	require.NoError(t, err)
	status := c["properties"].(map[string]any)["status"].(map[string]any)
	require.Len(t, status["errors"], 2)
	require.EqualValues(t, json.Number("4"), status["version"])
	require.NotContains(t, status, "config")
	row := model.RenderRow(a)
	require.Equal(t, map[string]any{"k": "v"}, row["tags"])
	require.Nil(t, row["customLocation"])
}

func TestNewKnowsTheKinds(t *testing.T) {
	for _, k := range []model.Kind{
		model.KindInstance, model.KindNamespace, model.KindDevice, model.KindAsset, model.KindClassicAsset, model.KindEndpointProfile,
		model.KindSchemaRegistry, model.KindSchema, model.KindSchemaVersion,
	} {
		o, err := model.New(k)
		require.NoError(t, err)
		require.Equal(t, k, o.Kind())
		require.Equal(t, k, o.Key().Kind)
		require.NotNil(t, o.Head())
	}
	_, err := model.New("spaceship")
	require.Error(t, err)
}

func TestDiscoveredThingsBecomeRealOnes(t *testing.T) {
	d := &model.DiscoveredDevice{Meta: model.Meta{Name: "seen", Parent: parent}}
	require.ErrorContains(t, d.Validate(), "discoveryId")
	d.Properties.DiscoveryID, d.Properties.Version = "x", -1
	require.ErrorContains(t, d.Validate(), "version")
	d.Properties.Version = 1
	d.Properties.Endpoints.Inbound = map[string]*model.DiscoveredEndpoint{"e": {EndpointType: "T", Address: "a", AdditionalConfiguration: "{"}, "f": nil}
	require.ErrorContains(t, d.Validate(), "endpoints.inbound.e.additionalConfiguration")
	require.ErrorContains(t, d.Validate(), "endpoints.inbound.f")
	d.Properties.Endpoints.Inbound = map[string]*model.DiscoveredEndpoint{"e": {EndpointType: "T", Address: "a"}}
	made := d.Approved("line1")
	require.NoError(t, made.Validate())
	require.Equal(t, "seen", made.Properties.DiscoveredDeviceRef)

	a := &model.DiscoveredAsset{Meta: model.Meta{Name: "seen", Parent: parent}}
	require.ErrorContains(t, a.Validate(), "deviceRef")
	a.Properties.DiscoveryID = "x"
	a.Properties.DeviceRef = model.DeviceRef{DeviceName: "line1", EndpointName: "e"}
	a.Properties.Datasets = []model.Dataset{{Name: "d"}}
	require.NoError(t, a.Validate())
	oven := a.Approved("oven")
	oven.Properties.Datasets[0].Name = "other"
	require.Equal(t, "d", a.Properties.Datasets[0].Name, "nothing is shared")
	require.Equal(t, []string{"seen"}, oven.Properties.DiscoveredAssetRefs)
}
