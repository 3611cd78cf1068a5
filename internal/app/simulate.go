package app

import (
	"context"
	"time"

	"github.com/iotops/iotops/internal/simulate/opcua"
	"github.com/iotops/iotops/pkg/connector"
)

// SimulateOptions say what Simulate serves.
type SimulateOptions struct {
	Listen   string        // host:port
	Counters int           // how many counters beside the plant
	Interval time.Duration // how often they go up
	User     string        // "" = anonymous
	Password connector.Secret
}

// Simulate serves the simulated plant over OPC UA until ctx ends. ready hears
// where.
func Simulate(ctx context.Context, o SimulateOptions, ready func(address string) error) error {
	so := opcua.Options{Listen: o.Listen, Beat: o.Interval}
	if o.User != "" {
		so.Users = map[string]string{o.User: o.Password.Reveal()}
	}
	s, err := opcua.Start(so) //nolint:contextcheck // it ends with Close
	if err != nil {
		return err
	}
	defer s.Close()
	s.AddPlant()
	if o.Counters > 0 {
		s.AddCounters(o.Counters)
	}
	if err := ready(s.URL()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
