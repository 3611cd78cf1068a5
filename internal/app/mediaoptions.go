package app

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/pkg/fault"
)

// mediaTask is one thing that can be done with a media source.
type mediaTask struct {
	name    string
	keys    []string // members of its configuration besides taskType
	formats []string // nil = it has none
	family  string   // "snapshot"
}

func imageFormats() []string { return []string{"png", "bmp", "jpg", "jpeg", "tif", "tiff"} }

func clipFormats() []string {
	return []string{"avi", "mp4", "mkv", "mts", "mjpeg", "mpg", "mpeg", "flv", "webm"}
}

func mediaTasks() []mediaTask {
	rtsp := []string{"autostart", "mediaServerAddress", "mediaServerPort", "mediaServerPath", "mediaServerUsernameRef", "mediaServerPasswordRef"}
	return []mediaTask{
		{"snapshot-to-mqtt", []string{"autostart", "format", "snapshotsPerSecond"}, imageFormats(), "snapshot"},
		{"snapshot-to-fs", []string{"autostart", "format", "snapshotsPerSecond", "path"}, imageFormats(), "snapshot"},
		{"clip-to-fs", []string{"autostart", "format", "duration", "path"}, clipFormats(), "clip"},
		{"stream-to-rtsp", rtsp, nil, "stream"},
		{"stream-to-rtsps", append(slices.Clone(rtsp), "mediaServerCertificateRef"), nil, "stream"},
	}
}

// MediaStream are the options that make the configuration of a media stream.
type MediaStream struct {
	task string
	rows *cli.ConfigOptions
}

// Declare declares the options.
func (m *MediaStream) Declare(s *cli.Set) {
	all := mediaTasks()
	tasks := make([]string, len(all))
	for i, t := range all {
		tasks[i] = t.name
	}
	s.Enum(&m.task, tasks, "--task-type").Doc("What is done with the source.")
	formats := append(imageFormats(), clipFormats()...)
	m.rows = &cli.ConfigOptions{Rows: []cli.ConfigRow{
		{Names: []string{"--disable-autostart", "--da"}, Path: "autostart", Type: "not", Doc: "Do not begin by itself."},
		{Names: []string{"--task-format", "--format"}, Path: "format", Enum: formats, Doc: "Format of snapshots and clips."},
		{Names: []string{"--snapshots-per-sec", "--sps"}, Path: "snapshotsPerSecond", Type: "number", Min: new(int64(0)), Doc: "Snapshots a second."},
		{Names: []string{"--path", "-p"}, Path: "path", Type: "string", Doc: "Folder of snapshots and clips."},
		{Names: []string{"--duration"}, Path: "duration", Type: "int", Min: new(int64(1)), Doc: "Length of a clip, in seconds."},
		{Names: []string{"--media-server-address", "--ms-addr"}, Path: "mediaServerAddress", Type: "string", Doc: "Host of the media server."},
		{Names: []string{"--media-server-path", "--ms-path"}, Path: "mediaServerPath", Type: "string", Doc: "Path at the media server."},
		{Names: []string{"--media-server-port", "--ms-port"}, Path: "mediaServerPort", Type: "int", Min: new(int64(1)), Doc: "Port of the media server."},
		{Names: []string{"--media-server-user", "--ms-user"}, Path: "mediaServerUsernameRef", Type: "string", Doc: "Reference to the user name there."},
		{Names: []string{"--media-server-pass", "--ms-pass"}, Path: "mediaServerPasswordRef", Type: "string", Doc: "Reference to the password there."},
		{Names: []string{"--media-server-cert", "--ms-cert"}, Path: "mediaServerCertificateRef", Type: "string", Doc: "Reference to the certificate there."},
	}}
	m.rows.Declare(s)
}

// Text returns the configuration: stored with the given options put over it.
// Another task begins anew, with a warning.
func (m *MediaStream) Text(stored string, warn func(string)) (string, error) {
	given := m.rows.Given()
	if m.task == "" && len(given) == 0 {
		return stored, nil
	}
	var was struct {
		TaskType string `json:"taskType"`
		Format   string `json:"format"`
	}
	if stored != "" {
		if err := json.Unmarshal([]byte(stored), &was); err != nil {
			return "", fault.New(fault.Invalid, "the stored configuration is not a valid JSON object")
		}
	}
	name := m.task
	if name == "" {
		name = was.TaskType
	}
	if name == "" {
		return "", fault.New(fault.Invalid, "%s: what is to be done is missing: use --task-type", strings.Join(given, ", "))
	}
	if was.TaskType != "" && was.TaskType != name {
		warn("The task type changes from " + was.TaskType + " to " + name + ": the configuration begins anew.")
		stored = ""
	}
	i := slices.IndexFunc(mediaTasks(), func(t mediaTask) bool { return t.name == name })
	if i < 0 {
		return "", fault.New(fault.Invalid, "task type %q is not known", name)
	}
	if stored == "" {
		stored = `{"taskType":"` + name + `"}`
	}
	text, err := m.rows.Text(stored)
	if err != nil {
		return "", err
	}
	return text, mediaTasks()[i].check(given, text)
}

// check refuses what the task has no use for.
func (t mediaTask) check(given []string, text string) error {
	for _, key := range given {
		if !slices.Contains(t.keys, key) {
			return fault.New(fault.Invalid, "%s is not allowed for the task type %s; allowed: %s", key, t.name, strings.Join(t.keys, ", "))
		}
	}
	var now struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal([]byte(text), &now); err != nil {
		return fault.As(fault.Invalid, err, "configuration")
	}
	if slices.Contains(given, "format") && !slices.Contains(t.formats, now.Format) {
		return fault.New(fault.Invalid, "%s is no format of a %s; allowed: %s", now.Format, t.family, strings.Join(t.formats, ", "))
	}
	return nil
}
