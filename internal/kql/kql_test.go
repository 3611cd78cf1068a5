package kql_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iotops/iotops/internal/kql"
	"github.com/iotops/iotops/pkg/fault"
)

type row = map[string]any

// assets is what the tables below are run over.
func assets() []row {
	var list []row
	dec := json.NewDecoder(strings.NewReader(`[
		{"name": "oven", "location": "WestUS", "resourceGroup": "rg1", "tags": {"env": "Prod", "my tag": "x", "line": "North-America 1"},
		 "properties": {"enabled": true, "version": 3, "deviceRef": {"deviceName": "line1"}, "datasets": [{"name": "main", "n": 1}, {"name": "aux", "n": 2}]}},
		{"name": "Öfen", "location": "westus", "resourceGroup": "rg1", "tags": {"env": "prod"},
		 "properties": {"enabled": false, "version": 10, "deviceRef": {"deviceName": "Line2"}, "datasets": []}},
		{"name": "pump", "location": "eastus", "resourceGroup": "rg2", "tags": {"env": "", "line": null},
		 "properties": {"version": 2.5, "serial": "10", "it's": 1}},
		{"name": "fan", "location": "eastus", "resourceGroup": "RG2", "tags": null, "properties": {"version": 9007199254740993}}
	]`))
	dec.UseNumber()
	if err := dec.Decode(&list); err != nil {
		panic(err)
	}
	return list
}

func seq(list []row) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func run(t *testing.T, query string, list []row) []row {
	t.Helper()
	q, err := kql.Parse(query)
	require.NoError(t, err, query)
	out := []row{}
	for r, err := range q.Run(seq(list)) {
		require.NoError(t, err)
		out = append(out, r)
	}
	return out
}

func names(list []row) string {
	all := make([]string, 0, len(list))
	for _, r := range list {
		all = append(all, fmt.Sprint(r["name"]))
	}
	return strings.Join(all, " ")
}

