package app

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/connector"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// TargetFlags are the options that name an endpoint to look at: one of a
// device in the registry, or an address typed by hand.
type TargetFlags struct {
	Address          []string
	Device, Endpoint string
	User, Password   string
	Policy, Mode     string
	Accept           bool
	Instance, Group  string
}

// Declare declares the options.
func (t *TargetFlags) Declare(s *cli.Set) {
	s.Positional(&t.Address, "ADDRESS", "Address of the server, such as opc.tcp://plc:4840; or name one of the registry with --device.", 0, 1)
	s.String(&t.Device, "--device", "-d").Doc("Device of the registry to look at.")
	s.String(&t.Endpoint, "--endpoint").Doc("Inbound endpoint of the device; not needed where it has one.")
	s.String(&t.User, "--user").Doc("User name to log in with, for an address typed by hand.")
	s.String(&t.Password, "--password-ref").Doc("Reference to the password: NAME/KEY, env:NAME or file:PATH.")
	s.String(&t.Policy, "--security-policy", "--sp").Doc("Security policy, such as Basic256Sha256; the best one offered if absent.")
	s.Enum(&t.Mode, []string{"none", "sign", "signAndEncrypt"}, "--security-mode", "--sm").Doc("Message security; the best one offered if absent.")
	s.Flag(&t.Accept, "--accept-certs", "--ac").Doc("Accept any server certificate, this once.")
	s.String(&t.Instance, "--instance", "-i").Doc("Instance of the device and the secrets.").Default("default")
	s.String(&t.Group, "--resource-group", "-g").Doc("Resource group of the instance.").Default("default")
}

// instance returns the key of the instance.
func (t *TargetFlags) instance(f *Factory) (model.Key, error) {
	cfg, err := f.Config()
	if err != nil {
		return model.Key{}, err
	}
	return model.Key{
		Kind: model.KindInstance, Parent: cmp.Or(t.Group, cfg.ResourceGroup), Name: cmp.Or(t.Instance, cfg.Instance),
	}, nil
}

// Resolve returns the endpoint, and the connector that speaks to it.
func (t *TargetFlags) Resolve(ctx context.Context, f *Factory) (connector.Connector, connector.Target, error) {
	target := connector.Target{Log: f.Log()}
	var err error
	switch {
	case len(t.Address) > 0 && t.Device != "":
		return nil, target, fault.New(fault.Invalid, "ADDRESS and --device are mutually exclusive")
	case len(t.Address) > 0:
		err = t.typed(&target)
	case t.Device != "":
		err = t.registered(ctx, f, &target)
	default:
		return nil, target, fault.New(fault.Invalid, "what to look at is missing: ADDRESS or --device")
	}
	if err != nil {
		return nil, target, err
	}
	if err := t.secrets(ctx, f, &target); err != nil {
		return nil, target, err
	}
	if target.Endpoint.AdditionalConfiguration, err = t.secure(target.Endpoint.AdditionalConfiguration); err != nil {
		return nil, target, err
	}
	set, err := f.Connectors()
	if err != nil {
		return nil, target, err
	}
	c, err := set.ForType(target.Endpoint.EndpointType)
	return c, target, err
}

// userReference stands for the user name of the command line.
const userReference = "--user"

// typed makes the target of an address that the user typed.
func (t *TargetFlags) typed(target *connector.Target) error {
	address := t.Address[0]
	if !strings.Contains(address, "://") {
		address = "opc.tcp://" + address
	}
	if !strings.HasPrefix(address, "opc.tcp://") {
		return fault.WithHint(fault.New(fault.Unsupported, "no connector can be told from this address"), "Addresses that are understood begin with opc.tcp://.")
	}
	if t.Endpoint != "" {
		return fault.New(fault.Invalid, "--endpoint goes with --device")
	}
	if (t.User == "") != (t.Password == "") {
		return fault.New(fault.Invalid, "a user name and a password go together: use both --user and --password-ref")
	}
	target.Endpoint = model.Endpoint{EndpointType: model.EndpointOPCUA, Address: address}
	if t.User != "" {
		target.Endpoint.Authentication = &model.Authentication{
			Method:                      model.AuthUsernamePassword,
			UsernamePasswordCredentials: &model.UsernamePasswordCredentials{UsernameSecretName: userReference, PasswordSecretName: t.Password},
		}
	}
	return nil
}

