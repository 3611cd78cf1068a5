// Package config finds the settings: flags, then the environment (IOTOPS_…),
// then a file, then defaults. It is the only package that imports viper.
package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/spf13/viper"

	"github.com/iotops/iotops/pkg/fault"
)

// Config is every setting. A setting is one line: its key in the file, its
// default, and what it means; the environment variable is IOTOPS_ and the key
// in capitals, dots as underscores.
type Config struct {
	Registry       string `mapstructure:"registry" doc:"folder of the registry"`
	Output         string `mapstructure:"output" default:"json" doc:"output format of commands"`
	Instance       string `mapstructure:"instance" default:"default" doc:"instance where a command names none"`
	ResourceGroup  string `mapstructure:"resourceGroup" default:"default" doc:"resource group where a command names none"`
	TopicNamespace string `mapstructure:"topicNamespace" default:"azure-iot-operations" doc:"first level of default topics"`
	KeyFile        string `mapstructure:"keyFile" doc:"file with the key that secrets are encrypted with: 32 bytes, or their base64; empty = keys/secrets.key of the registry's folder, made when it is needed"`
	LogLevel       string `mapstructure:"logLevel" default:"info" doc:"debug, info, warn or error"`

	MQTT   MQTT   `mapstructure:"mqtt"`
	Broker Broker `mapstructure:"broker"`
	API    API    `mapstructure:"api"`
	Spool  Spool  `mapstructure:"spool"`
}

// MQTT says which external broker to use; without a URL it is the embedded one.
type MQTT struct {
	URL      string `mapstructure:"url" doc:"external broker, mqtt://, mqtts://, ws:// or wss://; empty = the embedded one"`
	User     string `mapstructure:"user" doc:"user name"`
	Password string `mapstructure:"passwordRef" doc:"reference to the password: name/key, env:NAME or file:PATH"`
	CAFile   string `mapstructure:"caFile" doc:"PEM file of authorities that the broker's certificate is checked against"`
	CertFile string `mapstructure:"certFile" doc:"PEM file of the client certificate"`
	KeyFile  string `mapstructure:"keyFile" doc:"PEM file of the client certificate's key"`
	ClientID string `mapstructure:"clientId" doc:"client id; empty = iotops-HOST-INSTANCE"`
}

// Broker says where the embedded broker listens.
type Broker struct {
	Listen    string `mapstructure:"listen" default:"127.0.0.1:1883" doc:"address of the embedded broker; empty = none"`
	WebSocket string `mapstructure:"webSocket" doc:"address for MQTT over WebSocket; empty = none"`
	User      string `mapstructure:"user" doc:"user that clients must log in as; needed beyond loopback"`
	Password  string `mapstructure:"passwordRef" doc:"reference to that user's password"`
}

// API says where health, metrics and status are served.
type API struct {
	Listen string `mapstructure:"listen" default:"127.0.0.1:9600" doc:"address of health, metrics and status; empty = none"`
}

// Spool bounds what is kept on disk while a broker is away.
type Spool struct {
	MaxBytes int64 `mapstructure:"maxBytes" default:"1073741824" doc:"most bytes kept for a broker that is away"`
	MaxAge   int64 `mapstructure:"maxAgeSeconds" default:"604800" doc:"most seconds that a message is kept"`
}

// Setting is one setting with where its value comes from.
type Setting struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Origin string `json:"origin"` // flag, environment, file or default
	Env    string `json:"env"`
	Doc    string `json:"doc"`
}

// leaf is one setting of the struct.
type leaf struct{ key, def, doc, env string }

func leaves(t reflect.Type, prefix string) []leaf {
	var list []leaf
	for f := range t.Fields() {
		key := prefix + f.Tag.Get("mapstructure")
		if f.Type.Kind() == reflect.Struct {
			list = append(list, leaves(f.Type, key+".")...)
			continue
		}
		env := "IOTOPS_" + strings.ToUpper(strings.ReplaceAll(snake(key), ".", "_"))
		list = append(list, leaf{key, f.Tag.Get("default"), f.Tag.Get("doc"), env})
	}
	return list
}

// snake turns topicNamespace into topic_namespace.
func snake(key string) string {
	var b strings.Builder
	for _, r := range key {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Load returns the settings. file is a configuration file that must exist; ""
// looks in the usual places. flags, by key, win over everything.
func Load(file string, flags map[string]string) (*Config, []Setting, error) {
	v := viper.New()
	list := leaves(reflect.TypeFor[Config](), "")
	for _, l := range list {
		v.SetDefault(l.key, l.def)
		if err := v.BindEnv(l.key, l.env); err != nil {
			return nil, nil, err
		}
	}
	used, err := read(v, file)
	if err != nil {
		return nil, nil, err
	}
	for key, value := range flags {
		v.Set(key, value)
	}
	cfg := &Config{}
	if err := v.UnmarshalExact(cfg); err != nil {
		return nil, nil, fault.WithHint(fault.As(fault.Invalid, err, "configuration %s", used),
			"Every setting with its meaning: iotops config show")
	}
	settings := make([]Setting, 0, len(list))
	for _, l := range list {
		origin := "default"
		switch _, env := os.LookupEnv(l.env); {
		case flags[l.key] != "":
			origin = "flag"
		case env:
			origin = "environment"
		case used != "" && v.InConfig(l.key):
			origin = "file " + used
		}
		settings = append(settings, Setting{l.key, v.Get(l.key), origin, l.env, l.doc})
	}
	return cfg, settings, nil
}

// read reads the configuration file, if there is one, and returns its path.
func read(v *viper.Viper, file string) (string, error) {
	candidates := []string{file}
	if file == "" {
		candidates = candidates[:0]
		if dir, err := os.UserConfigDir(); err == nil {
			if x := os.Getenv("XDG_CONFIG_HOME"); x != "" {
				dir = x
			}
			candidates = append(candidates, filepath.Join(dir, "iotops", "config.yaml"))
		}
		candidates = append(candidates, "/etc/iotops/config.yaml")
	}
	for _, path := range candidates {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && file == "" {
			continue
		}
		v.SetConfigFile(path)
		if err := v.ReadInConfig(); err != nil {
			return "", fault.As(fault.Invalid, err, "configuration file")
		}
		return path, nil
	}
	return "", nil
}