func TestWhere(t *testing.T) {
	const all = "oven Öfen pump fan"
	for _, c := range []struct{ condition, want string }{
		{`name == "oven"`, "oven"},
		{`name == 'Oven'`, ""},
		{`name =~ 'OVEN'`, "oven"},
		{`name =~ 'öfen'`, "Öfen"},
		{`'PUMP' =~ name`, "pump"},
		{`name != 'oven'`, "Öfen pump fan"},
		{`name !~ 'OVEN'`, "Öfen pump fan"},
		{`name contains 'VE'`, "oven"},
		{`name contains 'ÖF'`, "Öfen"},
		{`name !contains 'E'`, "pump fan"},
		{`name startswith 'P'`, "pump"},
		{`name startswith 'ö'`, "Öfen"},
		{`name !startswith 'P'`, "oven Öfen fan"},
		{`name endswith 'EN'`, "oven Öfen"},
		{`name endswith 'oven and more'`, ""},
		{`name !endswith 'EN'`, "pump fan"},
		{`name contains resourceGroup or name startswith name`, all},
		{`tags.line has 'america'`, "oven"},
		{`tags.line has 'amer'`, ""},
		{`tags.line has 'north-america'`, "oven"},
		{`tags.line has '-america'`, "oven"},
		{`tags.line has ''`, "oven"},
		{`tags.line !has 'america'`, "Öfen pump fan"},
		{`tags has 'prod'`, "oven Öfen"},
		{`properties.datasets contains '"aux"'`, "oven"},
		{`name in ('oven', 'PUMP')`, "oven"},
		{`name in~ ('oven', "PUMP")`, "oven pump"},
		{`name !in ('oven', 'PUMP')`, "Öfen pump fan"},
		{`name !in~ ('oven', 'PUMP')`, "Öfen fan"},
		{`name in (tags.nothing, 'fan')`, "fan"},
		{`tags.env in~ (tags.env)`, "oven Öfen pump"},
		{`properties.version in (3, 2.5)`, "oven pump"},
		{`properties.version in ('3')`, "oven"},
		{`tags.env in ('prod')`, "Öfen"},
		{`tags.env !in ('prod')`, "oven pump fan"},
		{`properties.datasets in ('x', '[]')`, ""},
		{`properties.version < 3`, "pump"},
		{`properties.version <= 3`, "oven pump"},
		{`properties.version > 3`, "Öfen fan"},
		{`properties.version >= 3.0`, "oven Öfen fan"},
		{`properties.version > -1e3 and 3 > properties.version`, "pump"},
		{`properties.version == 3.0`, "oven"},
		{`properties.version == 9007199254740992`, ""},
		{`properties.version == 9007199254740993`, "fan"},
		{`properties.version > 'a'`, ""},
		{`name > 'o' and name < 'p'`, "oven"},
		{`properties.serial == 10`, "pump"},
		{`properties.enabled == true`, "oven"},
		{`properties.enabled == 'true'`, "oven"},
		{`properties.enabled =~ 'TRUE'`, "oven"},
		{`properties.enabled == 1`, ""},
		{`properties.enabled`, "oven"},
		{`not(properties.enabled)`, "Öfen"},
		{`properties.enabled != true`, "Öfen pump fan"},
		{`true`, all},
		{`false`, ""},
		{`null`, ""},
		{`name`, ""},

		{`tags.env == 'prod' or name == 'fan' and resourceGroup == 'rg2'`, "Öfen"},
		{`(tags.env =~ 'prod' or name == 'fan') and resourceGroup =~ 'rg2'`, "fan"},
		{`not(name == 'fan' or (name == 'pump'))`, "oven Öfen"},
		{`resourceGroup == 'rg1' and name != 'oven' and true`, "Öfen"},

		// Null equals nothing, differs from everything else, and is in no order.
		{`tags.env == null`, ""},
		{`tags.env != null`, "oven Öfen pump"},
		{`tags.nothing == tags.nothing`, ""},
		{`tags.nothing != tags.nothing`, ""},
		{`tags.env != 'prod'`, "oven pump fan"},
		{`tags.env !~ 'prod'`, "pump fan"},
		{`not(tags.env == 'prod')`, "oven pump fan"},
		{`not(tags.nothing == null)`, ""},
		{`tags.nothing > 1 or true`, all},
		{`tags.nothing > 1 or false`, ""},
		{`not(tags.nothing > 1 and false)`, all},
		{`not(tags.nothing > 1 and true)`, ""},
		{`not(tags.nothing)`, ""},
		{`tags.nothing contains ''`, ""},
		{`name contains null`, ""},
		{`name !contains null`, all},
		{`name contains tags.nothing`, ""},
		{`name !contains tags.nothing`, all},

		{`isnull(tags.env)`, "fan"},
		{`isnotnull(tags.line)`, "oven"},
		{`isempty(tags.env)`, "pump fan"},
		{`isnotempty(tags.env)`, "oven Öfen"},
		{`tolower(location) == 'westus'`, "oven Öfen"},
		{`toupper(tolower(name)) == 'ÖFEN'`, "Öfen"},
		{`tostring(tags.nothing) == ''`, all},
		{`tostring(properties.version) == '3'`, "oven"},
		{`toint(properties.serial) == 10`, "pump"},
		{`toint(properties.version) == 2`, "pump"},
		{`toint(properties.enabled) == 1`, "oven"},
		{`isnull(toint(name)) and isnull(toint(tags)) and isnull(toint(1e300))`, all},
		{`strlen(name) == 4 and strlen(tags.nothing) == 0`, "oven Öfen pump"},
		{`array_length(properties.datasets) == 2`, "oven"},
		{`isnull(array_length(properties.datasets))`, "pump fan"},

		{`properties.deviceRef.deviceName == 'line1'`, "oven"},
		{`properties["deviceRef"]['deviceName'] == "line1"`, "oven"},
		{`['name'] == 'fan'`, "fan"},
		{`tags['my tag'] == 'x'`, "oven"},
		{`properties.datasets[0].name == 'main'`, "oven"},
		{`properties.datasets[-1].name == 'aux'`, "oven"},
		{`isnotnull(properties.datasets[2]) or isnotnull(properties.datasets[-3])`, ""},
		{`isnotnull(name.first) or isnotnull(name[0])`, ""},
		{`properties['it\'s'] == 1`, "pump"},
		{`properties[@'it''s'] == 1`, "pump"},
		{`'ΟΔΟΣ ſK' =~ 'οδος sk' and 'οδος' in~ ('ΟΔΟΣ') and 'ΟΔΟΣ' contains 'δος' and 'xΟΔΟΣ' endswith 'ος' and 'Ü b' has 'ü'`, all},
		{`'İ' =~ 'i' or 'İ' contains 'i' or 'aü' has 'ü' or 'ü' startswith 'u'`, ""},
		{`'a\\b\t\u00d6\ud83d\ude00"' == @'a\b` + "\t" + `Ö😀"'`, all},
		{`"\"\r\n" != '"'`, all},
		{"name == // the end of the line is a comment, with 'quotes\n 'fan' // too", "fan"},
		{`properties.datasets == properties.datasets`, "oven Öfen"},
		{`properties == tags`, ""},
		{`location=="eastus"and(name=="fan")`, "fan"},
	} {
		require.Equal(t, c.want, names(run(t, "where "+c.condition, assets())), "%s", c.condition)
	}
}

