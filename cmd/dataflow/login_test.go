package dataflow

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

func kindOf(t *testing.T, word string) kind {
	t.Helper()
	list := kinds()
	i := slices.IndexFunc(list, func(k kind) bool { return k.word == word })
	require.GreaterOrEqual(t, i, 0, word)
	return list[i]
}

type parts = model.DataflowAuthParts

// TestHowToLogIn goes through the rules: which method the options mean, which
// methods a type has, and what each method needs.
func TestHowToLogIn(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		name, kind string
		l          login
		want       string // JSON
		unused     []string
		refused    []string // what the message says
	}{
		{name: "nothing", kind: "adx", want: `{"method":"SystemAssignedManagedIdentity","systemAssignedManagedIdentitySettings":{}}`},
		{name: "audience", kind: "eventhub", l: login{given: parts{Audience: "a"}}, want: `{"method":"SystemAssignedManagedIdentity","systemAssignedManagedIdentitySettings":{"audience":"a"}}`},
		{name: "nothing where no identity is managed", kind: "local-mqtt", refused: []string{"SystemAssignedManagedIdentity", "local-mqtt", "ServiceAccountToken, X509Certificate"}},
		{name: "anonymous", kind: "local-mqtt", l: login{noAuth: &yes}, want: `{"method":"Anonymous"}`},
		{name: "not anonymous", kind: "custom-mqtt", l: login{noAuth: &no}, want: `{"method":"SystemAssignedManagedIdentity","systemAssignedManagedIdentitySettings":{}}`},
		{name: "anonymous comes first", kind: "custom-kafka", l: login{noAuth: &yes, given: parts{ClientID: "c", SecretRef: "s"}}, want: `{"method":"Anonymous"}`, unused: []string{"--client-id/--cid", "--secret-name/-s"}},
		{name: "anonymous and a method", kind: "custom-kafka", l: login{noAuth: &yes, method: model.FlowAuthSasl}, refused: []string{"--auth-type", "--no-auth"}},
		{name: "client and tenant", kind: "adx", l: login{given: parts{ClientID: "c", TenantID: "t"}}, want: `{"method":"UserAssignedManagedIdentity","userAssignedManagedIdentitySettings":{"clientId":"c","tenantId":"t"}}`},
		{name: "scope of data lakes", kind: "adls", l: login{given: parts{ClientID: "c", TenantID: "t"}}, want: `{"method":"UserAssignedManagedIdentity","userAssignedManagedIdentitySettings":{"clientId":"c","tenantId":"t","scope":"https://storage.azure.com/.default"}}`},
		{name: "scope", kind: "adls", l: login{given: parts{ClientID: "c", TenantID: "t", Scope: "s"}}, want: `{"method":"UserAssignedManagedIdentity","userAssignedManagedIdentitySettings":{"clientId":"c","tenantId":"t","scope":"s"}}`},
		{name: "client alone", kind: "adx", l: login{given: parts{ClientID: "c"}}, refused: []string{"UserAssigned", "--tenant-id"}},
		{name: "tenant alone", kind: "adx", l: login{given: parts{TenantID: "t"}}, refused: []string{"UserAssigned", "--client-id"}},
		{name: "scope alone", kind: "adx", l: login{given: parts{Scope: "s"}}, refused: []string{"--client-id", "--tenant-id"}},
		{name: "token of a service account", kind: "local-mqtt", l: login{serviceAudience: "a"}, want: `{"method":"ServiceAccountToken","serviceAccountTokenSettings":{"audience":"a"}}`},
		{name: "token before certificate", kind: "custom-mqtt", l: login{serviceAudience: "a", given: parts{SecretRef: "s"}}, want: `{"method":"ServiceAccountToken","serviceAccountTokenSettings":{"audience":"a"}}`, unused: []string{"--secret-name/-s"}},
		{name: "identity before token", kind: "custom-mqtt", l: login{serviceAudience: "a", given: parts{ClientID: "c", TenantID: "t"}}, want: `{"method":"UserAssignedManagedIdentity","userAssignedManagedIdentitySettings":{"clientId":"c","tenantId":"t"}}`, unused: []string{"--sat-audience/--sat-aud"}},
		{name: "certificate", kind: "eventgrid", l: login{given: parts{SecretRef: "s"}}, want: `{"method":"X509Certificate","x509CertificateSettings":{"secretRef":"s"}}`},
		{name: "SASL", kind: "eventhub", l: login{given: parts{SaslType: "Plain", SecretRef: "s"}}, want: `{"method":"Sasl","saslSettings":{"saslType":"Plain","secretRef":"s"}}`},
		{name: "SASL without a secret", kind: "eventhub", l: login{given: parts{SaslType: "Plain"}}, refused: []string{"Sasl", "--secret-name"}},
		{name: "SASL without a type", kind: "fabric-realtime", l: login{given: parts{SecretRef: "s"}}, refused: []string{"Sasl", "--sasl-type"}},
		{name: "access token", kind: "adls", l: login{given: parts{SecretRef: "s"}}, want: `{"method":"AccessToken","accessTokenSettings":{"secretRef":"s"}}`},
		{name: "the method is given", kind: "adls", l: login{method: model.FlowAuthSystemAssigned, given: parts{SecretRef: "s"}}, want: `{"method":"SystemAssignedManagedIdentity","systemAssignedManagedIdentitySettings":{}}`, unused: []string{"--secret-name/-s"}},
		{name: "the method is given alone", kind: "adls", l: login{method: model.FlowAuthAccessToken}, refused: []string{"AccessToken", "--secret-name"}},
		{name: "X.509 alone", kind: "custom-mqtt", l: login{method: model.FlowAuthX509}, refused: []string{"X509Certificate", "--secret-name"}},
		{name: "token alone", kind: "custom-mqtt", l: login{method: model.FlowAuthServiceAccountToken}, refused: []string{"ServiceAccountToken", "--sat-audience"}},
		{name: "token alone, one audience", kind: "local-mqtt", l: login{method: model.FlowAuthServiceAccountToken}, refused: []string{"ServiceAccountToken", "--audience"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := kindOf(t, c.kind)
			auth, unused, err := c.l.build(k, nil)
			if c.refused != nil {
				require.True(t, fault.Is(err, fault.Invalid))
				for _, word := range c.refused {
					require.ErrorContains(t, err, word)
				}
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.unused, unused)
			text, err := json.Marshal(auth)
			require.NoError(t, err)
			require.JSONEq(t, c.want, string(text))
		})
	}
}

