package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// values are what the options of a test's command end up with.
type values struct {
	name      string
	text      *string
	number    *int64
	ratio     *float64
	verbose   bool
	state     *bool
	mode      string
	list      []string
	extend    []string
	appended  [][]string
	tags      map[string]string
	positions []string
}

func declare(positional bool) (*Set, *values) {
	v, s := &values{}, &Set{}
	s.String(&v.name, "--name", "-n")
	s.Text(&v.text, "--endpoint-address", "--address").Deprecated("--addr", "--address")
	s.Int(&v.number, "--number")
	s.Float(&v.ratio, "--ratio")
	s.Flag(&v.verbose, "--verbose", "-v")
	s.ThreeState(&v.state, "--disabled")
	s.Enum(&v.mode, []string{"None", "SignAndEncrypt"}, "--mode")
	s.List(&v.list, "--list")
	s.Extend(&v.extend, "--extend")
	s.Append(&v.appended, "--append")
	s.Tags(&v.tags, "--tags")
	s.Text(new(*string), "--endpoint-own").Ours()
	if positional {
		s.Positional(&v.positions, "ADDRESS", "", 1, 2)
	}
	return s, v
}

func TestParse(t *testing.T) {
	for _, x := range []struct {
		args string
		want values
	}{
		{"--name a", values{name: "a"}},
		{"--name a -n b", values{name: "b"}},
		{"--name=a=b", values{name: "a=b"}},
		{"-na", values{name: "a"}},
		{"-n=a", values{name: "a"}},
		{"--name=", values{}},
		{"--na a", values{name: "a"}},
		{"--endpoint-a opc.tcp://x", values{text: new("opc.tcp://x")}},
		{"--addr x", values{text: new("x")}},
		{"--number -5", values{number: new(int64(-5))}},
		{"--ratio -.5", values{ratio: new(-.5)}},
		{"-v", values{verbose: true}},
		{"--disabled", values{state: new(true)}},
		{"--disabled false", values{state: new(false)}},
		{"--disabled=N --verbose", values{state: new(false), verbose: true}},
		{"--mode signandencrypt", values{mode: "SignAndEncrypt"}},
		{"--list a b --list c", values{list: []string{"c"}}},
		{"--extend a b --extend c", values{extend: []string{"a", "b", "c"}}},
		{"--append k=v a=b --append c", values{appended: [][]string{{"k=v", "a=b"}, {"c"}}}},
		{"--tags a=1 b= c =d", values{tags: map[string]string{"a": "1", "b": "", "c": ""}}},
		{"--tags", values{tags: map[string]string{}}},
		{"--list -", values{list: []string{"-"}}},
	} {
		t.Run(x.args, func(t *testing.T) {
			s, v := declare(false)
			require.NoError(t, parse("iotops x", s, strings.Fields(x.args), func(string) {}))
			require.Equal(t, x.want, *v)
		})
	}
}

func TestParseValuesBeside(t *testing.T) {
	for args, want := range map[string]values{
		"a":                 {positions: []string{"a"}},
		"a --name n b":      {name: "n", positions: []string{"a", "b"}},
		"-v a":              {verbose: true, positions: []string{"a"}},
		"--disabled a":      {state: new(true), positions: []string{"a"}},
		"--disabled no a":   {state: new(false), positions: []string{"a"}},
		"-n n -- --name -v": {name: "n", positions: []string{"--name", "-v"}},
	} {
		t.Run(args, func(t *testing.T) {
			s, v := declare(true)
			require.NoError(t, parse("iotops x", s, strings.Fields(args), func(string) {}))
			require.Equal(t, want, *v)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for args, says := range map[string]string{
		"--name":             "argument --name/-n: expected one argument",
		"--name --verbose":   "argument --name/-n: expected one argument",
		"--list":             "argument --list: expected at least one argument",
		"--number x":         "argument --number: invalid int value: 'x'",
		"--ratio x":          "argument --ratio: invalid float value: 'x'",
		"--verbose=1":        "argument --verbose/-v: ignored explicit argument '1'",
		"--mode loud":        "iotops x: 'loud' is not a valid value for '--mode'.\nAllowed values: None, SignAndEncrypt.",
		"--disabled perhaps": "iotops x: 'perhaps' is not a valid value for '--disabled'.\nAllowed values: false, true.",
		"--nonsense a b -v":  "unrecognized arguments: --nonsense a b",
		"stray":              "unrecognized arguments: stray",
		"-- --name":          "unrecognized arguments: --name",
		"--endpoint-ow x":    "unrecognized arguments: --endpoint-ow x", // no prefix means an option of ours
		"--l x --":           "",
	} {
		t.Run(args, func(t *testing.T) {
			s, _ := declare(false)
			err := parse("iotops x", s, strings.Fields(args), func(string) {})
			if says == "" {
				require.NoError(t, err)
				return
			}
			var refused *UsageError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, says, err.Error())
		})
	}
	s, _ := declare(true)
	require.EqualError(t, parse("iotops x", s, nil, nil), "the following arguments are required: ADDRESS")
	s, _ = declare(true)
	require.EqualError(t, parse("iotops x", s, []string{"a", "b", "c"}, nil), "unrecognized arguments: c")
	s = &Set{}
	s.String(new(string), "--name", "-n").Required()
	s.String(new(string), "--device").Required()
	require.EqualError(t, parse("iotops x", s, nil, nil), "the following arguments are required: --name/-n, --device")
	s = &Set{}
	s.String(new(string), "--key-a")
	s.String(new(string), "--key-b")
	require.EqualError(t, parse("iotops x", s, []string{"--key", "x"}, nil), "ambiguous option: --key could match --key-a, --key-b")
}

func TestOldSpellingsWarn(t *testing.T) {
	s, _ := declare(false)
	var warned []string
	require.NoError(t, parse("iotops x", s, []string{"--addr", "x"}, func(w string) { warned = append(warned, w) }))
	require.Equal(t, []string{"Option '--addr' has been deprecated and will be removed in a future release. Use '--address' instead."}, warned)
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"--name\x00a", "-n\x00\x00--", "--=\x00-", "-v=1\x00--tags\x00=", "--disabled\x00t\x00--\x00x"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, line string, positional bool) {
		s, v := declare(positional)
		if err := parse("iotops x", s, strings.Split(line, "\x00"), func(string) {}); err != nil {
			var refused *UsageError
			require.ErrorAs(t, err, &refused, "what the parser refuses is always wrong usage")
			return
		}
		require.LessOrEqual(t, len(v.positions), 2)
	})
}