func TestOperators(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{`| project name, device=properties.deviceRef.deviceName | take 1`, `[{"device":"line1","name":"oven"}]`},
		{`project properties.deviceRef.deviceName, properties.datasets[0].name, tags['my tag'] | take 1`, `[{"properties_datasets_0_name":"main","properties_deviceRef_deviceName":"line1","tags_my tag":"x"}]`},
		{
			`project tolower(name), n=1, tostring(tags.env), ['odd name']=name == 'oven', strlen(name) | take 1`,
			`[{"Column1":"oven","Column2":4,"n":1,"odd name":true,"tags_env":"Prod"}]`,
		},
		{`project nothing | take 1`, `[{"nothing":null}]`},
		{`project-away tags, properties, ['location'], nothing | take 1`, `[{"name":"oven","resourceGroup":"rg1"}]`},
		{`extend name = tolower(name), was = name | project name, was | where was startswith 'Ö'`, `[{"name":"öfen","was":"Öfen"}]`},
		{`extend tags.env | project tags_env | limit 2`, `[{"tags_env":"Prod"},{"tags_env":"prod"}]`},
		{`take 0`, `[]`},
		{`count`, `[{"Count":4}]`},
		{`where false | count`, `[{"Count":0}]`},
		{`resources | count`, `[{"Count":4}]`},
		{`Resources | where name == 'fan' | count`, `[{"Count":1}]`},
		{`| resources | count | count`, `[{"Count":1}]`},
		{`summarize count()`, `[{"count_":4}]`},
		{`where false | summarize n = count()`, `[{"n":0}]`},
		{`where false | summarize count() by name`, `[]`},
		{`summarize count() by resourceGroup`, `[{"count_":2,"resourceGroup":"rg1"},{"count_":1,"resourceGroup":"rg2"},{"count_":1,"resourceGroup":"RG2"}]`},
		{
			`summarize n=count() by group=tolower(resourceGroup), location | project group, location, n`,
			`[{"group":"rg1","location":"WestUS","n":1},{"group":"rg1","location":"westus","n":1},{"group":"rg2","location":"eastus","n":2}]`,
		},
		{`summarize n=count() by properties.enabled | order by n`, `[{"n":2,"properties_enabled":null},{"n":1,"properties_enabled":true},{"n":1,"properties_enabled":false}]`},
		{`distinct tolower(location)`, `[{"Column1":"westus"},{"Column1":"eastus"}]`},
		{`distinct resourceGroup, location | take 2`, `[{"location":"WestUS","resourceGroup":"rg1"},{"location":"westus","resourceGroup":"rg1"}]`},
		{`extend a = properties.datasets | where isempty(a) | distinct a`, `[{"a":null}]`},
		{`project text = tostring(properties.datasets) | take 1`, `[{"text":"[{\"n\":1,\"name\":\"main\"},{\"n\":2,\"name\":\"aux\"}]"}]`},
		{`top 1 by properties.version | project name`, `[{"name":"fan"}]`},
		{`top 0 by name`, `[]`},
		{`filter name == 'fan' | project name`, `[{"name":"fan"}]`},
		{
			`project a = 1.5, b = -2, c = 1e30, d = null, e = true, f = 12345678901234567890 | take 1`,
			`[{"a":1.5,"b":-2,"c":1e+30,"d":null,"e":true,"f":12345678901234567000}]`,
		},
	} {
		got, err := json.Marshal(run(t, c.query, assets()))
		require.NoError(t, err)
		require.Equal(t, c.want, string(got), "%s", c.query)
	}
	require.Equal(t, assets(), run(t, "resources", assets()))
}

