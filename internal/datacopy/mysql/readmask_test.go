package mysql

import (
	"testing"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
)

// telling is a mask that writes what it reads of one number into another
// column.
type telling struct{ from, to int }

func (telling) Digest() string { return "telling" }

func (m telling) Rows(string, []datacopy.Column) (datacopy.RowMask, error) { return m, nil }

func (telling) Value(string, string) (datacopy.ValueMask, error) { return nil, nil }

func (m telling) Columns() []int { return []int{m.to} }

func (m telling) Reads() []int { return []int{m.to, m.from} }

func (m telling) Mask(row [][]byte, _ *datacopy.Scratch) error {
	row[m.to] = row[m.from]
	return nil
}

// What a mask looks at is text; floating point beside it travels as it does
// without a mask.
func TestMaskedTablesKeepTheirNumbers(t *testing.T) {
	source, target := storetest.MariaDB(t), storetest.MariaDB(t)
	from, to := newDatabase(t, source.URL, "shop"), newDatabase(t, target.URL, "shop")
	run(t, open1(t, from),
		"CREATE TABLE numbers (id INT PRIMARY KEY, f FLOAT, d DOUBLE NOT NULL, told VARCHAR(40), kept DOUBLE)",
		"INSERT INTO numbers VALUES (1, 0.1, 0.1, '', 5e-324), (2, 16777217, 1e300, 'x', NULL), (3, NULL, -0.5, NULL, -0.0), (4, 1.17549e-38, 0, '', 0.1)")
	questions := []string{"SELECT id, f + 0.0E0, d, kept FROM numbers ORDER BY id"}
	root := open1(t, target.URL+"/mysql")
	for way, setting := range map[string]string{"by arrays": "MIXED", "by LOAD DATA": "STATEMENT"} {
		t.Run(way, func(t *testing.T) {
			run(t, root, "SET GLOBAL binlog_format = "+setting)
			copiedEqual(t, datacopy.Request{From: parse(t, from), To: parse(t, to), Mask: telling{from: 2, to: 3}, Replace: true})
			compareAnswers(t, from, to, questions)
			told, err := open1(t, to).All(t.Context(), "SELECT COUNT(*) FROM numbers WHERE told + 0.0E0 = d")
			if err != nil || told[0][0].Value != "4" {
				t.Errorf("%v rows tell their number, want 4: %v", told, err)
			}
		})
	}
}
