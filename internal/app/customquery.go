package app

import (
	"context"

	"github.com/iotops/iotops/internal/cli"
	"github.com/iotops/iotops/internal/kql"
	"github.com/iotops/iotops/internal/output"
	"github.com/iotops/iotops/internal/registry"
	"github.com/iotops/iotops/pkg/fault"
	"github.com/iotops/iotops/pkg/model"
)

// CustomQuery is the option --custom-query: a query in the Kusto language in
// place of the filters.
type CustomQuery struct{ text string }

// Declare declares the option.
func (c *CustomQuery) Declare(s *cli.Set) {
	s.String(&c.text, "--custom-query", "--cq").Doc(`Query in the Kusto language instead of the filters, such as "where name contains 'oven' | project name".`)
}

// Given reports whether there is a query.
func (c *CustomQuery) Given() bool { return c.text != "" }

// RunQuery streams what a custom query makes of the resources of T's kind that
// match q and keep (nil = all). A query that cannot be read is an error at once.
func RunQuery[T model.Object](ctx context.Context, r registry.Reader, c CustomQuery, q registry.Query, keep func(T) bool) (output.Stream, error) {
	query, err := kql.Parse(c.text)
	if err != nil {
		return nil, fault.Wrap(err, "--custom-query")
	}
	rows := func(yield func(map[string]any, error) bool) {
		for v, err := range ShowAll(ctx, r, q, keep) {
			doc, _ := v.(map[string]any)
			if !yield(doc, err) || err != nil {
				return
			}
		}
	}
	return func(yield func(any, error) bool) {
		for row, err := range query.Run(rows) {
			if !yield(row, err) || err != nil {
				return
			}
		}
	}, nil
}