func TestOrder(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{`order by name`, "Öfen pump oven fan"},
		{`sort by name asc`, "fan oven pump Öfen"},
		{`order by properties.version`, "fan Öfen oven pump"},
		{`order by properties.version asc`, "pump oven Öfen fan"},
		{`order by tags.env asc`, "fan pump oven Öfen"},
		{`order by tags.env desc`, "Öfen oven pump fan"},
		{`order by tags.env asc nulls last`, "pump oven Öfen fan"},
		{`order by tags.env nulls first`, "fan Öfen oven pump"},
		{`order by tolower(location) asc, name desc`, "pump fan Öfen oven"},
		{`order by properties.enabled`, "oven Öfen pump fan"},
		{`order by properties.datasets asc`, "pump fan oven Öfen"},
		{`top 2 by name asc`, "fan oven"},
		{`top 3 by tolower(location), name`, "Öfen oven pump"},
		{`top 9 by name asc nulls first`, "fan oven pump Öfen"},
	} {
		require.Equal(t, c.want, names(run(t, c.query, assets())), c.query)
	}
}

// TestOrderIsStable sorts many rows by few values: rows that are equal stay in
// their order, and top gives the first of what order by gives.
func TestOrderIsStable(t *testing.T) {
	var list []row
	for i := range 2000 {
		list = append(list, row{"i": i, "key": json.Number(strconv.Itoa(i * 7919 % 13)), "even": i%2 == 0})
	}
	for _, by := range []string{"key", "key asc", "even, key asc", "nothing"} {
		sorted := run(t, "order by "+by, list)
		require.Len(t, sorted, len(list))
		for i := 1; i < len(sorted); i++ {
			a, b := sorted[i-1], sorted[i]
			if a["key"] == b["key"] && a["even"] == b["even"] || by == "nothing" {
				require.Less(t, a["i"], b["i"], by)
			}
		}
		for _, n := range []int{1, 5, 63, 64, 65, 500, 1999, 2000, 5000} {
			require.Equal(t, sorted[:min(n, len(list))], run(t, fmt.Sprintf("top %d by %s", n, by), list), "%d %s", n, by)
		}
	}
}

func TestMixedKindsHaveAnOrder(t *testing.T) {
	list := []row{
		{"v": "x"},
		{"v": 1.5},
		{"v": []any{}},
		{"v": true},
		{"v": nil},
		{"v": int64(1)},
		{"v": false},
		{"v": json.Number("2")},
		{"v": 3},
		{"v": json.Number("2.25")},
		{"v": int64(9223372036854775807)},
		{"v": 9223372036854775808.0},
	}
	got, err := json.Marshal(run(t, "order by v asc", list))
	require.NoError(t, err)
	require.JSONEq(t, `[{"v":null},{"v":false},{"v":true},{"v":1},{"v":1.5},{"v":2},{"v":2.25},{"v":3},{"v":9223372036854775807},{"v":9223372036854775808},{"v":"x"},{"v":[]}]`, string(got))
	require.Len(t, run(t, "where v == 9223372036854775807", list), 1)
	require.Len(t, run(t, "distinct v", append(list, row{"v": 1.0}, row{"v": json.Number("2.0")}, row{"v": json.Number("1")})), len(list))
}