// registered makes the target of a device in the registry.
func (t *TargetFlags) registered(ctx context.Context, f *Factory, target *connector.Target) error {
	if t.User != "" || t.Password != "" {
		return fault.New(fault.Invalid, "--user and --password-ref go with ADDRESS: the endpoint of a device has its own")
	}
	store, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	key, err := t.instance(f)
	if err != nil {
		return err
	}
	inst, err := registry.Get[*model.Instance](ctx, store, key)
	if err != nil {
		return err
	}
	if inst.Properties.ADRNamespaceRef == nil {
		return fault.New(fault.Invalid, "instance %s has no Device Registry namespace", inst.Name)
	}
	ns, err := model.ParseID(model.KindNamespace, inst.Properties.ADRNamespaceRef.ResourceID)
	if err != nil {
		return err
	}
	device, err := registry.Get[*model.Device](ctx, store, model.Key{Kind: model.KindDevice, Parent: ns.Parent + "/" + ns.Name, Name: t.Device})
	if err != nil {
		return err
	}
	target.Device = device.Key()
	inbound := device.Properties.Endpoints.Inbound
	if t.Endpoint == "" {
		if len(inbound) != 1 {
			return fault.New(fault.Invalid, "device %s has %d inbound endpoints: say which one with --endpoint", device.Name, len(inbound))
		}
		for name := range inbound {
			target.Name = name
		}
	} else {
		target.Name = t.Endpoint
	}
	endpoint := inbound[target.Name]
	if endpoint == nil {
		return fault.New(fault.Invalid, "device %s has no inbound endpoint %s", device.Name, target.Name)
	}
	target.Endpoint = *endpoint
	return nil
}

// secrets lends the target what resolves its references. A registry is opened
// only where there is one to resolve.
func (t *TargetFlags) secrets(ctx context.Context, f *Factory, target *connector.Target) error {
	if target.Endpoint.Method() == model.AuthAnonymous {
		return nil
	}
	key, err := t.instance(f)
	if err != nil {
		return err
	}
	store, err := f.Secrets(ctx, key)
	if err != nil {
		return err
	}
	target.Secrets = typedUser{store, t.User}
	return nil
}

// typedUser resolves the user name of the command line too.
type typedUser struct {
	connector.Secrets
	user string
}

// Resolve implements connector.Secrets.
func (u typedUser) Resolve(ctx context.Context, ref string) (connector.Secret, error) {
	if ref == userReference {
		return connector.NewSecret(u.user), nil
	}
	return u.Secrets.Resolve(ctx, ref)
}

// secure puts the security options of the command line into a configuration.
func (t *TargetFlags) secure(text string) (string, error) {
	if t.Policy == "" && t.Mode == "" && !t.Accept {
		return text, nil
	}
	doc := map[string]any{}
	if strings.TrimSpace(text) != "" {
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return "", fault.As(fault.Invalid, err, "additionalConfiguration")
		}
	}
	security, _ := doc["security"].(map[string]any)
	if security == nil {
		security = map[string]any{}
	}
	if t.Policy != "" {
		name := strings.TrimPrefix(t.Policy, policyURI)
		for _, known := range opcuaPolicyNames() {
			if strings.EqualFold(known, name) {
				name = known
			}
		}
		security["securityPolicy"] = policyURI + name
	}
	if t.Mode != "" {
		security["securityMode"] = t.Mode
	}
	if t.Accept {
		security["autoAcceptUntrustedServerCertificates"] = true
	}
	doc["security"] = security
	out, err := json.Marshal(doc)
	return string(out), err
}

// policyURI is what the URIs of OPC UA's security policies begin with.
const policyURI = "http://opcfoundation.org/UA/SecurityPolicy#"

func opcuaPolicyNames() []string {
	return []string{"None", "Basic128Rsa15", "Basic256", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"}
}
