package connector_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/pkg/connector"
)

type settings struct {
	Interval int64   `json:"interval" default:"1000" min:"-1" doc:"How often."`
	Ratio    float64 `json:"ratio,omitempty"`
	Session  *struct {
		Timeout *int64 `json:"timeout" min:"0"`
		Deep    struct {
			Mode string `json:"mode" enum:"none,sign"`
		} `json:"deep"`
	} `json:"session"`
	Names    []string `json:"names"`
	Password string   `json:"password" secret:"true"`
	On       bool     `json:"on"`
	Hidden   string   `json:"-"`
	internal int      //nolint:unused // shows that it is left out
}

func TestFieldsAreWhatTheStructSays(t *testing.T) {
	lowest, zero := -1.0, 0.0
	require.Equal(t, []connector.Field{
		{Path: "interval", Type: "int", Default: "1000", Min: &lowest, Doc: "How often."},
		{Path: "ratio", Type: "number"},
		{Path: "session.timeout", Type: "int", Min: &zero},
		{Path: "session.deep.mode", Type: "string", Enum: []string{"none", "sign"}},
		{Path: "names", Type: "list"},
		{Path: "password", Type: "string", Secret: true},
		{Path: "on", Type: "bool"},
	}, connector.Fields[settings]())
}

func TestSecretsDoNotShow(t *testing.T) {
	s := connector.NewSecret("hunter2")
	doc, err := json.Marshal(map[string]any{"s": s, "p": &s})
	require.NoError(t, err)
	for _, text := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s), fmt.Sprintf("%v", struct{ S connector.Secret }{s}), string(doc),
	} {
		require.NotContains(t, text, "hunter2")
		require.NotContains(t, text, "68756e74657232")
	}
	require.Equal(t, "hunter2", s.Reveal())
}