// TestKeysAreExact tells apart what looks alike, and joins what is equal.
func TestKeysAreExact(t *testing.T) {
	object := func(text string) row {
		var r row
		require.NoError(t, json.Unmarshal([]byte(text), &r))
		return r
	}
	list := []row{
		object(`{"a":"x","b":"yz"}`), object(`{"a":"xy","b":"z"}`), object(`{"a":"1"}`), object(`{"a":1}`), object(`{"a":true}`), object(`{"a":"true"}`),
		object(`{"a":["x","y"]}`), object(`{"a":["xy"]}`), object(`{"a":{"k":1}}`), object(`{"a":{"k":"1"}}`), object(`{"a":null}`), object(`{"a":""}`), object(`{"a":0.5}`),
	}
	require.Len(t, run(t, "distinct a, b", append(list, object(`{"a":{"k":1.0}}`), row{}, object(`{"a":1}`))), len(list))
}

func TestText(t *testing.T) {
	list := []row{{"v": []any{"a\"\\\n\r\t\x01ö<", 1.5, 1e-7, 1e21, 0.0, int64(-3), 4, json.Number("1.50"), true, nil, row{"b": "x", "a": []any{}}, struct{}{}}}}
	require.Equal(t, []row{{"v": `["a\"\\\n\r\t\u0001ö<",1.5,1e-07,1e+21,0,-3,4,1.50,true,null,{"a":[],"b":"x"},null]`}}, run(t, "project v = tostring(v)", list))
	require.Equal(t, []row{{"v": "1.50"}}, run(t, "project v = tostring(v[7])", list))
}

