package app

import (
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/config"
)

// BrokerFlags are the options that name an external broker. Every command that
// publishes or subscribes has them.
type BrokerFlags struct {
	url, user, password, ca, cert, key, client *string
}

// Declare declares the options.
func (b *BrokerFlags) Declare(s *cli.Set) {
	s.Text(&b.url, "--mqtt-broker").Ours().Doc("External broker: mqtt://, mqtts://, ws:// or wss://HOST[:PORT].")
	s.Text(&b.user, "--mqtt-user").Ours().Doc("User name there.")
	s.Text(&b.password, "--mqtt-password-ref").Ours().Doc("Reference to the password: NAME/KEY, env:NAME or file:PATH.")
	s.Text(&b.ca, "--mqtt-ca-file").Ours().Doc("PEM file of authorities that the broker's certificate is checked against.")
	s.Text(&b.cert, "--mqtt-cert-file").Ours().Doc("PEM file of the client certificate.")
	s.Text(&b.key, "--mqtt-key-file").Ours().Doc("PEM file of the client certificate's key.")
	s.Text(&b.client, "--mqtt-client-id").Ours().Doc("Client id; the broker keeps the session under it.").Default("iotops-HOST-INSTANCE")
}

// Given reports whether a broker was named on the command line.
func (b *BrokerFlags) Given() bool { return b.url != nil && *b.url != "" }

// Apply returns the settings m with the options that were given.
func (b *BrokerFlags) Apply(m config.MQTT) config.MQTT {
	for _, x := range []struct{ dest, given *string }{
		{&m.URL, b.url},
		{&m.User, b.user},
		{&m.Password, b.password},
		{&m.CAFile, b.ca},
		{&m.CertFile, b.cert},
		{&m.KeyFile, b.key},
		{&m.ClientID, b.client},
	} {
		if x.given != nil {
			*x.dest = *x.given
		}
	}
	return m
}
