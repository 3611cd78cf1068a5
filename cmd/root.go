package cmd

import (
	"github.com/iotops/iotops/cmd/asset"
	"github.com/iotops/iotops/cmd/backup"
	"github.com/iotops/iotops/cmd/browse"
	"github.com/iotops/iotops/cmd/connector"
	"github.com/iotops/iotops/cmd/dataflow"
	"github.com/iotops/iotops/cmd/history"
	"github.com/iotops/iotops/cmd/ns"
	"github.com/iotops/iotops/cmd/schema"
	"github.com/iotops/iotops/cmd/secret"
	"github.com/iotops/iotops/cmd/serve"
	"github.com/iotops/iotops/cmd/simulate"
	"github.com/iotops/iotops/cmd/status"
	"github.com/iotops/iotops/cmd/tool"
	"github.com/iotops/iotops/cmd/watch"
	"github.com/iotops/iotops/internal/app"
	"github.com/iotops/iotops/internal/cli"
)

// Root returns the tree of commands: one line a noun.
func Root(f *app.Factory) *cli.Command {
	var root *cli.Command
	nouns := []*cli.Command{
		asset.New(f),
		browse.New(f),
		connector.New(f),
		dataflow.New(f),
		history.New(f),
		ns.NewDevice(f),
		ns.New(f),
		schema.New(f),
		secret.New(f),
		serve.New(f),
		simulate.New(f),
		status.New(f),
		watch.New(f),
		tool.NewConfig(f),
		tool.NewVersion(),
		tool.NewCompletion(func() *cli.Command { return root }),
		tool.NewGenerate(func() *cli.Command { return root }),
		tool.NewInstallShim(),
	}
	root = cli.NewGroup("iotops", "Devices, assets and connectors of the industrial edge.", append(append(ns.NewInstance(f), backup.New(f)...), nouns...)...)
	root.Cobra.CompletionOptions.DisableDefaultCmd = true
	return root
}