func TestRefusals(t *testing.T) {
	const operators = "supported: where, filter, project, project-away, extend, order, sort, take, limit, top, count, summarize, distinct"
	const comparisons = "supported: ==, !=, =~, !~, <, <=, >, >=, contains, !contains, startswith, !startswith, endswith, !endswith, has, !has, in, !in, in~, !in~, and, or"
	for _, c := range []struct{ query, want string }{
		{"", "the query is empty"},
		{" // nothing", "the query is empty"},
		{"|", "query, line 1, column 2: expected an operator such as where, found the end of the query"},
		{"resources |", "column 12: expected an operator such as where, found the end of the query"},
		{"| where name == 'ö' | join kind=inner (x) on y", "query, line 1, column 23: operator join is not supported; " + operators},
		{"take 1\n| mv-expand x to typeof(string)", "query, line 2, column 3: operator mv-expand is not supported; " + operators},
		{"project-rename a=b", "column 1: operator project-rename is not supported; " + operators},
		{"let x = 5; resources", "column 1: operator let is not supported"},
		{"Where true", "column 1: operator Where is not supported"},
		{"project - away x", "column 11: expected a number after -, found away"},
		{"advisorresources | take 1", "column 1: table advisorresources is not supported; supported: resources"},
		{"advisorresources", "table advisorresources is not supported"},
		{"| advisorresources", "operator advisorresources is not supported"},
		{"resources where true", "operator resources is not supported"},
		{"where true take 1", "column 12: operator take is not supported; " + comparisons},
		{"count x", "column 7: expected | or the end of the query, found x"},
		{"count | | count", "column 9: expected an operator such as where, found |"},
		{"take 1; take 2", "column 7: expected | or the end of the query, found ;"},

		{"where", "column 6: expected a column or a value, found the end of the query"},
		{"where name matches regex 'a\\d'", "column 12: operator matches is not supported; " + comparisons},
		{"where n between (1 .. 2)", "column 9: operator between is not supported"},
		{"where n !between (1 .. 2)", "operator !between is not supported"},
		{"where n has_any ('x')", "operator has_any is not supported"},
		{"where name = 'x'", "column 12: operator = is not supported; supported: ==, "},
		{"where n + 1 == 2", "operator + is not supported"},
		{"where my-tag == 2", "operator - is not supported"},
		{"where a == b == c", "column 14: expected | or the end of the query, found =="},
		{"where a ==", "column 11: expected a column or a value"},
		{"where a == b c", "column 14: expected | or the end of the query, found c"},
		{"where and", "column 7: expected a column or a value, found and"},
		{"where a and", "expected a column or a value"},
		{"where 'x'", "column 7: where needs a condition, such as name == 'x'"},
		{"where tolower(a)", "column 7: where needs a condition"},
		{"where a or 5", "column 12: or needs a condition"},
		{"where 5 and a", "column 7: and needs a condition"},
		{"where not('x')", "column 11: not needs a condition"},
		{"where not a", "column 11: expected ( after not, found a"},
		{"where (a == b", "column 14: expected ), found the end of the query"},
		{"where ago(1d) < x", "column 7: function ago is not supported; supported: not, isnull, isnotnull, isempty, isnotempty, tolower, toupper, tostring, toint, strlen, array_length"},
		{"where strlen(a, b) == 1", "column 15: strlen takes one value"},
		{"where strlen() == 1", "column 14: expected a column or a value, found )"},
		{"where a in 'x'", "column 12: expected ( and a list of values, found the text \"x\""},
		{"where a in ()", "column 13: expected a column or a value, found )"},
		{"where a in ('x' 'y')", "column 17: expected , or ), found the text \"y\""},
		{"where a in ('x', ", "expected a column or a value, found the end"},
		{"where in ('x')", "expected a column or a value, found in"},

		{"where a.", "column 9: expected the name of a property after ., found the end"},
		{"where a.5", "expected the name of a property after ., found 5"},
		{"where a[b]", "column 9: expected a 'name' or an index, found b"},
		{"where a[0", "column 10: expected ], found the end"},
		{"where a[1.5]", "column 9: 1.5 is not an index"},
		{"where a[99999999999]", "column 9: 99999999999 is not an index"},
		{"where a[-'x']", "expected a 'name' or an index"},
		{"where [a]", "column 8: expected a column as ['name'], found a"},
		{"where [", "column 8: expected a column as ['name'], found the end"},
		{"where a == 'x", "column 12: the text that begins here has no end"},
		{"where a == 'x\n'", "column 12: the text that begins here has no end"},
		{"where a == 'x\\", "the text that begins here has no end"},
		{"where a == 'x\\\n'", "the text that begins here has no end"},
		{"where a == @'x", "the text that begins here has no end"},
		{`where a == 'x\d'`, `column 12: a text has no escape \d; write \\ for a backslash, or the text as @'…'`},
		{`where a == '\u12'`, `a text has no escape \u`},
		{"where a == 1d", "column 12: 1d is not a number"},
		{"where a == 0x1F", "0x1F is not a number"},
		{"where a == 1e999", "1e999 is not a number that can be computed with"},
		{"where a == -'x'", "expected a number after -"},
		{"where a == #", "expected a column or a value, found #"},
		{"where a == {}", "expected a column or a value, found {"},

		{"project", "expected a column or a value"},
		{"project a,", "expected a column or a value"},
		{"project a, a", "column 12: column a occurs twice"},
		{"project a.b, a_b", "column a_b occurs twice"},
		{"project *", "column 9: expected a column or a value, found *"},
		{"project-away a.b", "column 15: expected | or the end of the query, found ."},
		{"project-away *", "column 14: expected the name of a column, found *"},
		{"extend x =", "expected a column or a value"},
		{"distinct *", "expected a column or a value, found *"},
		{"order name", "column 7: expected by, found name"},
		{"order by", "expected a column or a value"},
		{"order by a up", "operator up is not supported"},
		{"order by a nulls middle", "column 18: expected first or last, found middle"},
		{"take", "column 5: expected a number of rows, found the end"},
		{"take x", "expected a number of rows, found x"},
		{"take -1", "expected a number of rows, found -"},
		{"take 1.5", "column 6: 1.5 is not a number of rows"},
		{"take 99999999999", "99999999999 is not a number of rows"},
		{"top x by y", "expected a number of rows"},
		{"top 5", "column 6: expected by"},
		{"top 5 by", "expected a column or a value"},
		{"summarize", "expected count(), found the end"},
		{"summarize 5", "expected count(), found 5"},
		{"summarize s = sum(n)", "column 15: summarize sum is not supported; supported: count()"},
		{"summarize by a", "column 11: summarize by is not supported; supported: count()"},
		{"summarize count", "expected () after count"},
		{"summarize count(n)", "column 17: expected () after count, found n"},
		{"summarize count(), m=count()", "column 18: summarize takes one count()"},
		{"summarize count() by", "expected a column or a value"},
		{"summarize count() by a, count_", "column 22: column count_ occurs twice"},
		{"summarize n=count() by n", "column n occurs twice"},

		{"where " + strings.Repeat("(", 101) + "a" + strings.Repeat(")", 101), "column 107: parentheses are nested more than 100 deep"},
		{"where " + strings.Repeat("not(", 101) + "a" + strings.Repeat(")", 101), "nested more than 100 deep"},
		{strings.Repeat("count|", 200) + "count", "a query has at most 200 operators"},
		{strings.Repeat(" ", kql.MaxLength) + "count", "a query has at most 65536 bytes, this one 65541"},
		{"where a == '\xff'", "a query is UTF-8 text"},
	} {
		q, err := kql.Parse(c.query)
		require.ErrorContains(t, err, c.want, "%s", c.query)
		require.Nil(t, q)
		require.True(t, fault.Is(err, fault.Invalid), "%s", c.query)
	}
	_, err := kql.Parse("where my-tag == 2")
	require.Len(t, fault.Hints(err), 1)
}

