//go:build integration

package mqtt_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/iotops/iotops/internal/sink/mqtt"
	"github.com/iotops/iotops/internal/sink/sinktest"
)

// TestMosquitto runs the conformance suite against a broker by other hands.
func TestMosquitto(t *testing.T) {
	address := os.Getenv("IOTOPS_TEST_MOSQUITTO")
	if address == "" {
		if strings.Contains(os.Getenv("IOTOPS_TEST_NO_SKIP"), "mosquitto") {
			t.Fatal("IOTOPS_TEST_MOSQUITTO is not set")
		}
		t.Skip("IOTOPS_TEST_MOSQUITTO is not set: .ci/test starts the broker")
	}
	url := "mqtt://" + address
	sinktest.Run(t, func(t *testing.T) sinktest.Sink {
		far := subscribe(t, url, "sinktest/#")
		c := start(t, mqtt.Options{URL: url, ClientID: "conformance-" + strconv.FormatInt(time.Now().UnixNano(), 36), Spool: newSpool(t)})
		connected(t, c)
		return sinktest.Sink{Publisher: c, Far: far}
	})
}
