package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/config"
	"github.com/iotops/iotops/pkg/fault"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func origin(t *testing.T, list []config.Setting, key string) string {
	t.Helper()
	for _, s := range list {
		if s.Key == key {
			return s.Origin
		}
	}
	t.Fatalf("no setting %s", key)
	return ""
}

func TestPrecedence(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	cfg, list, err := config.Load("", nil)
	require.NoError(t, err)
	require.Equal(t, "azure-iot-operations", cfg.TopicNamespace)
	require.EqualValues(t, 1<<30, cfg.Spool.MaxBytes)
	require.Equal(t, "default", origin(t, list, "output"))

	file := write(t, "output: table\ninstance: plant\ntopicNamespace: f\nmqtt:\n  url: mqtt://x\n")
	t.Setenv("IOTOPS_INSTANCE", "env")
	t.Setenv("IOTOPS_TOPIC_NAMESPACE", "env")
	t.Setenv("IOTOPS_MQTT_USER", "u")
	cfg, list, err = config.Load(file, map[string]string{"instance": "flag"})
	require.NoError(t, err)
	require.Equal(t, "table", cfg.Output)
	require.Equal(t, "flag", cfg.Instance)
	require.Equal(t, "env", cfg.TopicNamespace)
	require.Equal(t, "mqtt://x", cfg.MQTT.URL)
	require.Equal(t, "u", cfg.MQTT.User)
	require.Equal(t, "file "+file, origin(t, list, "output"))
	require.Equal(t, "environment", origin(t, list, "topicNamespace"))
	require.Equal(t, "flag", origin(t, list, "instance"))
}

func TestMistakesAreErrors(t *testing.T) {
	for _, text := range []string{"outptu: table\n", "mqtt:\n  nosuch: 1\n", "spool:\n  maxBytes: many\n", "a: [\n"} {
		_, _, err := config.Load(write(t, text), nil)
		require.True(t, fault.Is(err, fault.Invalid), text)
	}
	_, _, err := config.Load(filepath.Join(t.TempDir(), "none.yaml"), nil)
	require.Error(t, err, "a file that was named must exist")
}