func TestLimitsAreReached(t *testing.T) {
	run(t, "where "+strings.Repeat("(", 100)+"true"+strings.Repeat(")", 100), assets())
	run(t, strings.Repeat("count|", 199)+"count", assets())
	long := "where name == 'x'" + strings.Repeat(" or name == 'fan'", 3000)
	require.Equal(t, "fan", names(run(t, long, assets())))
}

// TestLongTextsCostLittle reads texts as long as may be, of one thing over and
// over: neither memory nor the error grows with the square of the length.
func TestLongTextsCostLittle(t *testing.T) {
	for _, c := range []struct{ lead, unit string }{
		{"where '", "\\"},
		{"where ", "'"},
		{"where ", "@'''"},
		{"where ", "!a"},
		{"where ", "a or "},
		{"where ", "a."},
		{"where ", "a[0]"},
		{"where ", "['a']"},
		{"where ", "("},
		{"where ", "not("},
		{"where a ", "in~"},
		{"where a in (", "'a',"},
		{"where a in (", "a,"},
		{"where a == ", "-"},
		{"where a == ", "1"},
		{"project ", "a,"},
		{"project ", "a="},
		{"project ", "a"},
		{"take ", "1"},
		{"order ", "a"},
		{"", "project-"},
		{"", "a"},
		{"", "//\n"},
		{"", "\n"},
		{"", "count|"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		q, err := kql.Parse(c.lead + strings.Repeat(c.unit, (kql.MaxLength-len(c.lead))/len(c.unit)))
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), "%s %s", c.lead, c.unit)
		if err != nil {
			require.Less(t, len(err.Error()), 1000)
			continue
		}
		for _, err := range q.Run(seq(assets())) {
			require.NoError(t, err)
		}
	}
}

