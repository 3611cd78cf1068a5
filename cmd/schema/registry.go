package schema

import (
	"context"
	"strings"

	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/internal/schemas"
	"github.com/iotops/iotops/pkg/model"
)

// schemaRegistry holds the options of the commands on one schema registry.
type schemaRegistry struct {
	place app.Place
	name  string
	yes   bool
}

func newRegistry(f *app.Factory) *cli.Command {
	return cli.NewGroup("registry", "Manage schema registries. One called default is there from the start.",
		newRegistryCreate(f), newRegistryDelete(f), newRegistryList(f), newRegistryShow(f))
}

func (r *schemaRegistry) declare(f *app.Factory, s *cli.Set) {
	s.String(&r.name, "--name", "-n").Required().Doc("Name of the schema registry.").Complete(f.SchemaRegistryNames)
	f.Group(s, &r.place)
}

func (r *schemaRegistry) key() (model.Key, error) {
	group, err := r.place.GroupName()
	return model.Key{Kind: model.KindSchemaRegistry, Parent: group, Name: r.name}, err
}

// registryCreate holds the options of `schema registry create`.
type registryCreate struct {
	schemaRegistry
	namespace, location, description, screen string
	tags                                     map[string]string
	azure                                    azure
}

// azure holds options that only mean something to Azure.
type azure struct {
	account, container, role string
	skip                     bool
	options                  map[string]*cli.Option
}

func (a *azure) declare(s *cli.Set) {
	const without = " Accepted where a script passes it, and without effect."
	a.options = map[string]*cli.Option{
		"--sa-resource-id": s.String(&a.account, "--sa-resource-id").Doc("Id of a storage account." + without),
		"--sa-container":   s.String(&a.container, "--sa-container").Doc("Container in the storage account." + without),
		"--custom-role-id": s.String(&a.role, "--custom-role-id").Doc("Role for the storage account." + without),
		"--skip-ra":        s.Flag(&a.skip, "--skip-ra").Doc("Assign no role." + without),
	}
}

// warn says once which of the options were given for nothing.
func (a *azure) warn(io *cli.IO) {
	var given []string
	for _, name := range []string{"--sa-resource-id", "--sa-container", "--custom-role-id", "--skip-ra"} {
		if a.options[name].Given() {
			given = append(given, name)
		}
	}
	if len(given) > 0 {
		io.Warnf("Without effect here: %s. Schemas are kept in the registry of iotops, not in a storage account.", strings.Join(given, ", "))
	}
}

func newRegistryCreate(f *app.Factory) *cli.Command {
	var c registryCreate
	return cli.NewVerb(cli.Verb{
		Use: "create", Short: "Create a schema registry, or replace what is said of it.",
		Long: "The namespace tells its schemas from those of other registries: no two may have the same, and it never changes.",
		Example: `iotops schema registry create -n plant --registry-namespace plant
iotops schema registry create -n plant -g site1 --rn plant-site1 --display-name "Plant 1" --tags site=1`,
		Options: func(s *cli.Set) {
			c.declare(f, s)
			s.String(&c.namespace, "--registry-namespace", "--rn").Required().Doc("Namespace of the schemas.")
			c.azure.declare(s)
			s.String(&c.location, "--location", "-l").Doc("Location.").Default("local")
			s.String(&c.description, "--desc").Doc("Description.")
			s.String(&c.screen, "--display-name").Doc("Name on screens.")
			s.Tags(&c.tags, "--tags").Doc("Tags: key[=value] …")
		},
		Run: func(ctx context.Context, io *cli.IO) error { return c.run(ctx, f, io) },
	})
}

func (c *registryCreate) run(ctx context.Context, f *app.Factory, io *cli.IO) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	store, err := f.Registry(ctx)
	if err != nil {
		return err
	}
	o := &model.SchemaRegistry{Meta: model.Meta{Name: key.Name, Parent: key.Parent, Location: "local", Tags: c.tags}}
	if c.location != "" {
		o.Location = cli.Location(c.location)
	}
	o.Properties.Namespace, o.Properties.Description, o.Properties.DisplayName = c.namespace, c.description, c.screen
	if err := store.Update(ctx, func(tx *registry.Tx) error { return schemas.PutRegistry(ctx, tx, o) }); err != nil {
		return err
	}
	c.azure.warn(io)
	return show(ctx, io, store, o)
}

func newRegistryShow(f *app.Factory) *cli.Command {
	var r schemaRegistry
	return cli.NewVerb(cli.Verb{
		Use: "show", Short: "Show a schema registry.", Example: "iotops schema registry show -n default", Exits: exitNoRegistry,
		Options: func(s *cli.Set) { r.declare(f, s) },
		Run: func(ctx context.Context, io *cli.IO) error {
			key, err := r.key()
			if err != nil {
				return err
			}
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			o, err := schemas.Registry(ctx, store, key)
			if err != nil {
				return err
			}
			return show(ctx, io, store, o)
		},
	})
}

func newRegistryList(f *app.Factory) *cli.Command {
	var group string
	return cli.NewVerb(cli.Verb{
		Use: "list", Short: "List schema registries.", Example: "iotops schema registry list\niotops schema registry list -g site1 -o table",
		Options: func(s *cli.Set) { s.String(&group, "--resource-group", "-g").Doc("Only those of this resource group.") },
		Run: func(ctx context.Context, io *cli.IO) error {
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			return io.Print(app.ShowAll[*model.SchemaRegistry](ctx, store, registry.Query{Parent: group}, nil))
		},
	})
}

func newRegistryDelete(f *app.Factory) *cli.Command {
	var r schemaRegistry
	return cli.NewVerb(cli.Verb{
		Use: "delete", Short: "Delete a schema registry, which must be empty.", Example: "iotops schema registry delete -n plant -y", Exits: exitNoRegistry,
		Options: func(s *cli.Set) {
			r.declare(f, s)
			s.Flag(&r.yes, "--yes", "-y").Doc("Do not ask.")
		},
		Run: func(ctx context.Context, io *cli.IO) error {
			key, err := r.key()
			if err != nil {
				return err
			}
			store, err := f.Registry(ctx)
			if err != nil {
				return err
			}
			if _, err := registry.Get[*model.SchemaRegistry](ctx, store, key); err != nil {
				return err
			}
			return remove(ctx, io, store, key, r.yes)
		},
	})
}
