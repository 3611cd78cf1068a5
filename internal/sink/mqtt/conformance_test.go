package mqtt_test

import (
	"testing"

	"github.com/iotops/iotops/internal/sink/mqtt"
	"github.com/iotops/iotops/internal/sink/sinktest"
)

func TestConformance(t *testing.T) {
	sinktest.Run(t, func(t *testing.T) sinktest.Sink {
		b := broker(t, "127.0.0.1:0")
		far := subscribe(t, b.URL(), "sinktest/#")
		c := start(t, mqtt.Options{URL: b.URL(), ClientID: "conformance", Spool: newSpool(t)})
		connected(t, c)
		return sinktest.Sink{Publisher: c, Far: far}
	})
}
