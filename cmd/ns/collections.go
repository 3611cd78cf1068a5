package ns

import (
	"strconv"
	"unicode/utf8"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// collections returns the groups of commands on what is inside an asset of a type.
func collections(f *app.Factory, k *kind) []*cli.Command {
	var list []*cli.Command
	for _, g := range []*cli.Command{
		datasets().group(f, k), dataPoints().group(f, k), eventGroups().group(f, k), events().group(f, k),
		streams().group(f, k), managementGroups().group(f, k), actions().group(f, k),
	} {
		if g != nil {
			list = append(list, g)
		}
	}
	return list
}

// nameless are the names of the option with a thing's name, where -n means something else.
func nameless() []string { return []string{"--name"} }

// direct is where things are that lie in the asset itself.
func direct[T any](items func(*model.Asset) model.Items[T]) func(*model.Asset, string) (model.Items[T], error) {
	return func(o *model.Asset, _ string) (model.Items[T], error) { return items(o), nil }
}

func datasets() *collection[model.Dataset] {
	return &collection[model.Dataset]{
		word: "dataset", what: "dataset", name: nameless(), whole: true,
		of:    func(k *kind) *itemOptions { return k.dataset },
		items: direct((*model.Asset).DatasetItems),
		fresh: func(name string) model.Dataset {
			return model.Dataset{Name: name, Destinations: []model.Destination{}, DataPoints: []model.DataPoint{}}
		},
		source: possible, destOf: "the dataset's messages",
		parts: func(d *model.Dataset) parts {
			return parts{&d.DataSource, &d.TypeRef, &d.DatasetConfiguration, &d.Destinations}
		},
		file: itemFile[model.Dataset]{word: "datasets", count: "dataset_count"},
	}
}

func dataPoints() *collection[model.DataPoint] {
	return &collection[model.DataPoint]{
		word: "datapoint", what: "data point", parent: []string{"--dataset", "-d"}, inside: "dataset", name: nameless(),
		of:     func(k *kind) *itemOptions { return k.dataPoint },
		items:  (*model.Asset).PointItems,
		fresh:  func(name string) model.DataPoint { return model.DataPoint{Name: name} },
		source: required,
		parts: func(p *model.DataPoint) parts {
			return parts{&p.DataSource, &p.TypeRef, &p.DataPointConfiguration, nil}
		},
		file: itemFile[model.DataPoint]{
			word: "datapoints", count: "datapoint_count",
			head:  []string{"NodeID", "TagName", "QueueSize", "ObservabilityMode", "Sampling Interval Milliseconds"},
			cells: app.PointCells("dataPointConfiguration"),
			row: func(o *model.Asset, dataset string, p *model.DataPoint) []string {
				defaults := []string{}
				if d, err := o.DatasetItems().Find(dataset); err == nil {
					defaults = append(defaults, d.DatasetConfiguration)
				}
				defaults = append(defaults, o.Properties.DefaultDatasetsConfiguration)
				return []string{
					p.DataSource, p.Name, app.OwnOr("queueSize", p.DataPointConfiguration, defaults...),
					app.Known("observabilityMode", p.DataPointConfiguration), app.OwnOr("samplingInterval", p.DataPointConfiguration, defaults...),
				}
			},
		},
	}
}

func eventGroups() *collection[model.EventGroup] {
	return &collection[model.EventGroup]{
		word: "event-group", what: "event group", name: nameless(), whole: true,
		items: direct((*model.Asset).EventGroupItems), of: func(k *kind) *itemOptions { return k.eventGroup },
		fresh: func(name string) model.EventGroup {
			return model.EventGroup{Name: name, DefaultDestinations: []model.Destination{}, Events: []model.Event{}}
		},
		source: possible, destOf: "events that name none",
		parts: func(g *model.EventGroup) parts {
			return parts{&g.DataSource, &g.TypeRef, &g.EventGroupConfiguration, &g.DefaultDestinations}
		},
		file: itemFile[model.EventGroup]{word: "event_groups", count: "event_group_count"},
	}
}

func events() *collection[model.Event] {
	return &collection[model.Event]{
		word: "event", what: "event", parent: []string{"--event-group", "--eg"}, inside: "event group", name: nameless(),
		of:     func(k *kind) *itemOptions { return k.event },
		items:  (*model.Asset).EventItems,
		fresh:  func(name string) model.Event { return model.Event{Name: name} },
		source: possible, destOf: "the event's messages",
		parts: func(e *model.Event) parts {
			return parts{&e.DataSource, &e.TypeRef, &e.EventConfiguration, &e.Destinations}
		},
		file: itemFile[model.Event]{
			word: "events", count: "event_count",
			head:  []string{"Data Source", "EventName", "QueueSize", "ObservabilityMode"},
			cells: app.PointCells("eventConfiguration"),
			row: func(o *model.Asset, group string, e *model.Event) []string {
				defaults := []string{}
				if g, err := o.EventGroupItems().Find(group); err == nil {
					defaults = append(defaults, g.EventGroupConfiguration)
				}
				defaults = append(defaults, o.Properties.DefaultEventsConfiguration)
				return []string{e.DataSource, e.Name, app.OwnOr("queueSize", e.EventConfiguration, defaults...), app.Known("observabilityMode", e.EventConfiguration)}
			},
			adopt: func(o *model.Asset, group string, e *model.Event) {
				if len(e.Destinations) > 0 {
					return
				}
				e.Destinations = o.Properties.DefaultEventsDestinations
				if g, err := o.EventGroupItems().Find(group); err == nil && len(g.DefaultDestinations) > 0 {
					e.Destinations = g.DefaultDestinations
				}
			},
		},
	}
}

func streams() *collection[model.Stream] {
	return &collection[model.Stream]{
		word: "stream", what: "stream", name: nameless(), whole: true,
		of:     func(k *kind) *itemOptions { return k.stream },
		items:  func(o *model.Asset, _ string) (model.Items[model.Stream], error) { return o.StreamItems(), nil },
		fresh:  func(name string) model.Stream { return model.Stream{Name: name, Destinations: []model.Destination{}} },
		destOf: "the stream",
		parts:  func(x *model.Stream) parts { return parts{nil, &x.TypeRef, &x.StreamConfiguration, &x.Destinations} },
		file: itemFile[model.Stream]{
			word: "streams", count: "stream_count",
			slim: func(x model.Stream) any {
				return struct {
					Name                string `json:"name"`
					TypeRef             string `json:"typeRef,omitempty"`
					StreamConfiguration string `json:"streamConfiguration,omitempty"`
				}{x.Name, x.TypeRef, x.StreamConfiguration}
			},
			adopt: func(o *model.Asset, _ string, x *model.Stream) {
				if len(x.Destinations) == 0 {
					x.Destinations = append([]model.Destination{}, o.Properties.DefaultStreamsDestinations...)
				}
			},
			check: func(x *model.Stream) error { return within("stream name", x.Name, 1, maxName) },
		},
	}
}

// Bounds that the service has.
const (
	maxName = 128
	maxURI  = 512
)

func within(what, text string, least, most int) error {
	if n := utf8.RuneCountInString(text); n < least || n > most {
		return fault.New(fault.Invalid, "%s %q has %d characters, allowed are %d to %d", what, text, n, least, most)
	}
	return nil
}

func seconds(what string, n *int64) error {
	if n != nil && *n < 0 {
		return fault.New(fault.Invalid, "%s needs to be at least 0, not %d", what, *n)
	}
	return nil
}

func managementGroups() *collection[model.ManagementGroup] {
	return &collection[model.ManagementGroup]{
		word: "mgmt-group", what: "management group", name: []string{"--name", "-n"}, whole: true,
		of: func(k *kind) *itemOptions { return k.managementGroup },
		items: func(o *model.Asset, _ string) (model.Items[model.ManagementGroup], error) {
			return o.ManagementGroupItems(), nil
		},
		fresh: func(name string) model.ManagementGroup {
			return model.ManagementGroup{Name: name, Actions: []model.Action{}}
		},
		source: possible,
		parts: func(g *model.ManagementGroup) parts {
			return parts{&g.DataSource, &g.TypeRef, &g.ManagementGroupConfiguration, nil}
		},
		declare: func(s *cli.Set, form *itemForm) {
			s.Text(&form.topic, "--default-topic", "--dt").Doc("Topic of requests to actions that name none; \"\" clears it.")
			s.Int(&form.timeout, "--default-timeout", "--dto").Doc("How long an action may take, in seconds.").Default("100")
		},
		apply: func(g *model.ManagementGroup, form *itemForm) error {
			if form.topic != nil {
				g.DefaultTopic = *form.topic
			}
			if form.timeout != nil {
				g.DefaultTimeoutInSeconds = form.timeout
			}
			return seconds("--default-timeout", form.timeout)
		},
		file: itemFile[model.ManagementGroup]{
			word: "management_groups", count: "management_group_count",
			slim: func(g model.ManagementGroup) any {
				return struct {
					Name                    string `json:"name"`
					DataSource              string `json:"dataSource,omitempty"`
					DefaultTopic            string `json:"defaultTopic,omitempty"`
					DefaultTimeoutInSeconds *int64 `json:"defaultTimeoutInSeconds,omitempty"`
					TypeRef                 string `json:"typeRef,omitempty"`
				}{g.Name, g.DataSource, g.DefaultTopic, g.DefaultTimeoutInSeconds, g.TypeRef}
			},
			adopt: func(o *model.Asset, _ string, g *model.ManagementGroup) {
				if old, err := o.ManagementGroupItems().Find(g.Name); err == nil {
					g.Actions = old.Actions
				}
			},
			check: func(g *model.ManagementGroup) error {
				if err := within("management group name", g.Name, 1, maxName); err != nil {
					return err
				}
				if err := within("defaultTopic", g.DefaultTopic, 0, maxName); err != nil {
					return err
				}
				return seconds("defaultTimeoutInSeconds", g.DefaultTimeoutInSeconds)
			},
		},
	}
}

// actionTypes are what an action may be.
func actionTypes() []string { return []string{"Call", "Read", "Write"} }

func actions() *collection[model.Action] {
	return &collection[model.Action]{
		word: "mgmt-action", what: "action", parent: []string{"--group"}, inside: "management group", name: []string{"--name", "-n"},
		of:    func(k *kind) *itemOptions { return k.action },
		items: (*model.Asset).ActionItems,
		fresh: func(name string) model.Action { return model.Action{Name: name, ActionType: actionTypes()[0]} },
		parts: func(a *model.Action) parts { return parts{nil, &a.TypeRef, &a.ActionConfiguration, nil} },
		declare: func(s *cli.Set, form *itemForm) {
			form.action = actionTypes()[0]
			s.String(&form.uri, "--target-uri", "--uri").Required().Doc("What the source calls the action: a node, a command.")
			s.Text(&form.topic, "--topic", "-t").Doc("Topic of its requests.")
			s.Enum(&form.action, actionTypes(), "--action-type", "--at").Doc("What it does.").Default(actionTypes()[0])
			s.Int(&form.timeout, "--timeout", "--to").Doc("How long it may take, in seconds.")
		},
		apply: func(a *model.Action, form *itemForm) error {
			a.TargetURI, a.ActionType, a.TimeoutInSeconds = form.uri, form.action, form.timeout
			if form.topic != nil {
				a.Topic = *form.topic
			}
			return seconds("--timeout", form.timeout)
		},
		file: actionFile(),
	}
}

func actionFile() itemFile[model.Action] {
	return itemFile[model.Action]{
		word: "actions", count: "action_count",
		head: []string{"name", "targetUri", "actionType", "topic", "timeoutInSeconds"},
		cells: map[string]app.Cell{
			"name": {Member: "name"}, "Name": {Member: "name"}, "targetUri": {Member: "targetUri"}, "Target URI": {Member: "targetUri"},
			"actionType": {Member: "actionType"}, "Action Type": {Member: "actionType"}, "topic": {Member: "topic"}, "Topic": {Member: "topic"},
			"timeoutInSeconds": {Member: "timeoutInSeconds", Number: true}, "Timeout Seconds": {Member: "timeoutInSeconds", Number: true},
		},
		row: func(_ *model.Asset, _ string, a *model.Action) []string {
			timeout := ""
			if a.TimeoutInSeconds != nil {
				timeout = strconv.FormatInt(*a.TimeoutInSeconds, 10)
			}
			return []string{a.Name, a.TargetURI, a.ActionType, a.Topic, timeout}
		},
		slim: func(a model.Action) any { a.ActionConfiguration = ""; return a },
		check: func(a *model.Action) error {
			if err := within("action name", a.Name, 1, maxName); err != nil {
				return err
			}
			if err := within("targetUri", a.TargetURI, 1, maxURI); err != nil {
				return err
			}
			if err := within("topic", a.Topic, 0, maxName); err != nil {
				return err
			}
			return seconds("timeoutInSeconds", a.TimeoutInSeconds)
		},
	}
}
