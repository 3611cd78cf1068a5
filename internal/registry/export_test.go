package registry

import (
	"fmt"
	"testing"
)

// LimitPages makes the disk look full once the file has n pages.
func LimitPages(t *testing.T, s *Store, n int) {
	t.Helper()
	if _, err := s.write.ExecContext(t.Context(), fmt.Sprintf(`PRAGMA max_page_count = %d`, n)); err != nil {
		t.Fatal(err)
	}
}
