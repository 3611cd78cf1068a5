// Package version says which build this is.
package version

import "runtime/debug"

// Set by the linker for releases.
var (
	number string //nolint:gochecknoglobals // the linker sets it
	commit string //nolint:gochecknoglobals // the linker sets it
	date   string //nolint:gochecknoglobals // the linker sets it
)

// Info is what is known of a build.
type Info struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Date    string `json:"date,omitempty"`
	Go      string `json:"go"`
}

// Get returns what the linker or the build recorded.
func Get() Info {
	info := Info{Version: number, Commit: commit, Date: date}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	info.Go = build.GoVersion
	if info.Version == "" {
		info.Version = build.Main.Version
	}
	for _, s := range build.Settings {
		switch {
		case s.Key == "vcs.revision" && info.Commit == "":
			info.Commit = s.Value
		case s.Key == "vcs.time" && info.Date == "":
			info.Date = s.Value
		}
	}
	if info.Version == "" || info.Version == "(devel)" {
		info.Version = "dev"
	}
	return info
}