// TestStreams counts the rows that are asked for until the first result.
func TestStreams(t *testing.T) {
	for _, c := range []struct {
		query string
		asked int
	}{
		{"where n >= 3", 4},
		{"project n", 1},
		{"project-away x", 1},
		{"extend x = n", 1},
		{"distinct n", 1},
		{"take 5", 1},
		{"where n > 1 | extend x = n | project x | distinct x | take 2", 3},
		{"order by n", 100},
		{"top 1 by n", 100},
		{"count", 100},
		{"summarize count() by n", 100},
	} {
		q, err := kql.Parse(c.query)
		require.NoError(t, err)
		asked := 0
		rows := func(yield func(row, error) bool) {
			for i := range 100 {
				asked++
				if !yield(row{"n": i}, nil) {
					return
				}
			}
		}
		for _, err := range q.Run(rows) {
			require.NoError(t, err)
			break
		}
		require.Equal(t, c.asked, asked, c.query)
	}
	asked := 0
	q, err := kql.Parse("take 3")
	require.NoError(t, err)
	for _, err := range q.Run(func(yield func(row, error) bool) {
		for {
			asked++
			if !yield(row{}, nil) {
				return
			}
		}
	}) {
		require.NoError(t, err)
	}
	require.Equal(t, 3, asked, "take asks for no more than it gives")
}

func TestAnErrorEndsTheRows(t *testing.T) {
	boom := errors.New("boom")
	failing := func(yield func(row, error) bool) {
		if yield(row{"n": 1}, nil) {
			yield(nil, boom)
		}
	}
	for query, before := range map[string]int{
		"where true": 1, "project n": 1, "project-away x": 1, "extend x=n": 1, "take 5": 1, "distinct n": 1,
		"order by n": 0, "top 5 by n": 0, "count": 0, "summarize count() by n": 0, "take 1": 1,
	} {
		q, err := kql.Parse(query)
		require.NoError(t, err)
		var got []error
		for _, err := range q.Run(failing) {
			got = append(got, err)
		}
		want := slices.Repeat([]error{nil}, before)
		if query != "take 1" {
			want = append(want, boom)
		}
		require.Equal(t, want, got, query)
	}
}

// TestRowsAreNotChanged runs one query in several goroutines over the same rows.
func TestRowsAreNotChanged(t *testing.T) {
	list := append(assets(), nil)
	q, err := kql.Parse("extend name = 'x', n = 1 | project-away tags | summarize n = count() by name | extend m = n | order by n | top 3 by m")
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 2 {
				for r, err := range q.Run(seq(list)) {
					if err != nil || r["m"] != int64(5) {
						t.Errorf("%v %v", r, err)
					}
				}
			}
		})
	}
	group.Wait()
	require.Equal(t, append(assets(), nil), list)
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "|", "resources | where name =~ 'x' and not(isnull(tags['env'])) or a[0].b >= -1.5e3 | project a, b=c.d | order by a asc nulls last, b",
		"where name in~ ('a', \"b\\u00d6\", @'c''d') | extend x = tolower(tags) | distinct x, ['y z'] | top 3 by x | take 2",
		"summarize n=count() by tostring(properties.datasets), location | sort by n desc | project-away n | count", "where a has 'b' // c\n| limit 1",
		"where !contains 'x", "where ((((", "let x = 1d;", "where tags has tags and properties contains name",
	} {
		f.Add(s)
	}
	list := append(assets(), nil, row{"name": []any{json.Number("x"), -1.5}, "a": []any{row{"b": 1}}})
	f.Fuzz(func(t *testing.T, text string) {
		q, err := kql.Parse(text)
		if err != nil {
			if q != nil || !fault.Is(err, fault.Invalid) || err.Error() == "" {
				t.Fatalf("%v %v", q, err)
			}
			return
		}
		n := 0
		for r, err := range q.Run(seq(list)) {
			if err != nil || n == len(list) {
				t.Fatalf("row %d: %v %v", n, r, err)
			}
			n++
		}
	})
}
