package app

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/output"
	"github.com/iotops/iotops/pkg/fault"
)

// The formats of files with items.
const (
	FormatJSON = "json"
	FormatYAML = "yaml"
	FormatCSV  = "csv"
)

// maxItemFile bounds a file with items, in bytes.
const maxItemFile = 256 << 20

// ItemFile is a file to which the items of a resource are exported.
type ItemFile struct {
	Dir, Base string // the name is Base and the format
	Format    string
	Replace   bool // an existing file
	Warn      func(string)
}

// Write writes a list of items, or, as CSV, rows that begin with a heading. It
// returns the absolute path. The file is there whole or not at all.
func (f ItemFile) Write(list any, rows [][]string) (string, error) {
	text, err := f.encode(list, rows)
	if err != nil {
		return "", err
	}
	dir, err := expand(f.Dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the user's own folder
		return "", fault.As(fault.Invalid, err, "output folder")
	}
	path, err := filepath.Abs(filepath.Join(dir, f.Base+"."+f.Format))
	if err != nil {
		return "", fault.As(fault.Invalid, err, "output folder")
	}
	if _, err := os.Lstat(path); err == nil {
		if !f.Replace {
			return "", fault.New(fault.Invalid, "the file %s already exists. Please choose another file name or add --replace", path)
		}
		f.Warn("The file " + path + " will be overwritten.")
	}
	return path, fault.As(fault.Invalid, replaceFile(path, text), "write %s", path)
}

// replaceFile writes beside a file and renames, so that nobody sees half of it.
func replaceFile(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".export-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()) //nolint:gosec // as any file that a command writes
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}

// expand returns a folder's path, ~ being the home.
func expand(dir string) (string, error) {
	rest, ok := strings.CutPrefix(dir, "~")
	if !ok || rest != "" && !os.IsPathSeparator(rest[0]) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, rest), fault.As(fault.Invalid, err, "output folder %s", dir)
}

func (f ItemFile) encode(list any, rows [][]string) ([]byte, error) {
	var b bytes.Buffer
	switch f.Format {
	case FormatCSV:
		w := csv.NewWriter(&b)
		w.UseCRLF = true
		err := w.WriteAll(rows)
		return b.Bytes(), err
	case FormatYAML:
		err := output.WriteYAML(&b, list)
		return b.Bytes(), err
	default:
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err := enc.Encode(list)
		return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
	}
}

// ReadItems reads a file with items. CSV rows come with their headings as
// names, blank cells left out; tabular says that it was such a file.
func ReadItems(path string) (items []map[string]any, tabular bool, err error) {
	text, err := readText(path)
	if err != nil {
		return nil, false, err
	}
	parse := map[string]func([]byte) ([]map[string]any, error){
		".json": itemsOfJSON, ".yaml": itemsOfYAML, ".yml": itemsOfYAML, ".csv": itemsOfCSV,
	}
	ext := strings.ToLower(filepath.Ext(path))
	if fn, known := parse[ext]; known {
		items, err = fn(text)
		return items, ext == ".csv", fault.As(fault.Invalid, err, "%s", path)
	}
	for _, ext := range []string{".json", ".yaml", ".csv"} {
		if items, err = parse[ext](text); err == nil {
			return items, ext == ".csv", nil
		}
	}
	return nil, false, fault.New(fault.Invalid, "%s is neither JSON nor YAML nor CSV with items", path)
}

// readText reads a file that must be UTF-8, with or without a byte order mark.
func readText(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fault.New(fault.Invalid, "the file %s does not exist.", path)
	case err != nil:
		return nil, fault.As(fault.Invalid, err, "read %s", path)
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.Invalid, "%s is not a file.", path)
	case info.Size() > maxItemFile:
		return nil, fault.New(fault.Invalid, "%s is larger than %d MiB", path, maxItemFile>>20)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the user named the file
	if err != nil {
		return nil, fault.As(fault.Invalid, err, "read %s", path)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		return nil, fault.New(fault.Invalid, "Failed to decode file %s: it is not UTF-8", path)
	}
	return text, nil
}

func itemsOfJSON(text []byte) ([]map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var list []map[string]any
	if err := dec.Decode(&list); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, "there is more after the list")
	}
	return list, nil
}

func itemsOfYAML(text []byte) ([]map[string]any, error) {
	var list []map[string]any
	err := yaml.Unmarshal(text, &list)
	return list, err
}

func itemsOfCSV(text []byte) ([]map[string]any, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if err != nil {
		return nil, err
	}
	list := []map[string]any{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		item := map[string]any{}
		for i, cell := range row {
			if i >= len(head) && strings.TrimSpace(cell) != "" {
				return nil, fault.New(fault.Invalid, "a row has more cells than the heading")
			}
			if i < len(head) && strings.TrimSpace(head[i]) != "" && strings.TrimSpace(cell) != "" {
				item[strings.TrimSpace(head[i])] = strings.TrimSpace(cell)
			}
		}
		if len(item) > 0 {
			list = append(list, item)
		}
	}
}

