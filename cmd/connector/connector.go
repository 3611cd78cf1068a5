// Package connector holds the commands for connectors.
package connector

import (
	"context"
	"fmt"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/pki"
	"github.com/iotops/iotops/pkg/connector"
)

// New returns the commands.
func New(f *app.Factory) *cli.Command {
	return cli.NewGroup("connector", "Connectors, and what they trust.",
		cli.NewGroup("opcua", "The connector for OPC UA.",
			newClient(f),
			newList(f, list{name: pki.Issuers, word: "issuer", what: "authorities between a trusted one and a server", resource: "aio-opc-ua-broker-issuer-list"}),
			newList(f, list{name: pki.Trusted, word: "trust", what: "servers, and authorities whose servers are trusted", resource: "aio-opc-ua-broker-trust-list"}),
		),
		newProbe(f),
		newRun(f),
	)
}

func newProbe(f *app.Factory) *cli.Command {
	var (
		name   []string
		target app.TargetFlags
	)
	return cli.NewVerb(cli.Verb{
		Use:   "probe",
		Short: "Try a server: can it be reached, who is it, does the login work.",
		Example: `iotops connector probe opc.tcp://plc:4840
iotops connector probe opc.tcp://plc:4840 --user operator --password-ref env:PLC_PASSWORD
iotops connector probe --device press --endpoint opcua`,
		Exits: "3  the device does not exist",
		Options: func(s *cli.Set) {
			target.Declare(s)
			s.Positional(&name, "[CONNECTOR] ADDRESS", "Address of the server, such as opc.tcp://plc:4840; or name one of the registry with --device.", 0, 2)
		},
		Run: func(ctx context.Context, s *cli.IO) error {
			// `probe opcua ADDRESS` is what is written in many places.
			if len(name) > 0 && strings.EqualFold(name[0], "opcua") {
				name = name[1:]
			}
			target.Address = name
			return probe(ctx, s, f, &target)
		},
	})
}

// probe prints what was found out even where the login fails: it says why.
func probe(ctx context.Context, s *cli.IO, f *app.Factory, t *app.TargetFlags) error {
	c, target, err := t.Resolve(ctx, f)
	if err != nil {
		return err
	}
	p, err := connector.Capability[connector.Prober](c)
	if err != nil {
		return err
	}
	result, probeErr := p.Probe(ctx, target)
	if len(result.Facts) == 0 {
		return probeErr
	}
	if err := printFacts(s, result); err != nil {
		return err
	}
	return probeErr
}

// printFacts prints lines for a person, an object for a program.
func printFacts(s *cli.IO, r connector.ProbeResult) error {
	if s.OutTTY && !s.Globals.OutputGiven() && s.Globals.Output == "json" && s.Globals.Query == nil {
		for _, fact := range r.Facts {
			if _, err := fmt.Fprintf(s.Out, "%-22s %s\n", fact.Name, cli.Printable(fact.Value.Text())); err != nil {
				return err
			}
		}
		return nil
	}
	doc := make(map[string]string, len(r.Facts))
	for _, fact := range r.Facts {
		doc[fact.Name] = fact.Value.Text()
	}
	return s.Print(doc)
}