func TestAnotherSecretKeepsTheRest(t *testing.T) {
	old := &model.DataflowAuthentication{Method: model.FlowAuthSasl, Sasl: &parts{SaslType: "Plain", SecretRef: "old"}}
	l := &login{given: parts{SecretRef: "new"}}
	auth, _, err := l.build(kindOf(t, "eventhub"), old)
	require.NoError(t, err)
	require.Equal(t, &parts{SaslType: "Plain", SecretRef: "new"}, auth.Sasl)
	require.Equal(t, "old", old.Sasl.SecretRef, "what is stored is not touched")

	l = &login{given: parts{ClientID: "c", TenantID: "t"}}
	auth, _, err = l.build(kindOf(t, "eventhub"), old)
	require.NoError(t, err)
	require.Nil(t, auth.Sasl, "another method has nothing of the one before")
}

func TestEveryTypeIsWhole(t *testing.T) {
	for _, k := range kinds() {
		require.NotEmpty(t, model.SettingsMember(k.endpointType), k.word)
		require.NotEmpty(t, k.create, k.word)
		require.NotEmpty(t, k.update, k.word)
		seen := map[string]bool{}
		for _, r := range k.rows {
			require.False(t, seen[r.Path], "%s: %s twice", k.word, r.Path)
			seen[r.Path] = true
			require.NotEmpty(t, r.Doc, r.Path)
		}
	}
}