func TestPairs(t *testing.T) {
	var warned []string
	list := Pairs([]string{"a=1", "b", "c=", "=d", "e=f=g"}, "--data", func(w string) { warned = append(warned, w) })
	require.Equal(t, []Pair{{"a", "1"}, {"c", ""}, {"e", "f=g"}}, list)
	require.Len(t, warned, 3)
	require.Equal(t, "westeurope", Location("West Europe"))
}

func TestConfigurationText(t *testing.T) {
	zero := int64(0)
	rows := []ConfigRow{
		{Names: []string{"--publish-interval", "--pi"}, Path: "publishingInterval", Type: "int", Default: 1000, Min: &zero},
		{Names: []string{"--queue"}, Path: "defaults.queueSize", Type: "int", Min: &zero},
		{Names: []string{"--accept"}, Path: "security.autoAccept", Type: "bool", Default: false},
		{Names: []string{"--policy"}, Path: "security.policy", Enum: []string{"None", "Basic256"}, Prefix: "http://x#"},
		{Names: []string{"--app"}, Path: "applicationName"},
	}
	text := func(full bool, stored, args string) (string, error) {
		c, s := &ConfigOptions{Rows: rows, Full: full}, &Set{}
		c.Declare(s)
		require.NoError(t, parse("iotops x", s, strings.Fields(args), nil))
		return c.Text(stored)
	}
	for _, x := range []struct {
		full               bool
		stored, args, want string
	}{
		{false, "", "", `{}`},
		{true, "", "--queue 5", `{"publishingInterval":1000,"defaults":{"queueSize":5},"security":{"autoAccept":false,"policy":null},"applicationName":null}`},
		{false, "", "--policy basic256 --accept", `{"security":{"autoAccept":true,"policy":"http://x#Basic256"}}`},
		{false, `{"z":1.0,"security":{"k":[1],"policy":"p"},"publishingInterval":7}`, "--policy none --pi 0", `{"z":1.0,"security":{"k":[1],"policy":"http://x#None"},"publishingInterval":0}`},
		{false, `{"security":"x"}`, "--accept f", `{"security":{"autoAccept":false}}`},
	} {
		got, err := text(x.full, x.stored, x.args)
		require.NoError(t, err)
		require.Equal(t, x.want, got)
	}
	_, err := text(false, "", "--pi -1 --queue -2")
	require.EqualError(t, err, "Invalid input data:\n--publish-interval needs to be at least 0. (publishingInterval is -1)\n--queue needs to be at least 0. (defaults.queueSize is -2)")
	for _, stored := range []string{"[]", "{", "1", `{"a":}`} {
		_, err := text(false, stored, "")
		require.ErrorContains(t, err, "not a valid JSON object", stored)
	}
}

func TestSimilarWords(t *testing.T) {
	g := NewGroup("iotops", "", NewVerb(Verb{Use: "device"}), NewVerb(Verb{Use: "asset"}), NewVerb(Verb{Use: "devise", Hidden: true}))
	require.Equal(t, []string{"device"}, g.similar("devce"))
	require.Empty(t, g.similar("broker"))
	err := g.runGroup(System(), []string{"assets"})
	require.ErrorContains(t, err, "Did you mean 'asset'?")
}
