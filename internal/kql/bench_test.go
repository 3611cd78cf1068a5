package kql_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/iotops/iotops/internal/kql"
)

// BenchmarkRun runs queries over 100,000 rows. An operation is all of them.
func BenchmarkRun(b *testing.B) {
	list := make([]row, 100_000)
	for i := range list {
		list[i] = row{
			"name": fmt.Sprintf("Asset-%06d", i), "location": "westus", "resourceGroup": fmt.Sprintf("rg%d", i%100), "tags": row{"env": "Prod"},
			"properties": row{"version": json.Number(strconv.Itoa(i % 1000)), "enabled": i%2 == 0, "deviceRef": row{"deviceName": fmt.Sprintf("line%d", i%50)}},
		}
	}
	for _, query := range []string{
		"where properties.deviceRef.deviceName == 'line7'",
		"where properties.deviceRef.deviceName =~ 'LINE7'",
		"where name contains '0099'",
		"where name has '009900'",
		"where properties.version > 990",
		"where resourceGroup in~ ('RG1', 'rg2') and properties.enabled == true",
		"where tags contains 'prod'",
		"project name, device=properties.deviceRef.deviceName",
		"extend x = tolower(name)",
		"order by properties.version, name asc",
		"top 10 by name",
		"summarize count() by resourceGroup",
		"distinct properties.deviceRef.deviceName",
		"where " + strings.Repeat("name == 'x' or ", 20) + "name == 'y'",
	} {
		b.Run(query[:min(len(query), 60)], func(b *testing.B) {
			q, err := kql.Parse(query)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range q.Run(seq(list)) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
