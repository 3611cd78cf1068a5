// Package cli is how commands are written: what they accept, and what they say.
//
// It keeps the habits of Azure's command line, because scripts rely on them:
// unambiguous prefixes of long options, options with several values,
// three-state flags, key=value tokens, its error texts and its exit codes.
// cobra holds the tree of commands; parsing is done here.
//
// A command is a Verb in a file of its own:
//
//	func newShow(f *app.Factory) *cli.Command {
//		var name string
//		var place app.Place
//		return cli.NewVerb(cli.Verb{
//			Use:   "show",
//			Short: "Show an asset.",
//			Example: "iotops asset show -n oven",
//			Options: func(s *cli.Set) {
//				s.String(&name, "--name", "-n").Required().Doc("Name of the asset.").Complete(f.AssetNames)
//				f.Group(s, &place)
//			},
//			Run: func(ctx context.Context, io *cli.IO) error {
//				…
//				return io.Print(result)
//			},
//		})
//	}
//
// The declaration of an option is the only source of parsing, help, completion
// and documentation.
package cli