// DecodeItem turns what a file holds into an item. A member whose name ends in
// Configuration may be an object: it is stored as text. Unknown members are
// refused, because nothing else would tell of a misspelled one.
func DecodeItem(item map[string]any, to any) error {
	for key, v := range item {
		if o, ok := v.(map[string]any); ok && strings.HasSuffix(key, "Configuration") {
			text, err := json.Marshal(o)
			if err != nil {
				return err
			}
			item[key] = string(text)
		}
	}
	text, err := json.Marshal(item)
	if err != nil {
		return fault.As(fault.Invalid, err, "item")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return fault.As(fault.Invalid, dec.Decode(to), "item %v", item["name"])
}

// ExportFlags are the options of an export.
type ExportFlags struct {
	Format, Dir string
	Replace     bool
}

// Declare declares the options. csv says whether that is a format, too.
func (e *ExportFlags) Declare(s *cli.Set, csv bool) {
	formats := []string{FormatJSON, FormatYAML}
	if csv {
		formats = []string{FormatCSV, FormatJSON, FormatYAML}
	}
	e.Format, e.Dir = FormatJSON, "."
	s.Enum(&e.Format, formats, "--format", "-f").Doc("Format of the file.").Default(FormatJSON)
	s.String(&e.Dir, "--output-dir", "--od").Doc("Folder of the file; it is made where it is missing.").Default("the current one")
	s.Flag(&e.Replace, "--replace").Doc("Overwrite an existing file.")
}

// File returns the file that the options name.
func (e *ExportFlags) File(base string, io *cli.IO) ItemFile {
	return ItemFile{Dir: e.Dir, Base: base, Format: e.Format, Replace: e.Replace, Warn: func(w string) { io.Warnf("%s", w) }}
}

// Cell says where the text of a CSV cell goes.
type Cell struct {
	Member string // of the item
	Config string // member of the configuration that Member holds; "" = the item's own
	Number bool   // a whole number
	Title  bool   // first letter upper case, the rest lower
}

// ItemOfCells returns the item that a CSV row describes.
func ItemOfCells(row map[string]any, cells map[string]Cell) (map[string]any, error) {
	item := map[string]any{}
	for head, text := range row {
		c, known := cells[head]
		if !known {
			return nil, fault.New(fault.Invalid, "column %q is not known", head)
		}
		v, err := c.value(head, text)
		if err != nil {
			return nil, err
		}
		if c.Config == "" {
			item[c.Member] = v
			continue
		}
		config, ok := item[c.Member].(map[string]any)
		if !ok {
			config = map[string]any{}
			item[c.Member] = config
		}
		config[c.Config] = v
	}
	return item, nil
}

func (c Cell) value(head string, v any) (any, error) {
	text, _ := v.(string)
	if c.Title {
		first, rest := utf8.DecodeRuneInString(text)
		return string(unicode.ToUpper(first)) + strings.ToLower(text[rest:]), nil
	}
	if !c.Number {
		return text, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fault.New(fault.Invalid, "column %q: %q is not a whole number", head, text)
	}
	return n, nil
}

// Known returns a member of the first of several configuration texts that says
// something, as a CSV cell; "" if it does not hold the member.
func Known(member string, texts ...string) string {
	for _, text := range texts {
		var doc map[string]any
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		if dec.Decode(&doc) != nil || len(doc) == 0 {
			continue
		}
		if v, ok := doc[member]; ok && v != nil {
			return fmt.Sprint(v)
		}
		return ""
	}
	return ""
}

// OwnOr returns a member of an item's configuration, else of the first of the
// default ones that says something.
func OwnOr(member, own string, defaults ...string) string {
	if v := Known(member, own); v != "" {
		return v
	}
	return Known(member, defaults...)
}

// PointCells are the columns of data points and events, in all spellings.
// config is the member that holds the configuration.
func PointCells(config string) map[string]Cell {
	return map[string]Cell{
		"NodeID": {Member: "dataSource"}, "Data Source": {Member: "dataSource"},
		"TagName": {Member: "name"}, "EventName": {Member: "name"}, "Name": {Member: "name"},
		"QueueSize": {Member: config, Config: "queueSize", Number: true}, "Queue Size": {Member: config, Config: "queueSize", Number: true},
		"ObservabilityMode":              {Member: config, Config: "observabilityMode", Title: true},
		"Observability Mode":             {Member: config, Config: "observabilityMode", Title: true},
		"Sampling Interval Milliseconds": {Member: config, Config: "samplingInterval", Number: true},
	}
}
